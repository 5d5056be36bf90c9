"""What a run leaves on disk: its paths, its records, and whether they are stale."""
