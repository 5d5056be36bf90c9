"""Search, decoding, translation."""
