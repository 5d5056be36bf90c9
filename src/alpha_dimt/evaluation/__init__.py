"""Corpus scores with their definitions, and significance tests of their differences."""
