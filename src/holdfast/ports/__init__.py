"""Protocols only: what the house asks of the outside, without saying who answers."""
