"""The ground floor: records, errors, identifiers and time; knows nothing of trading."""
