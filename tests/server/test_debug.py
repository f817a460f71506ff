"""Debug recordings: what is in them, who may have them, and that they never harm a stream."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile

from seamless_server.doors.running import BackgroundServer
from seamless_server.service.debug_store import DebugStore
from seamless_server.service.timeline import write_timeline

from .conftest import Connect, Peer, speech

Start = Callable[..., BackgroundServer]


async def test_a_recording_holds_everything(start_server: Start, connect: Connect) -> None:
    server = start_server()
    peer = await connect(server, "../peer")
    await peer.join()
    answer = await peer.configure(48_000, debug=True, buffer_limit=0)
    assert answer == {"status": "ok", "message": "server_ready", "model": "tiny", "debug": True}
    audio = speech("human_pauses", 48_000)
    await peer.speak(audio, chunk=16_384)
    await peer.call("stop_stream")
    saved = await peer.until("recording_saved")
    folder = server.settings.debug_dir / saved["name"]
    assert set(saved["files"]) == {path.name for path in folder.iterdir()}

    incoming, rate = soundfile.read(folder / "input.wav", dtype="int16")
    assert rate == 48_000
    assert np.array_equal(incoming, audio)
    heard = soundfile.info(folder / "heard.wav")
    assert heard.samplerate == 16_000
    assert heard.duration == pytest.approx(len(audio) / 48_000, abs=0.05)

    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    kinds = {event["type"] for event in events}
    assert {"configured", "read", "write", "segment", "text", "speech"} <= kinds
    for event in events:
        if event["type"] in ("read", "write"):
            assert 0 <= event["p_choose_min"] <= 1
            assert len(event["p_choose"]) >= len(event["tokens"])
    times = [event["at_ms"] for event in events]
    assert times == sorted(times)

    segments = [event for event in events if event["type"] == "segment"]
    assert len(segments) > 1
    for segment in segments:
        info = soundfile.info(folder / f"segment_{segment['segment']:04d}.wav")
        length = (segment["end_ms"] - segment["start_ms"]) / 1000
        assert info.duration == pytest.approx(length, abs=0.02)

    sent = b"".join(sound["payload"] for sound in peer.of("translation_speech"))
    whole, _ = soundfile.read(folder / "output_spa.wav", dtype="int16")
    parts = sorted(folder.glob("output_spa_*.wav"))
    joined = np.concatenate([soundfile.read(part, dtype="int16")[0] for part in parts])
    assert np.array_equal(whole, joined)
    assert np.array_equal(whole, np.frombuffer(sent, "<i2"))

    page = (folder / "timeline.html").read_text()
    assert "data:audio/flac;base64," in page
    assert "http://" not in page
    assert "https://" not in page

    async with httpx.AsyncClient(base_url=server.url) as http:
        assert (await http.get(saved["url"])).json() == sorted(saved["files"])
        log = await http.get(f"{saved['url']}events.jsonl")
    assert log.content == (folder / "events.jsonl").read_bytes()


def test_downloads_stay_in_their_folder(start_server: Start, tmp_path: Path) -> None:
    server = start_server(wait_ready=False)
    recording = server.settings.debug_dir / "20260101T000000Z_ABCD_0123456789ab"
    recording.mkdir(parents=True)
    (recording / "input.wav").write_bytes(b"RIFF")
    (server.settings.debug_dir / "private.wav").write_bytes(b"secret")
    (tmp_path / "outside.wav").write_bytes(b"secret")
    (recording / "link.wav").symlink_to(tmp_path / "outside.wav")
    url = f"{server.url}/api/debug"
    assert httpx.get(f"{url}/{recording.name}/input.wav").content == b"RIFF"
    for path in (
        f"{recording.name}/link.wav",
        f"{recording.name}/..%2Fprivate.wav",
        f"{recording.name}/../private.wav",
        f"{recording.name}/%2e%2e/private.wav",
        f"{recording.name}/..%5Cprivate.wav",
        "../outside.wav",
        "..%2F/outside.wav",
        "./private.wav",
        "%00/input.wav",
        f"{recording.name}/input.wav%00",
    ):
        answer = httpx.get(f"{url}/{path}")
        assert answer.status_code == 404, path
        assert b"secret" not in answer.content


async def test_only_who_may_is_recorded(start_server: Start, connect: Connect) -> None:
    server = start_server(allow_debug="no")
    peer = await connect(server, "peer")
    await peer.join()
    assert (await peer.configure(debug=True))["debug"] is False
    assert not server.settings.debug_dir.exists()


async def test_without_a_word_of_the_operator_only_this_machine_s_clients_are_recorded(
    start_server: Start, connect: Connect
) -> None:
    server = start_server()
    near, far = await connect(server, "near"), Peer("far")
    # Through a proxy: the connection comes from here, the client does not.
    await far.sio.connect(
        f"{server.url}?clientID=far&protocol=2",
        headers={"X-Forwarded-For": "203.0.113.7"},
        socketio_path="/ws/socket.io",
        transports=["websocket"],
    )
    for peer, recorded in ((near, True), (far, False)):
        await peer.join()
        assert (await peer.configure(debug=True))["debug"] is recorded
        await peer.call("stop_stream")
    await near.until("recording_saved")
    assert far.of("recording_saved") == []
    await far.sio.disconnect()


@pytest.mark.parametrize("reason", ["no space", "no folder"])
async def test_a_disk_that_fails_ends_the_recording_not_the_stream(
    start_server: Start, connect: Connect, tmp_path: Path, reason: str
) -> None:
    if reason == "no space":
        server = start_server(debug_min_free_mb=10**9)
    else:
        blocked = tmp_path / "file"
        blocked.write_text("")
        server = start_server(debug_dir=blocked / "debug")
    peer = await connect(server, "peer")
    await peer.join()
    answer = await peer.configure(debug=True)
    assert answer["status"] == "ok"
    assert answer["debug"] is False
    warning = await peer.until("server_exception")
    assert warning["code"] == "recording"
    assert str(tmp_path) not in warning["message"]
    await peer.speak(speech("human_short"))
    await peer.call("stop_stream")
    assert peer.text()


async def test_a_disk_that_goes_away_ends_the_recording_not_the_stream(
    start_server: Start, connect: Connect
) -> None:
    server = start_server()
    peer = await connect(server, "peer")
    await peer.join()
    assert (await peer.configure(debug=True))["debug"] is True
    [folder] = server.settings.debug_dir.iterdir()
    shutil.rmtree(folder)
    await peer.speak(speech("human_short"))
    await peer.call("stop_stream")
    warning = await peer.until("server_exception")
    assert warning["code"] == "recording"
    assert "goes on" in warning["message"]
    assert str(folder) not in warning["message"]
    assert len(peer.of("server_exception")) == 1
    assert peer.text()


async def test_one_recording_is_bounded_in_size(start_server: Start, connect: Connect) -> None:
    server = start_server(debug_max_mb=0.1)
    peer = await connect(server, "peer")
    await peer.join()
    await peer.configure(48_000, debug=True, model_type="s2t")
    await peer.speak(speech("human_pauses", 48_000))
    warning = await peer.until("server_exception")
    assert "0.1 MB" in warning["message"]
    await peer.call("stop_stream")
    saved = await peer.until("recording_saved")
    sounds = [server.settings.debug_dir / saved["name"] / f for f in ("input.wav", "heard.wav")]
    assert 10_000 < sum(path.stat().st_size for path in sounds if path.exists()) < 150_000
    assert max(text["endMs"] for text in peer.of("translation_text")) > 5_000


def test_what_was_said_is_data_in_the_timeline(tmp_path: Path) -> None:
    said = "</script><img src=x onerror=alert(1)>"
    event = {"type": "text", "at_ms": 1.0, "lang": "spa", "segment": 0, "text": said}
    page = write_timeline(tmp_path, [event], {0: (0.0, 10.0)}).read_text()
    assert said not in page
    assert "<img" not in page
    assert page.count("</script>") == 1
    assert said.replace("<", "\\u003c") in page


async def test_a_disk_that_fills_up_ends_the_recording_not_the_stream(
    start_server: Start, connect: Connect
) -> None:
    server = start_server(debug_max_minutes=0.001)
    peer = await connect(server, "peer")
    await peer.join()
    await peer.configure(debug=True)
    await peer.speak(speech("human_pauses"), pause=0.02)
    await peer.call("stop_stream")
    warning = await peer.until("server_exception")
    assert warning["code"] == "recording"
    assert "goes on" in warning["message"]
    assert max(text["endMs"] for text in peer.of("translation_text")) > 5_000
    saved = await peer.until("recording_saved")
    assert "timeline.html" in saved["files"]


def test_old_and_too_many_recordings_go(tmp_path: Path) -> None:
    store = DebugStore(tmp_path, max_mb=2.0, max_days=1.0, min_free_mb=0)
    foreign = tmp_path / "not ours"
    foreign.mkdir()
    old = store.create("OLD")
    os.utime(old, (time.time() - 2 * 86_400,) * 2)
    kept = []
    for number in range(4):
        folder = tmp_path / f"2026010{number + 1}T000000Z_ROOM_0123456789ab"
        folder.mkdir()
        (folder / "input.wav").write_bytes(b"x" * 900_000)
        kept.append(folder)
    assert store.prune() == 3
    assert store.recordings() == kept[-2:]
    assert foreign.is_dir()
    assert ".." not in store.create("../../x").name
