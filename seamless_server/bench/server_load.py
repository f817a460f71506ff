"""Load for a running server: real clients that speak and listen in real time, and what they see."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt
import socketio

from seamless_server.audio.reader import open_audio
from seamless_server.bench.listeners import Crowd, allow_files
from seamless_server.checkpoints.cards import EMBEDDED, SYSTEM_DIRS
from seamless_server.errors import UsageError

Pcm = npt.NDArray[np.int16]

_FRAME_MS = 100
"""Audio in one message."""
_SETTLE_SECONDS = 0.3
"""After the last word, for those who hear it last."""
PERCENTILES = (50, 90, 95, 99)


@dataclass(frozen=True)
class ServerLoad:
    """What is asked of the server.

    speakers: talk at once, each in a room of its own. listeners: sit in the first speaker's room.
    seconds: that each speaker talks. output: of `configure_stream` (`s2t`, `s2s&t`). encoding: of
    the speech that listeners get (`pcm16`, `opus`).
    """

    url: str
    pcm: Pcm
    rate: int
    speakers: int = 1
    listeners: int = 0
    seconds: float = 30.0
    target_language: str | None = None
    output: str = "s2s&t"
    encoding: str = "pcm16"


@dataclass
class _Seen:
    """What one client saw."""

    text_ms: list[float] = field(default_factory=list)
    speech_ms: list[float] = field(default_factory=list)
    lag_ms: list[float] = field(default_factory=list)
    queued_ms: list[float] = field(default_factory=list)
    texts: int = 0
    sounds: int = 0
    notices: list[str] = field(default_factory=list)


class _Client:
    """One member of a room; measures from the sending of a sample to the event that covers it."""

    def __init__(self, name: str, started: dict[str, float]) -> None:
        self.seen = _Seen()
        self.name = name
        self._started = started
        self.sio = socketio.AsyncClient(reconnection=False)
        self.sio.on("translation_text", self._text)
        self.sio.on("translation_speech", self._speech)
        self.sio.on("stream_status", self._status)
        self.sio.on("server_exception", self._notice)

    async def join(self, load: ServerLoad, room: str | None, roles: list[str]) -> str:
        """Connects and joins; returns the room."""
        await self.sio.connect(
            f"{load.url}?clientID={self.name}&protocol=2",
            socketio_path="/ws/socket.io",
            transports=["websocket"],
            wait_timeout=10,
        )
        config = {"roles": roles, "lockServerName": None}
        answer = await self.sio.call("join_room", (self.name, room, config), timeout=60)
        return str(answer["roomID"])

    def _latency(self, data: dict[str, Any]) -> float:
        sent = self._started[data["speakerID"]] + float(data["endMs"]) / 1000
        return max(0.0, (time.monotonic() - sent) * 1000)

    async def _text(self, data: dict[str, Any]) -> None:
        self.seen.texts += 1
        if data["payload"]:
            self.seen.text_ms.append(self._latency(data))

    async def _speech(self, data: dict[str, Any]) -> None:
        self.seen.sounds += 1
        self.seen.speech_ms.append(self._latency(data))

    async def _status(self, data: dict[str, Any]) -> None:
        self.seen.lag_ms.append(data["lagMs"])
        self.seen.queued_ms.append(data["queuedMs"])

    async def _notice(self, data: dict[str, Any]) -> None:
        self.seen.notices.append(str(data.get("message")))

    async def speak(self, load: ServerLoad, offset: int) -> None:
        """Talks in real time, over the recording again and again from `offset` on."""
        if load.target_language:
            wanted = {"targetLanguage": load.target_language}
            await self.sio.call("set_dynamic_config", wanted, timeout=60)
        config = {
            "event": "config",
            "rate": load.rate,
            "model_name": None,
            "model_type": load.output,
            "debug": False,
            "async_processing": True,
            "buffer_limit": 0,
        }
        answer = await self.sio.call("configure_stream", config, timeout=120)
        if answer["status"] != "ok":
            self.seen.notices.append(answer["message"])
            return
        size = load.rate * _FRAME_MS // 1000
        loop = np.concatenate([load.pcm[offset:], load.pcm[:offset]])
        frames = round(load.seconds * 1000 / _FRAME_MS)
        self._started[self.name] = started = time.monotonic()
        for number in range(frames):
            # A frame is complete when its last sample was spoken.
            await asyncio.sleep(started + (number + 1) * _FRAME_MS / 1000 - time.monotonic())
            frame = np.take(loop, range(number * size, (number + 1) * size), mode="wrap")
            await self.sio.emit("incoming_audio", frame.tobytes())
        await self.sio.call("stop_stream", timeout=300)


def speech_to_send(path: Path | None) -> tuple[Pcm, int]:
    """A recording; by default a clip that comes with the embedded model."""
    if path is None:
        clips = sorted((SYSTEM_DIRS / EMBEDDED / "samples").glob("*.[fw][la][av]*"))
        if not clips:
            raise UsageError("--audio: name a recording of speech")
        path = clips[0]
    with open_audio(path) as sound:
        samples, rate = sound.read(), sound.rate
    pcm = (np.clip(samples, -1, 1) * 32767).astype(np.int16)
    # People pause between sentences.
    return np.concatenate([pcm, np.zeros(rate, np.int16)]), rate


async def run_load(
    load: ServerLoad,
    server_pid: int | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Applies `load` and reports what came of it; CPU seconds too where the process is known.

    Raises:
        UsageError: the system or the server does not let so many in.
    """
    started: dict[str, float] = {}
    allow_files(load.speakers)
    tag = f"bench-{os.getpid()}-{time.monotonic_ns()}"
    speakers = [_Client(f"{tag}-speaker-{n}", started) for n in range(load.speakers)]
    before = await _metrics(load.url)
    try:
        rooms = [await speaker.join(load, None, ["speaker", "listener"]) for speaker in speakers]
        alone = _resident_bytes(server_pid)
        crowd = Crowd(load.url, rooms[0], load.listeners, load.encoding, say)
        # Entering waits for processes; the speakers' connections live on meanwhile.
        coming = time.monotonic()
        await asyncio.to_thread(crowd.__enter__)
        coming = time.monotonic() - coming
        try:
            full = _resident_bytes(server_pid)
            cpu, own, begin = _cpu_seconds(server_pid), time.process_time(), time.monotonic()
            await _speak(load, speakers)
            wall = time.monotonic() - begin
            await asyncio.sleep(_SETTLE_SECONDS)
            used, after = _cpu_seconds(server_pid), await _metrics(load.url)
            own = time.process_time() - own
            heard = await asyncio.to_thread(crowd.heard)
        finally:
            await asyncio.to_thread(crowd.__exit__)
    finally:
        for client in speakers:
            await client.sio.disconnect()
    expected = speakers[0].seen.texts + speakers[0].seen.sounds
    each = None if alone is None or full is None else (full - alone) / max(1, load.listeners)
    steps = _diff(before, after, "seamless_step_chunks_count")
    return {
        "speakers": load.speakers,
        "listeners": load.listeners,
        "seconds": load.seconds,
        "audio_ms_a_message": _FRAME_MS,
        "output": load.output,
        "encoding": load.encoding,
        "text_latency_ms": _percentiles(x for s in speakers for x in s.seen.text_ms),
        "speech_latency_ms": _percentiles(x for s in speakers for x in s.seen.speech_ms),
        "listener_latency_ms": _percentiles(
            max(0.0, 1000 * (at - started[speaker]) - end_ms)
            for speaker, end_ms, written, at in heard.texts
            if written
        ),
        "lag_ms": _percentiles(x for s in speakers for x in s.seen.lag_ms),
        "queued_ms": _percentiles(x for s in speakers for x in s.seen.queued_ms),
        "dropped_audio_seconds": _diff(before, after, "seamless_dropped_audio_seconds_total"),
        "skipped_messages": _diff(before, after, "seamless_skipped_messages_total"),
        "listener_events": {
            "sent_to_each": expected,
            "missing_in_all": sum(max(0, expected - count) for count in heard.events),
            "lost_connections": heard.lost,
        },
        "joining_seconds": coming if load.listeners else None,
        "speech_bytes_a_listener": heard.speech_bytes / max(1, load.listeners),
        "state_megabytes": heard.state_bytes / 1e6,
        "bytes_a_listener": each if load.listeners else None,
        "chunks_a_step": _diff(before, after, "seamless_step_chunks_sum") / max(1.0, steps),
        "server_cpu_cores": None if cpu is None or used is None else (used - cpu) / wall,
        "clients_cpu_cores": (own + heard.cpu_seconds) / wall,
        "wall_seconds": wall,
        "notices": sorted({notice for s in speakers for notice in s.seen.notices}),
    }


