"""Capital first: budget, size, rules, the gate, and the stops that follow a position."""
