"""What exists: instruments, money, market data, orders, fills, positions, decisions, events."""
