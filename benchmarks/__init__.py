"""How fast training, decoding and the stages around them are: `make bench`."""
