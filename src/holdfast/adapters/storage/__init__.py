"""Where the house keeps what it must not lose, and what it can rebuild."""
