"""The report of a corpus: one self-contained page, and its figures as files."""
