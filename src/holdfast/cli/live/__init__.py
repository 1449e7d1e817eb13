"""The live view in the terminal: what it shows, and the keys it takes."""
