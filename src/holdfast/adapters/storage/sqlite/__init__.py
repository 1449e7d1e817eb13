"""The embedded journal and its projections: SQLite files on the owner's own disk."""
