"""The expressive voice over a real server: offered, switched while somebody speaks, uploaded."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import soundfile

from seamless_server.doors.running import BackgroundServer

from .conftest import RECORDINGS, Connect, realtime_speech, settings, silence, speech

VOICE = RECORDINGS / "expressive" / "24khz"
AUDIO = RECORDINGS / "audio" / "human_short.flac"
TALKATIVE = "decision_threshold=0.3,decision_method=mean,max_len_a=0,max_len_b=40"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackgroundServer]:
    """A server with the recorded voice, which writes early and much."""
    chosen = settings(
        tmp_path_factory.mktemp("expressive"),
        use_expressive_model=True,
        expressive_voice=str(VOICE),
        stream_options=TALKATIVE,
    )
    with BackgroundServer(chosen) as running:
        yield running


@pytest.mark.parametrize("protocol", [1, 2])
async def test_the_switch_is_offered_and_works_while_somebody_speaks(
    server: BackgroundServer, connect: Connect, protocol: int
) -> None:
    peer = await connect(server, protocol=protocol)
    state = peer.of("server_state_update")[-1]
    assert state["agentsCapabilities"][0]["dynamicParams"] == ["expressive"]
    await peer.join()
    assert (await peer.configure())["status"] == "ok"
    seen = []
    for wanted in (False, True, False):
        answer = await peer.call("set_dynamic_config", {"expressive": wanted})
        assert answer["status"] == "ok"
        begun = len(peer.events)
        await peer.speak(speech("human_short"))
        await peer.speak(silence(2.0))
        await peer.until(
            "translation_speech", lambda data: len(data["payload"]) and data["eos"], after=begun
        )
        seen.append({x["sample_rate"] for name, x in peer.events[begun:] if _is_speech(name, x)})
    assert seen == [{16_000}, {24_000}, {16_000}]


async def test_a_speaker_is_told_of_languages_that_their_voice_has_not(
    server: BackgroundServer, connect: Connect
) -> None:
    peer = await connect(server)
    await peer.join()
    for lang, wanted, told in (("nld", True, "Dutch"), ("spa", True, None), ("nld", False, None)):
        await peer.call("set_dynamic_config", {"expressive": wanted, "targetLanguage": lang})
        assert (await peer.configure())["status"] == "ok"
        begun = len(peer.events)
        await peer.speak(silence(0.4))
        status = await peer.until("stream_status", after=begun)
        assert (status["warning"] is None) == (told is None)
        assert (told or "") in (status["warning"] or "")
        await peer.call("stop_stream")


def _is_speech(name: str, data: dict[str, bytes]) -> bool:
    return name == "translation_speech" and len(data["payload"]) > 0


def test_an_upload_in_the_speakers_voice_is_one_file_of_24_khz(server: BackgroundServer) -> None:
    sounds = {}
    for wanted in ("false", "true"):
        with AUDIO.open("rb") as file:
            answer = httpx.post(
                f"{server.url}/api/translate",
                data={"targetLanguage": "spa", "expressive": wanted},
                files={"file": file},
                headers={"accept": "audio/wav"},
                timeout=120,
            )
        answer.raise_for_status()
        sounds[wanted] = answer
    rates = {}
    for wanted, answer in sounds.items():
        samples, rates[wanted] = soundfile.read(io.BytesIO(answer.content))
        assert len(samples)
    assert rates == {"false": 16_000, "true": 24_000}


def test_the_pieces_of_an_upload_say_their_own_rate(server: BackgroundServer) -> None:
    with AUDIO.open("rb") as file:
        answer = httpx.post(
            f"{server.url}/api/translate",
            data={"targetLanguage": "spa", "expressive": "true", "speech": "true"},
            files={"file": file},
            headers={"accept": "application/x-ndjson"},
            timeout=120,
        )
    answer.raise_for_status()
    lines = [json.loads(line) for line in answer.text.splitlines()]
    pieces = [x for x in lines if x["type"] == "speech" and x["pcm16"]]
    assert pieces
    assert {x["sampleRate"] for x in pieces} == {24_000}
    # Whole units of 20 ms.
    assert {len(base64.b64decode(x["pcm16"])) % (2 * 480) for x in pieces} == {0}


async def test_a_realtime_session_speaks_as_the_operator_says(
    start_server: Callable[..., BackgroundServer],
) -> None:
    """OpenAI's wire has no such switch, but one rate: the voice's, so nothing is resampled."""
    server = start_server(
        use_expressive_model=True,
        expressive_voice=str(VOICE),
        stream_options=f"{TALKATIVE},expressive=true",
    )
    deltas = await realtime_speech(server)
    assert all(event["sample_rate"] == 24_000 for event in deltas)
    sound = b"".join(base64.b64decode(event["delta"]) for event in deltas)
    assert sound
    assert len(sound) % (2 * 480) == 0


async def test_a_recording_of_both_voices_keeps_every_piece_at_its_rate(
    start_server: Callable[..., BackgroundServer], connect: Connect, tmp_path: Path
) -> None:
    server = start_server(
        use_expressive_model=True,
        expressive_voice=str(VOICE),
        stream_options=TALKATIVE,
        allow_debug="yes",
    )
    peer = await connect(server)
    await peer.join()
    assert (await peer.configure(debug=True))["status"] == "ok"
    for wanted in (False, True):
        await peer.call("set_dynamic_config", {"expressive": wanted})
        begun = len(peer.events)
        await peer.speak(speech("human_short"))
        await peer.speak(silence(2.0))
        await peer.until(
            "translation_speech", lambda data: len(data["payload"]) and data["eos"], after=begun
        )
    await peer.call("stop_stream")
    saved = await peer.until("recording_saved")
    folder = tmp_path / "debug" / saved["name"]
    pieces = [soundfile.info(path) for path in sorted(folder.glob("output_spa_*.wav"))]
    assert {piece.samplerate for piece in pieces} == {16_000, 24_000}
    whole = soundfile.info(folder / "output_spa.wav")
    assert whole.samplerate == pieces[0].samplerate
    assert whole.duration == pytest.approx(sum(piece.duration for piece in pieces), abs=0.01)


def test_a_server_whose_voice_is_missing_says_how_to_get_it(
    start_server: Callable[..., BackgroundServer],
) -> None:
    server = start_server(use_expressive_model=True, wait_ready=False)
    for _ in range(200):
        ready = httpx.get(f"{server.url}/readyz").json()
        if ready["state"] == "failed":
            break
    assert "accept the licence at" in ready["error"]
