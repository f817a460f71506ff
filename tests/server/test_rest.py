"""The REST interface, over real HTTP."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import jwt
import numpy as np
import pytest
import soundfile

from seamless_server.doors.running import BackgroundServer

from .conftest import RECORDINGS, Connect, speech

Start = Callable[..., BackgroundServer]
AUDIO = RECORDINGS / "audio" / "human_short.flac"


def post(server: BackgroundServer, path: Path | bytes = AUDIO, **options: object) -> httpx.Response:
    data = options.pop("data", {"targetLanguage": "spa"})
    content = path if isinstance(path, bytes) else path.read_bytes()
    return httpx.post(
        f"{server.url}/api/translate",
        files={"file": ("../../evil name.flac", content)},
        data=data,  # type: ignore[arg-type]
        timeout=120,
        **options,  # type: ignore[arg-type]
    )


def test_the_catalogue(shared_server: BackgroundServer) -> None:
    [model] = httpx.get(f"{shared_server.url}/api/models").json()
    assert "spa" in model["speechLangs"]
    assert str(RECORDINGS) not in json.dumps(model)
    answer = httpx.get(f"{shared_server.url}/api/languages")
    assert answer.headers["content-encoding"] == "gzip"  # it is long, and every page asks for it
    languages = {entry["code"]: entry for entry in answer.json()}
    assert languages["spa"] == {
        "code": "spa",
        "name": "Spanish",
        "script": "Latn",
        "source": True,
        "text": True,
        "speech": True,
    }
    assert httpx.get(f"{shared_server.url}/api/phrases").json() == []
    assert httpx.get(f"{shared_server.url}/api/samples").json() == []
    assert httpx.get(f"{shared_server.url}/api/samples/tiny/..%2Fconfig.json").status_code == 404


async def test_a_room_is_told_in_counts_only(
    shared_server: BackgroundServer, connect: Connect
) -> None:
    peer = await connect(shared_server)
    room = await peer.join()
    await peer.call("set_name", "Secret Name")
    await peer.call("set_listener_config", {"targetLanguage": "deu", "output": "s2t"})
    async with httpx.AsyncClient() as http:
        answer = await http.get(f"{shared_server.url}/api/rooms/{room}")
        missing = await http.get(f"{shared_server.url}/api/rooms/NOPE")
    assert answer.json() == {
        "roomID": room,
        "members": 1,
        "connected": 1,
        "speakers": 1,
        "listeners": 1,
        "activeTranscoders": 0,
        "languages": {"deu": 1},
    }
    assert "Secret" not in answer.text
    assert peer.client_id not in answer.text
    assert missing.status_code == 404


def test_a_file_is_translated(shared_server: BackgroundServer) -> None:
    answer = post(shared_server).json()
    assert answer["language"] == "spa"
    assert answer["text"]
    assert answer["text"] == " ".join(segment["text"] for segment in answer["segments"])
    assert answer["durationMs"] == pytest.approx(soundfile.info(AUDIO).duration * 1000, abs=1)
    assert answer["speech"] is None
    spoken = post(shared_server, data={"targetLanguage": "spa", "speech": "true"}).json()
    wav = base64.b64decode(spoken["speech"]["base64"])
    samples, rate = soundfile.read(io.BytesIO(wav), dtype="int16")
    assert rate == spoken["speech"]["sampleRate"]
    assert np.abs(samples).max() > 0
    alone = post(shared_server, headers={"Accept": "audio/wav"})
    assert alone.headers["content-type"] == "audio/wav"
    assert alone.content == wav


def test_the_translation_comes_line_by_line(shared_server: BackgroundServer) -> None:
    data = {"targetLanguage": "spa", "speech": "true", "stream": "true"}
    lines = [json.loads(line) for line in post(shared_server, data=data).text.splitlines()]
    kinds = [line["type"] for line in lines]
    assert set(kinds) == {"progress", "text", "speech", "done"}
    assert kinds[-1] == "done"
    progress = [line["positionMs"] for line in lines if line["type"] == "progress"]
    assert progress == sorted(progress)
    assert progress[-1] == pytest.approx(soundfile.info(AUDIO).duration * 1000, abs=1)
    text = "".join(line["text"] for line in lines if line["type"] == "text").split()
    whole = post(shared_server, data={"targetLanguage": "spa", "speech": "true"}).json()
    assert text == whole["text"].split()


@pytest.mark.parametrize(
    ("called", "meant"),
    [
        ("Spanish", "spa"),
        ("español", "spa"),
        ("es-MX", "spa"),
        ("zh-TW", "cmn_Hant"),
        ("iw", "heb"),
        ("ger", "deu"),
        ("farsi", "pes"),
    ],
)
def test_a_language_goes_by_whatever_people_call_it(
    shared_server: BackgroundServer, called: str, meant: str
) -> None:
    assert post(shared_server, data={"targetLanguage": called}).json()["language"] == meant


def stereo_wav(rate: int) -> bytes:
    mono = speech("human_short", rate)
    packed = io.BytesIO()
    soundfile.write(packed, np.stack([mono, mono], axis=1), rate, format="WAV")
    return packed.getvalue()


def test_any_rate_and_channel_count_is_read(shared_server: BackgroundServer) -> None:
    assert post(shared_server, stereo_wav(44_100)).json()["text"]


def nan_wav() -> bytes:
    packed = io.BytesIO()
    samples = np.full(16_000, np.nan, np.float32)
    soundfile.write(packed, samples, 16_000, format="WAV", subtype="FLOAT")
    return packed.getvalue()


def empty_wav() -> bytes:
    packed = io.BytesIO()
    soundfile.write(packed, np.zeros(0, np.int16), 16_000, format="WAV")
    return packed.getvalue()


@pytest.mark.parametrize("stream", ["true", "false"])
@pytest.mark.parametrize(
    ("content", "data", "part"),
    [
        (b"this is a text", {"targetLanguage": "spa"}, "file"),
        (b"", {"targetLanguage": "spa"}, "file"),
        (empty_wav(), {"targetLanguage": "spa"}, "no sound"),
        (nan_wav(), {"targetLanguage": "spa"}, "numbers"),
        (AUDIO.read_bytes(), {}, "targetLanguage"),
        (AUDIO.read_bytes(), {"targetLanguage": "xx"}, "spa"),
        (AUDIO.read_bytes(), {"targetLanguage": "spa", "model": "../x"}, "model"),
        (AUDIO.read_bytes(), {"targetLanguage": "spa", "speech": "perhaps"}, "speech"),
    ],
)
def test_what_is_wrong_is_said(
    shared_server: BackgroundServer, content: bytes, data: dict[str, str], part: str, stream: str
) -> None:
    answer = post(shared_server, content, data={**data, "stream": stream})
    assert answer.status_code == 422
    assert part in answer.json()["detail"]
    assert "Traceback" not in answer.text


def test_uploads_are_bounded(start_server: Start) -> None:
    server = start_server(max_upload_mb=0.05, max_upload_seconds=1.0)
    answer = post(server, b"x" * 100_000)
    assert answer.status_code == 413

    def chunks() -> object:  # without a declared length
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
        for _ in range(50):
            yield b"x" * 10_000

    streamed = httpx.post(
        f"{server.url}/api/translate",
        content=chunks(),  # type: ignore[arg-type]
        headers={"Content-Type": "multipart/form-data; boundary=b"},
    )
    assert streamed.status_code == 413
    packed = io.BytesIO()
    soundfile.write(packed, np.zeros(20_000, np.int16), 8_000, format="WAV")
    assert post(server, packed.getvalue()).status_code == 413


@pytest.mark.parametrize("lines", [False, True])
def test_a_fault_in_the_stream_of_a_file_is_an_answer(
    start_server: Start, monkeypatch: pytest.MonkeyPatch, lines: bool
) -> None:
    server = start_server()
    service = server.app.state.parts.service
    opened = service.open

    async def opens(*args: Any, **options: Any) -> Any:
        session = await opened(*args, **options)

        def fails(_: Any) -> Any:
            raise RuntimeError("a fault of ours")

        session._push = fails
        return session

    monkeypatch.setattr(service, "open", opens)
    with AUDIO.open("rb") as file:
        answer = httpx.post(
            f"{server.url}/api/translate",
            files={"file": file},
            data={"targetLanguage": "spa", "stream": str(lines).lower()},
            timeout=60,
        )
    # Line by line it may have begun when it fails.
    told = json.loads(answer.text.splitlines()[-1])
    assert told["code"] == "stream_failed"
    assert "fault of ours" not in answer.text
    assert answer.status_code == (200 if told.get("type") == "error" else 500)


def test_metrics_tell_what_happened(shared_server: BackgroundServer) -> None:
    post(shared_server)
    text = httpx.get(f"{shared_server.url}/metrics").text
    for name in (
        "seamless_sessions",
        "seamless_lag_seconds_bucket",
        "seamless_real_time_factor_bucket",
        "seamless_step_chunks_bucket",
        "seamless_queued_seconds",
        "seamless_dropped_audio_seconds_total",
        "seamless_skipped_messages_total",
    ):
        assert f"\n{name}" in text, name


def test_the_interface_describes_itself(shared_server: BackgroundServer) -> None:
    described = httpx.get(f"{shared_server.url}/openapi.json").json()
    form = described["paths"]["/api/translate"]["post"]["requestBody"]["content"]
    assert "targetLanguage" in form["multipart/form-data"]["schema"]["properties"]
    assert httpx.get(f"{shared_server.url}/docs").status_code == 200


def test_the_page_or_how_to_get_it(start_server: Start, tmp_path: Path) -> None:
    folder = tmp_path / "page"
    server = start_server(page_dir=folder, wait_ready=False)
    answer = httpx.get(server.url)
    assert answer.status_code == 200
    assert "npm run build" in answer.text
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<title>The page</title>")
    (folder / "assets" / "a.js").write_text("1")
    assert "The page" in httpx.get(server.url).text
    assert httpx.get(f"{server.url}/assets/a.js").text == "1"
    assert httpx.get(f"{server.url}/assets/../../secret").status_code == 404


def test_without_a_model_the_server_says_what_to_do(start_server: Start, tmp_path: Path) -> None:
    server = start_server(models=(str(tmp_path / "nothing"),))
    assert httpx.get(f"{server.url}/healthz").json()["status"] == "ok"
    answer = httpx.get(f"{server.url}/readyz")
    assert answer.status_code == 503
    assert answer.json()["state"] == "failed"
    assert "nothing" in answer.json()["error"]
    assert post(server).status_code == 503


async def test_a_shared_secret_guards_speaking(start_server: Start, connect: Connect) -> None:
    server = start_server(auth_secret="open sesame")
    stranger = await connect(server, "stranger")
    assert (
        "token"
        in (await stranger.call("join_room", "stranger", None, {"roles": ["speaker"]}))["message"]
    )
    assert "roomID" in await stranger.call("join_room", "stranger", None, {"roles": ["listener"]})
    key = {"resumeKey": "only the friend's"}
    friend = await connect(server, "friend", auth={"token": "open sesame", **key})
    await friend.join()
    assert (await friend.configure())["status"] == "ok"
    # Who comes back without the token has lost the role.
    await friend.sio.disconnect()
    again = await connect(server, "friend", auth=key)
    assert (await again.configure())["status"] == "error"
    assert post(server).status_code == 401
    allowed = post(server, headers={"Authorization": "Bearer open sesame"})
    assert allowed.status_code == 200


async def test_json_web_tokens_carry_roles(start_server: Start, connect: Connect) -> None:
    key = "k" * 32
    server = start_server(auth_jwt_key=key, auth_for="speaker,listener")

    def token(**claims: object) -> str:
        return jwt.encode({"exp": 4_000_000_000, **claims}, key, algorithm="HS256")

    for given, roles in [
        (token(roles=["listener"]), {"listener"}),
        (token(roles=["speaker", "listener"]), {"speaker", "listener"}),
        (token(), set()),
        (token(roles=["listener"], exp=1), set()),
        (jwt.encode({"exp": 4_000_000_000, "roles": ["speaker"]}, "x" * 32), set()),
        (jwt.encode({"exp": 4_000_000_000, "roles": ["speaker"]}, None, algorithm="none"), set()),
        (token(roles="speaker"), {"speaker"}),
        (token(roles=[{"speaker": 1}, None]), set()),
        ("nonsense", set()),
    ]:
        peer = await connect(server, f"peer-{len(given)}-{roles}", auth={"token": given})
        for role in ("speaker", "listener"):
            answer = await peer.call("join_room", peer.client_id, None, {"roles": [role]})
            assert ("roomID" in answer) == (role in roles)


async def test_unguarded_servers_let_everybody_in(
    shared_server: BackgroundServer, connect: Connect
) -> None:
    peer = await connect(shared_server, auth={"token": "whatever"})
    assert await peer.join(None, "speaker", "listener")


def test_the_scheduled_engine_gives_the_same_and_counts_its_batches(
    start_server: Start,
) -> None:
    server, plain = start_server(engine="scheduled"), start_server(engine="inline")
    assert post(server).json() == post(plain).json()
    text = httpx.get(f"{server.url}/metrics").text
    for stage in ("encode", "decode"):
        [count] = re.findall(
            rf'^seamless_engine_batches_total{{model="tiny",stage="{stage}"}} (\S+)', text, re.M
        )
        assert float(count) > 0


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e19, -1e30])
def test_samples_that_are_no_sound_stay_where_they_came_from(
    shared_server: BackgroundServer, value: float
) -> None:
    samples, rate = soundfile.read(AUDIO, dtype="float32")
    samples[1_000] = value
    packed = io.BytesIO()
    soundfile.write(packed, samples, rate, format="WAV", subtype="FLOAT")
    before = post(shared_server).json()["text"]
    answer = httpx.post(
        f"{shared_server.url}/api/translate",
        data={"targetLanguage": "spa"},
        files={"file": ("odd.wav", packed.getvalue())},
        timeout=60,
    )
    assert answer.status_code == 422
    assert answer.json()["code"] == "audio"
    assert post(shared_server).json()["text"] == before
