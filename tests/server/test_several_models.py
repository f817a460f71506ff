"""Several models behind one server: what they can do, who is chosen, when they are in memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from seamless_server.doors.running import BackgroundServer
from tests.server.conftest import CHECKPOINT, Connect, speech

TOY = "tests.evaluation.toy_agents.WordAgent"


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    """A folder with an agent that writes Danish and English, and Danish only when it is spoken."""
    folder = tmp_path / "Captions"
    folder.mkdir()
    lines = [f"agent_class: {TOY}", "source_langs: [dan, spa]", "target_langs: [eng]"]
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
    assert (toy["targetLangs"], toy["captionLangs"]) == (["eng", "dan", "spa"], ["dan", "spa"])
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
    await peer.speak(speech("human_short"))
    await peer.call("stop_stream")
    refused = await peer.configure(model_name="auto", options={"source_lang": "klingon"})
    assert (refused["status"], refused["field"]) == ("error", "options.source_lang")
