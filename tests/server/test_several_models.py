"""Several models behind one server: what they can do, who is chosen, when they are in memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from seamless_server.doors.running import BackgroundServer
from tests.server.conftest import CHECKPOINT, RECORDINGS, Connect, speech
from tests.server.test_openai_wires import append, say, session, until

AUDIO = RECORDINGS / "audio" / "human_short.flac"
TOY = "tests.evaluation.toy_agents.WordAgent"


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    """A folder with an agent that writes Danish and English, and Danish only when it is spoken."""
    folder = tmp_path / "Captions"
    folder.mkdir()
    lines = [f"agent_class: {TOY}", "source_langs: [dan, spa, sqi]", "target_langs: [eng]"]
    (folder / "main.yaml").write_text("\n".join([*lines, "captions: true", "vad: false"]))
    return folder


async def test_models_are_chosen_and_loaded_when_they_are_wanted(
    start_server: Callable[..., BackgroundServer], connect: Connect, captions: Path
) -> None:
    # With no memory to spare, what nobody uses goes at once.
    server = start_server(models=(str(CHECKPOINT), str(captions)), min_free_memory_mb=10**9)
    models = server.app.state.parts.models
    peer = await connect(server)
    tiny, toy = peer.of("server_state_update")[-1]["agentsCapabilities"]
    assert (tiny["loaded"], toy["loaded"]) == (True, False)
    assert (toy["targetLangs"], toy["captionLangs"]) == (
        ["eng", "dan", "spa", "sqi"],
        ["dan", "spa", "sqi"],
    )
    async with httpx.AsyncClient(base_url=server.url) as http:

        async def able(**wanted: str) -> list[str]:
            return [x["name"] for x in (await http.get("/api/models", params=wanted)).json()]

        assert await able() == ["tiny", "Captions"]
        assert await able(source="dan", target="dan") == ["tiny", "Captions"]
        assert await able(source="dan", target="spa") == ["tiny"]
        assert await able(source="nob", target="eng") == ["tiny"]
    await peer.join()
    answer = await peer.configure(model_name="Captions", model_type="s2t")
    assert (answer["status"], answer["model"]) == ("ok", "Captions")
    assert [model.name for model in models.loaded()] == ["Captions"]  # tiny made room
    answer = await peer.configure(model_name="auto", options={"source_lang": "Danish"})
    assert (answer["status"], answer["model"]) == ("ok", "tiny")
    room = await peer.until(
        "room_state_update", lambda state: state["members"][peer.client_id]["model"] == "tiny"
    )
    assert room["members"][peer.client_id]["transcoder"]
    await peer.speak(speech("human_short"))
    await peer.call("stop_stream")
    refused = await peer.configure(model_name="auto", options={"source_lang": "klingon"})
    assert (refused["status"], refused["field"]) == ("error", "options.source_lang")


def test_files_of_openai_s_clients_get_the_model_for_their_languages(
    start_server: Callable[..., BackgroundServer], captions: Path
) -> None:
    server = start_server(models=(str(CHECKPOINT), str(captions)))
    api = openai.OpenAI(api_key="none", base_url=f"{server.url}/v1", max_retries=0).audio
    loaded = server.app.state.parts.models.is_loaded
    german = {"target_language": "German"}
    assert api.translations.create(model="auto", file=AUDIO, extra_body=german).text
    assert not loaded("Captions")
    albanian = api.transcriptions.create(model="auto", file=AUDIO, language="sq")
    assert loaded("Captions")
    assert albanian.text
    for fields in ({"language": "sq", "extra_body": german}, {"language": "klingon"}):
        with pytest.raises(openai.BadRequestError) as refused:
            api.transcriptions.create(model="auto", file=AUDIO, **fields)
        assert refused.value.code == "language"


async def test_live_sessions_of_openai_s_wire_get_the_model_for_their_languages(
    start_server: Callable[..., BackgroundServer], captions: Path
) -> None:
    server = start_server(models=(str(CHECKPOINT), str(captions)))
    async with session(server, model="auto") as (socket, created):
        assert created["session"]["model"] == "tiny"
        await say(socket, type="session.update", session=wanted("sq", "German"))
        assert (await until(socket, "error"))["error"]["code"] == "invalid_language"
        await say(socket, type="session.update", session=wanted("sq", "en"))
        updated = await until(socket, "session.updated")
        assert updated["session"]["model"] == "Captions"
        await append(socket, speech("human_short", rate=24_000))
        assert (await until(socket, "session.output_transcript.delta"))["delta"]
        await say(socket, type="session.update", session=wanted("sq", "German"))
        assert (await until(socket, "error"))["error"]["code"] == "invalid_language"
        await say(socket, type="session.close")
        await until(socket, "session.closed")


def wanted(spoken: str, read: str) -> dict[str, Any]:
    return {"audio": {"input": {"language": spoken}, "output": {"language": read}}}


async def test_a_demonstration_is_chosen_only_where_no_other_model_can(
    start_server: Callable[..., BackgroundServer], captions: Path, tmp_path: Path
) -> None:
    # It speaks, too: that makes it no better for somebody's own words.
    folder = tmp_path / "Phrasebook"
    folder.mkdir()
    lines = ["agent_class: tests.evaluation.toy_agents.ToneAgent", "source_langs: [spa, dan]"]
    lines += ["target_langs: [eng, deu]", "speech_langs: [eng, deu]", "demonstration: true"]
    lines += ["sure_from: 0.3"]
    (folder / "main.yaml").write_text("\n".join(lines))
    server = start_server(models=(str(captions), str(folder)))
    async with httpx.AsyncClient(base_url=server.url) as http:

        async def able(**wanted: str) -> list[str]:
            return [x["name"] for x in (await http.get("/api/models", params=wanted)).json()]

        assert await able(source="spa", target="eng", speech="true") == ["Captions", "Phrasebook"]
        assert await able(target="eng", speech="true") == ["Captions", "Phrasebook"]
        assert await able(source="spa", target="deu") == ["Phrasebook"]
        assert await able(source="deu", target="eng") == []
        # Each says from where its own confidence can be trusted.
        sure = {x["name"]: x["sureFrom"] for x in (await http.get("/api/models")).json()}
        assert sure == {"Captions": 0.5, "Phrasebook": 0.3}
