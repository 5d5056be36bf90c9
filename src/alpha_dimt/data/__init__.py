"""From upstream text to encoded corpora."""
