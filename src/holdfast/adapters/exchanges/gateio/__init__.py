"""Gate.io spot over its API v4: signing, the venue's own shapes, its limits and labels, and a client for REST."""
