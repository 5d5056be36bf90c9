"""The paper's model: an attentional encoder-decoder of LSTMs with input feeding."""
