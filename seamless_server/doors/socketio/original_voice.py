"""A speaker's own voice, on its way to the listeners who want it under the translation."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Any

import numpy as np
import numpy.typing as npt

from seamless_server.audio.opus import OpusEncoder
from seamless_server.audio.resample import StreamResampler
from seamless_server.doors.socketio.schema import OriginalSpeech
from seamless_server.rooms.members import Kind

Pcm = npt.NDArray[np.int16]

_RATE = 16_000
_PIECE_SECONDS = 0.2
"""Replicas keep a room's last few hundred events for each other: a piece should not be short."""
_MOST_SECONDS = 2.0
"""How far audio may come ahead of time; what a lost connection held back is heard by nobody."""

Wanted = Callable[[], Collection[Kind]]
Send = Callable[[Kind, dict[str, Any]], Awaitable[None]]


class OriginalVoice:
    """Gathers the audio of one stream into pieces and sends them at the pace of speech.

    Args:
        speaker_id: client ID of the speaker.
        rate: of the audio, in Hz.
        wanted: the forms in which somebody wants to hear it now; none, and nothing is kept.
        send: takes each piece in one form.
    """

    def __init__(self, speaker_id: str, rate: int, wanted: Wanted, send: Send) -> None:
        self._speaker_id = speaker_id
        self._rate = rate
        self._wanted = wanted
        self._send = send
        self._resampler = StreamResampler(rate, _RATE)
        self._encoder: OpusEncoder | None = None
        self._gathered: list[Pcm] = []
        self._pieces: asyncio.Queue[Pcm] = asyncio.Queue(int(_MOST_SECONDS / _PIECE_SECONDS))
        self._until = 0.0
        self._task: asyncio.Task[None] | None = None

    def feed(self, samples: Pcm) -> None:
        """The next audio; returns at once, and what is too much is left out."""
        now = time.monotonic()
        until = max(self._until, now) + len(samples) / self._rate
        if not self._wanted():
            self._gathered = []
        elif until - now <= _MOST_SECONDS and not self._pieces.full():
            self._until = until
            self._gathered.append(samples)
            if sum(map(len, self._gathered)) >= _PIECE_SECONDS * self._rate:
                self._pieces.put_nowait(np.concatenate(self._gathered))
                self._gathered = []
                self._task = self._task or asyncio.create_task(self._run(), name="original voice")

    def close(self) -> None:
        """The stream is over."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        while True:
            samples = await self._pieces.get()
            forms = self._wanted()
            for form, event in (await asyncio.to_thread(self._events, samples, forms)).items():
                await self._send(form, event.model_dump())

    def _events(self, samples: Pcm, forms: Collection[Kind]) -> dict[Kind, OriginalSpeech]:
        """A piece in each form, encoded once for all who take it so."""
        floats = self._resampler.process(samples.astype(np.float32) / np.float32(32768))
        pcm = np.clip((floats * 32768).round(), -32768, 32767).astype("<i2")
        plain = OriginalSpeech(speakerID=self._speaker_id, payload=pcm.tobytes(), sample_rate=_RATE)
        found: dict[Kind, OriginalSpeech] = {"speech": plain} if "speech" in forms else {}
        if "opus" in forms:
            self._encoder = self._encoder or OpusEncoder(_RATE)
            piece = self._encoder.encode(pcm, _RATE)
            found["opus"] = OriginalSpeech(
                speakerID=self._speaker_id,
                payload=piece.payload,
                encoding="opus",
                sample_rate=piece.sample_rate,
                preSkip=piece.pre_skip,
                samples=piece.samples,
            )
        else:
            self._encoder = None  # nobody has the beginning any more
        return found
