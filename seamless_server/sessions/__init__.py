"""One speaker's stream: audio in, translation out, in order and off the event loop."""
