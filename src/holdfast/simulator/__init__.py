"""A venue in a process of its own that speaks Gate.io's API for spot on loopback: for practice, tests and drills."""
