"""A speaker's audio as it comes in: samples, or Opus."""

from __future__ import annotations

import numpy as np

from seamless_server.audio.opus import RATES, OpusDecoder
from seamless_server.doors.socketio.original_voice import Pcm
from seamless_server.doors.socketio.schema import EventError, OpusAudio, StreamConfig
from seamless_server.rooms.members import Encoding

_MOST_PACKETS = 50
"""Of Opus in one message: decoding is to hold nobody up."""


class IncomingAudio:
    """Makes samples of what a speaker sends."""

    def __init__(self, config: StreamConfig) -> None:
        self._rate = config.rate
        self.encoding: Encoding = config.encoding if config.rate in RATES else "pcm16"
        """How audio may come; samples may always."""
        self._decoder: OpusDecoder | None = None

    def samples(self, audio: bytes | OpusAudio) -> Pcm:
        """What it sent, (n,).

        Raises:
            EventError: it cannot be decoded.
        """
        if isinstance(audio, bytes):
            return np.frombuffer(audio, dtype="<i2")
        try:
            if audio.preSkip is not None:
                self._decoder = OpusDecoder(self._rate)
            if self._decoder is None:
                raise ValueError("the first packet needs a preSkip")
            samples = self._decoder.decode(audio.payload, _MOST_PACKETS)[audio.preSkip or 0 :]
            if len(samples) < audio.samples:
                raise ValueError(f"{audio.samples} samples are announced and {len(samples)} came")
        except ValueError as error:
            raise EventError("incoming_audio", "payload", str(error)) from None
        return samples[: audio.samples]
