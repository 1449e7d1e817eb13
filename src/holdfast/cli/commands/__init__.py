"""What a person may type: names, options and help texts; nothing here is slow to import."""
