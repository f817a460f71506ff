"""Streams for whoever asks: admission, limits, sessions, recordings; no sockets."""
