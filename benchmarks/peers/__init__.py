"""Other toolkits with the same model on the same batches, each in an environment of its own."""
