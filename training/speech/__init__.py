"""Synthetic speech: the synthesizers, their voices, and what is done to the sound."""
