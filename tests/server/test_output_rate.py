"""A model whose vocoder speaks at 24 kHz, through every door: random weights, the recorded rest."""

from __future__ import annotations

import base64
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import soundfile
import torch

from seamless_server.checkpoints.loader import Checkpoint
from seamless_server.checkpoints.model_file import FILE, write_model_file
from seamless_server.doors.running import BackgroundServer
from seamless_server.nn.vocoder import Vocoder
from seamless_server.streaming import SpeechOutput, Target, load_model

from .conftest import CHECKPOINT, RECORDINGS, Connect, realtime_speech, settings, silence, speech

AUDIO = RECORDINGS / "audio" / "human_short.flac"
RATES = [5, 4, 4, 3, 2]
"""480 samples for a unit of 20 ms."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, checkpoint: Checkpoint) -> Path:
    """The recorded model with another vocoder."""
    folder = tmp_path_factory.mktemp("24khz")
    for name in ("tokenizer.model", "spm_char_lang38_tc.model"):
        shutil.copy(CHECKPOINT / name, folder)
    text = (CHECKPOINT / "config.json").read_text("utf-8")
    described = json.loads(text)
    described["vocoder"] |= {"upsample_rates": RATES, "upsample_kernel_sizes": [11, 8, 8, 5, 4]}
    (folder / "config.json").write_text(json.dumps(described), encoding="utf-8")
    assert checkpoint.config.vocoder is not None
    config = replace(
        checkpoint.config.vocoder,
        upsample_rates=tuple(RATES),
        upsample_kernel_sizes=(11, 8, 8, 5, 4),
    )
    torch.manual_seed(0)
    networks = {x: getattr(checkpoint, x) for x in ("encoder", "decoder", "t2u")}
    networks["vocoder"] = Vocoder(config)
    write_model_file(folder / FILE, {name: x.state_dict() for name, x in networks.items()})
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[BackgroundServer]:
    """A server with that model."""
    with BackgroundServer(settings(folder, models=(str(folder),))) as running:
        yield running


def test_the_rate_is_the_models_own(folder: Path) -> None:
    spoken = {}
    for name in (CHECKPOINT, folder):
        model = load_model(name, "cpu", "fp32")
        stream = model.open({"spa": Target(text=True, speech=True)}, vad=False)
        samples = soundfile.read(AUDIO, dtype="float32")[0]
        outputs = [*stream.push(samples), *stream.finish()]
        spoken[model.output_rate] = [x for x in outputs if isinstance(x, SpeechOutput)]
    usual, ours = spoken[16_000], spoken[24_000]
    assert [x.units for x in ours] == [x.units for x in usual] != []
    assert {x.sample_rate for x in ours} == {24_000}
    # The same units last as long.
    assert [len(x.samples) * 2 for x in ours] == [len(x.samples) * 3 for x in usual]


@pytest.mark.parametrize("protocol", [1, 2])
async def test_socket_io(server: BackgroundServer, connect: Connect, protocol: int) -> None:
    peer = await connect(server, protocol=protocol)
    await peer.join()
    await peer.configure()
    await peer.speak(speech("human_short"))
    await peer.speak(silence(2.0))
    await peer.until("translation_speech", lambda data: len(data["payload"]) and data["eos"])
    heard = [x["sample_rate"] for x in peer.of("translation_speech") if len(x["payload"])]
    assert set(heard) == {24_000}


def test_an_upload(server: BackgroundServer) -> None:
    with AUDIO.open("rb") as file:
        answer = httpx.post(
            f"{server.url}/api/translate",
            data={"targetLanguage": "spa"},
            files={"file": file},
            headers={"accept": "audio/wav"},
            timeout=120,
        )
    answer.raise_for_status()
    assert soundfile.info(io.BytesIO(answer.content)).samplerate == 24_000


async def test_a_realtime_session(server: BackgroundServer) -> None:
    deltas = await realtime_speech(server)
    sound = sum(len(base64.b64decode(event["delta"])) // 2 for event in deltas)
    # Nothing is resampled: whole units come through.
    assert sound
    assert sound % 480 == 0


def test_the_command_line(folder: Path, tmp_path: Path) -> None:
    wav = tmp_path / "said.wav"
    command = ["translate", str(AUDIO), "--model", str(folder), "--tgt-lang", "spa"]
    subprocess.run(
        [sys.executable, "-m", "seamless_server", *command, "--no-vad", "--wav", str(wav)],
        check=True,
        timeout=120,
    )
    assert soundfile.info(wav).samplerate == 24_000
    assert soundfile.info(wav).frames
