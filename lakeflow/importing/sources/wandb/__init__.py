"""Runs that Weights & Biases has logged offline."""
