"""The Python client and its command, against a real server."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from seamless_server.client import ClientError, Notice, Speech, Status, StreamingClient, Text
from seamless_server.doors.running import BackgroundServer
from seamless_server.errors import AudioError

from .conftest import RECORDINGS, Connect, speech

Start = Callable[..., BackgroundServer]
AUDIO = RECORDINGS / "audio" / "human_short.flac"


async def test_a_file_is_translated_as_it_is_sent(shared_server: BackgroundServer) -> None:
    async with StreamingClient(shared_server.url, target_language="spa", name="Ana") as client:
        events = [event async for event in client.translate(AUDIO, realtime=False)]
        transcript = await client.transcript()
        assert client.room
        again = [event async for event in client.translate(AUDIO, realtime=False)]
    texts = [event for event in events if isinstance(event, Text)]
    assert {text.lang for text in texts} == {"spa"}
    assert {text.speaker_id for text in texts} == {client.client_id}
    assert texts[-1].finished
    said = "".join(text.text for text in texts).split()
    assert said == " ".join(entry["text"] for entry in transcript).split()
    sounds = [event for event in events if isinstance(event, Speech)]
    assert sum(len(sound.samples) for sound in sounds) > 0
    assert [event for event in again if isinstance(event, Text)]
    assert not [event for event in events if isinstance(event, Notice)]


async def test_sending_at_the_pace_of_speech(shared_server: BackgroundServer) -> None:
    pcm = speech("human_short", 48_000, seconds=1.5)

    async def chunks() -> AsyncIterator[np.ndarray]:
        for start in range(0, len(pcm), 4_800):
            yield pcm[start : start + 4_800]

    async with StreamingClient(shared_server.url, target_language="fra", output="s2t") as client:
        events = [event async for event in client.translate(chunks(), rate=48_000)]
        assert client.sent_ms == pytest.approx(1500)
    assert [event for event in events if isinstance(event, Status)]
    assert not [event for event in events if isinstance(event, Speech)]


async def test_a_listener_hears_in_its_own_language(shared_server: BackgroundServer) -> None:
    async with (
        StreamingClient(shared_server.url, target_language="spa") as speaker,
        StreamingClient(
            shared_server.url, room=speaker.room, target_language="deu", output="s2t"
        ) as listener,
    ):

        async def listen() -> Text:
            async for event in listener.listen():
                if isinstance(event, Text) and event.finished:
                    return event
            raise AssertionError("nothing was heard")

        heard = asyncio.create_task(listen())
        own = [event async for event in speaker.translate(AUDIO, realtime=False)]
        text = await asyncio.wait_for(heard, 60)
    assert text.lang == "deu"
    assert {event.lang for event in own if isinstance(event, Text)} == {"spa"}


async def test_a_lost_connection_is_taken_up_again(
    shared_server: BackgroundServer,
) -> None:
    parts = shared_server.app.state.parts
    loop = shared_server.loop
    assert loop is not None
    dropped = 0
    audio = RECORDINGS / "audio" / "human_pauses.flac"
    async with StreamingClient(shared_server.url, target_language="spa", output="s2t") as client:
        ends = []
        async for event in client.translate(audio, realtime=False, chunk_ms=320):
            if isinstance(event, Text):
                ends.append(event.end_ms)
                if dropped < 2 and parts.rooms.members[client.client_id].connected:
                    dropped += 1
                    for connection in list(shared_server.server.server_state.connections):
                        loop.call_soon_threadsafe(connection.transport.abort)
    assert dropped == 2
    assert max(ends) > 7_000


async def test_a_restarted_server_gets_the_stream_anew(start_server: Start, tmp_path: Path) -> None:
    first = start_server()
    port = int(first.url.rsplit(":", 1)[1])
    texts: list[Text] = []
    async with StreamingClient(first.url, target_language="spa", output="s2t") as client:
        restarted = False
        audio = speech("human_pauses", seconds=7)
        async for event in client.translate(audio, rate=16_000):
            if isinstance(event, Text):
                texts.append(event)
                if not restarted:
                    restarted = True
                    await asyncio.to_thread(first.__exit__)
                    await asyncio.to_thread(start_server, port=port)
                    before = len(texts)
    assert len(texts) > before


async def test_what_the_server_refuses_is_said(start_server: Start, connect: Connect) -> None:
    with pytest.raises(ClientError, match="cannot be joined"):
        async with StreamingClient("http://127.0.0.1:9"):
            pass
    server = start_server(max_speakers=1)
    busy = await connect(server, "busy")
    await busy.join()
    await busy.configure()
    async with StreamingClient(server.url, target_language="spa", wait=False) as client:
        with pytest.raises(ClientError, match="max_speakers"):
            await anext(client.translate(AUDIO))
        with pytest.raises(AudioError, match="not a sound file"):
            await anext(client.translate(Path(__file__)))
    with pytest.raises(ClientError, match="unknown language 'tlh' \\(Klingon"):
        async with StreamingClient(server.url, target_language="tlh"):
            pass


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "seamless_server", "stream", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_command_prints_captions_and_writes_files(
    shared_server: BackgroundServer, tmp_path: Path
) -> None:
    wav, srt, vtt = (tmp_path / f"out.{kind}" for kind in ("wav", "srt", "vtt"))
    done = command(
        AUDIO, "--url", shared_server.url, "--tgt-lang", "spa", "--no-realtime",
        "--wav", wav, "--srt", srt, "--vtt", vtt,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert re.search(r"room [A-Z]{4}", done.stderr)
    assert re.search(r"listen at http:\S+/r/[A-Z]{4}", done.stderr)
    said = done.stdout.split()
    assert said
    assert soundfile.info(wav).duration > 0
    lines = [line for line in srt.read_text().splitlines() if line and not line[0].isdigit()]
    assert "".join("".join(lines).split()) == "".join(said)
    assert vtt.read_text().startswith("WEBVTT")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["no-such-file.wav"], "no such file"),
        ([str(AUDIO), "--output", "loud"], "s2s&t"),
        ([str(AUDIO), "--tgt-lang", "xho"], "xho"),
        ([str(AUDIO), "--model", "nothing"], "nothing"),
    ],
)
def test_the_command_says_in_a_sentence_what_is_wrong(
    shared_server: BackgroundServer, arguments: list[str], part: str
) -> None:
    done = command(*arguments, "--url", shared_server.url)
    assert done.returncode == 2
    assert part in done.stderr
    assert "Traceback" not in done.stderr
