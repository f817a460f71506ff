"""A disk that takes no more: who is concerned is told, and everybody's stream goes on."""

from __future__ import annotations

import asyncio
import io
import signal
from collections.abc import Mapping
from pathlib import Path

import httpx
import numpy as np
import soundfile

from .conftest import RECORDINGS, Connect, Run, speech

SMALL = (RECORDINGS / "audio" / "human_short.flac").read_bytes()


async def translated(server: object, connect: Connect, *, debug: bool) -> tuple[str, list[str]]:
    """What a speech becomes, and what its speaker was told beside."""
    peer = await connect(server)
    await peer.join()
    assert (await peer.configure(debug=debug))["status"] == "ok"
    await peer.speak(speech("human_short"))
    await peer.call("stop_stream")
    if debug:
        await peer.until("recording_saved")
    return peer.text(), [told["message"] for told in peer.of("server_exception")]


async def test_a_recording_that_the_disk_refuses_is_told_of_and_its_stream_goes_on(
    run: Run, connect: Connect, tmp_path: Path
) -> None:
    program = run()
    whole, told = await translated(program, connect, debug=True)
    assert told == []
    [recording] = (tmp_path / "debug").iterdir()
    sizes = sorted((path.stat().st_size for path in recording.iterdir()), reverse=True)
    assert (recording / "timeline.html").stat().st_size == sizes[0]
    # At once, in the middle, and only when the last file is made.
    for limit in (1_000, 50_000, sizes[1]):
        program.limit_files(limit)
        text, told = await translated(program, connect, debug=True)
        assert text == whole
        assert len(told) == 1, (limit, told)
        assert "recording" in told[0]
    [*_, last] = sorted((tmp_path / "debug").iterdir(), key=lambda path: path.stat().st_mtime)
    assert not (last / "timeline.html").exists()  # better none than half of one
    program.end(signal.SIGTERM)
    _, log = await program.code()
    assert "Traceback" not in log


def wav(seconds: float) -> bytes:
    packed = io.BytesIO()
    soundfile.write(packed, np.zeros(int(seconds * 16_000), np.int16), 16_000, format="WAV")
    return packed.getvalue()


async def test_an_upload_that_finds_no_room_is_told_so_and_others_are_served(run: Run) -> None:
    program = run()
    program.limit_files(100_000)

    def post(path: str, content: bytes, fields: Mapping[str, str]) -> httpx.Response:
        files = {"file": ("a.wav", content)}
        return httpx.post(f"{program.url}{path}", data=fields, files=files, timeout=120)

    rest = {"targetLanguage": "spa"}
    openai = {"target_language": "spa"}
    for path, size, fields in [
        ("/api/translate", 60, rest),
        ("/api/translate", 10, {**rest, "stream": "true"}),  # small enough for memory at first
        ("/v1/audio/translations", 60, openai),
        ("/v1/audio/transcriptions", 60, {"language": "spa"}),
    ]:
        refused = await asyncio.to_thread(post, path, wav(size), fields)
        assert refused.status_code == 507, refused.text
        assert "no_room" in refused.text
        served = await asyncio.to_thread(post, "/api/translate", SMALL, rest)
        assert served.json()["text"]
    program.end(signal.SIGTERM)
    _, log = await program.code()
    assert "Traceback" not in log
