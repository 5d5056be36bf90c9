"""Scores that carry their definition."""
