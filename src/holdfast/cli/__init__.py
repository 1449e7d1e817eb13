"""The command line: parses, calls use cases through app, and shows the result."""
