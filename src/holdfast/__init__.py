"""holdfast: a self-hosted trading agent that guards keys and capital."""

__version__ = "0.1.0"
