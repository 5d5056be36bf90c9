"""The machine: processor, device, leases of GPUs, and a doctor for all of it."""
