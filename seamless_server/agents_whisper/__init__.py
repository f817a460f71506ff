"""Whisper as a streaming model: a plug-in of SimulEval agents, which nothing else here imports.

It needs the extra ``whisper`` (faster-whisper and CTranslate2, both MIT). A model is a folder with
a system file that names `seamless_server.agents_whisper.agent.WhisperAgent` (docs/models.md).
"""
