"""Real-time speech translation with SeamlessStreaming models."""

import os

__version__ = "0.1.0"

# MKL would keep buffers for each thread that multiplies: 55 MB with four speakers, and no speed
# that could be measured. It reads this while PyTorch is imported.
os.environ.setdefault("MKL_DISABLE_FAST_MM", "1")
