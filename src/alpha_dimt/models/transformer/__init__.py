"""The Transformer (Vaswani et al., 2017) with pre-norm: its definition, and a faster form."""
