"""An agent of somebody else behind the doors: the example that docs/agents.md describes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile

from seamless_server.doors.running import BackgroundServer
from tests.server.conftest import Connect, silence

ROOT = Path(__file__).parents[2]
CLIP = ROOT / "models" / "SeamlessStreaming-mini" / "samples" / "clip2.flac"
SPANISH = "el pizza es demasiado salada"


@pytest.fixture
def server(start_server: Callable[..., BackgroundServer]) -> BackgroundServer:
    """One that serves the wait-k agent."""
    return start_server(models=(str(ROOT / "examples" / "wait_k"),))


async def test_a_room_listens_to_a_wait_k_agent(server: BackgroundServer, connect: Connect) -> None:
    peer = await connect(server)
    (offered,) = peer.of("server_state_update")[-1]["agentsCapabilities"]
    assert (offered["name"], offered["targetLangs"]) == ("wait_k", ["spa"])
    assert (offered["sourceLangs"], offered["modalities"]) == (["eng"], ["s2t"])
    await peer.join()
    answer = await peer.configure(model_name="wait_k", model_type="s2t")
    assert answer["status"] == "ok", answer
    samples, _ = soundfile.read(CLIP, dtype="int16")
    await peer.speak(np.concatenate([samples, silence(1.0)]))
    await peer.until("translation_text", lambda data: data["eos"])
    assert peer.text("spa").strip() == SPANISH
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as http:
        fields = {"targetLanguage": "spa", "model": "wait_k"}
        done = await http.post("/api/translate", files={"file": CLIP.read_bytes()}, data=fields)
    assert done.json()["text"] == SPANISH
