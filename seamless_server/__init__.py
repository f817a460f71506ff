"""Real-time speech translation with SeamlessStreaming models."""

__version__ = "0.1.0"
