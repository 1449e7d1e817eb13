"""The door for the same machine: a Unix socket beside the journal that takes JSON lines from the owner alone."""
