"""Folds over the journal: portfolio, orders, decisions and trades as they stand; nothing here decides."""
