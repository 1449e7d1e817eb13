"""The doors: they translate a request into a use case and back, and decide nothing."""
