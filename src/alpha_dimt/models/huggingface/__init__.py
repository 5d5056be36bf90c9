"""Pretrained encoder-decoders of Hugging Face behind the contract of a model."""
