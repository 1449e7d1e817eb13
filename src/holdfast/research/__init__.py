"""What a run was worth, and how far that can be believed: measures, reports, validation."""
