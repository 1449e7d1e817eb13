"""Any venue that ccxt knows, behind the port of live exchanges."""
