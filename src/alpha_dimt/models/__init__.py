"""The attention-based encoder-decoder of the paper."""
