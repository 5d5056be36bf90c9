"""What everything else stands on: errors, files, progress, rows of unequal length, vocabularies."""
