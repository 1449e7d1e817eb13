"""A venue inside the process: the matching rules behind the exchange port, for backtest and paper."""
