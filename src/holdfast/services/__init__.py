"""Use cases: one function for one thing that a user can ask for. Every door calls these."""
