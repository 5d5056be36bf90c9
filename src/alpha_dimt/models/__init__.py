"""The contract of a model, the paper's network, a Transformer, pretrained models, the critic."""
