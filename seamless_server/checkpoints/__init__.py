"""Checkpoints: where models are, and how their files become networks and tokenizers."""
