"""Real-time speech translation with SeamlessStreaming models."""

import os

__version__ = "0.1.0"

# What libraries below PyTorch read once, when it is loaded; the user's own values win.
# Kernels that oneDNN keeps, one for each shape, each as dear as many calls of it: with 128 a
# server of two dozen speakers takes a quarter more processor time than with 512.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "512")
# Buffers that MKL keeps for each thread: dozens of megabytes, and no time won by them.
os.environ.setdefault("MKL_DISABLE_FAST_MM", "1")
