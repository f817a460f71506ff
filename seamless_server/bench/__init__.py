"""Benchmarks of the engine under load, for ``seamless-server bench``."""
