"""The networks of SeamlessStreaming as plain PyTorch modules (inference graph only)."""
