"""The base layer: errors, files, progress bars, ragged arrays, vocabularies."""