async def _speak(load: ServerLoad, speakers: Sequence[_Client]) -> None:
    spread = len(load.pcm) // max(1, load.speakers)

    async def late(number: int, speaker: _Client) -> None:
        # People do not all begin at the same moment.
        await asyncio.sleep(0.32 * number / load.speakers)
        await speaker.speak(load, number * spread)

    await asyncio.gather(*(late(number, speaker) for number, speaker in enumerate(speakers)))


def _percentiles(values: Iterable[float]) -> dict[str, float] | None:
    found = np.fromiter(values, float)
    if not len(found):
        return None
    shares = np.percentile(found, PERCENTILES)
    named = {f"p{share}": round(float(x), 1) for share, x in zip(PERCENTILES, shares, strict=True)}
    return {"count": len(found), **named, "max": round(float(found.max()), 1)}


async def _metrics(url: str) -> dict[str, float]:
    async with httpx.AsyncClient() as http:
        text = (await http.get(f"{url}/metrics")).text
    return {
        name: float(value)
        for name, value in re.findall(r"^(seamless_\w+) (\S+)$", text, re.MULTILINE)
    }


def _diff(before: dict[str, float], after: dict[str, float], name: str) -> float:
    return round(after.get(name, 0.0) - before.get(name, 0.0), 3)


def _cpu_seconds(pid: int | None) -> float | None:
    """CPU time of a process so far; Linux only."""
    stat = Path(f"/proc/{pid}/stat")
    if pid is None or not stat.is_file():
        return None
    fields = stat.read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_bytes(pid: int | None) -> int | None:
    """Memory of a process now; Linux only."""
    statm = Path(f"/proc/{pid}/statm")
    if pid is None or not statm.is_file():
        return None
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
