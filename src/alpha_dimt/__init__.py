"""Neural sequence model training via alpha-divergence minimisation (Koyamada et al., 2017)."""

__version__ = "0.1.0"
