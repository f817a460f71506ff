"""The Socket.IO door: live audio, rooms and listeners (docs/protocol.md)."""
