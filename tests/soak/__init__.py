"""Half an hour of everything at once: `python -m tests.soak`, which is `make soak`."""
