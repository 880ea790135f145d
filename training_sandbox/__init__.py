"""Training of partner models under differential privacy, inside a jail."""
