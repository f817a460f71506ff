"""What other precisions change: the same work in fp32 and in each of them, compared.

Two comparisons. *Decisions*: every policy call of the fp32 run is repeated with the same source and
the same text so far; this says how often a form decides otherwise. *Text*: the streams run anew,
so that every difference has its consequences; this says what a reader sees of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from seamless_server.agents.loading import AgentSystem, set_cpu_threads
from seamless_server.audio.reader import read_audio
from seamless_server.bench.comparing import compare_words
from seamless_server.bench.savings import savings_run
from seamless_server.bench.simulation import SimulatedSpeaker
from seamless_server.caller import Caller
from seamless_server.checkpoints.fitting import quantized
from seamless_server.checkpoints.int8 import INT8
from seamless_server.checkpoints.loader import Checkpoint, load_checkpoint
from seamless_server.engine import DecodeRequest, DecodeResult, Engine, InlineEngine
from seamless_server.streaming import Output, Target, TextOutput
from seamless_server.streaming.seamless_model import SeamlessModel

FORMS = {"bf16": torch.bfloat16, "fp16": torch.float16, **dict.fromkeys(INT8, torch.float32)}
CHUNK = 5120
Calls = list[tuple[DecodeRequest, DecodeResult]]


class _Recorder:
    """An engine that remembers its policy calls and their results."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.calls: Calls = []

    def decode(
        self, requests: Sequence[DecodeRequest], caller: Caller | None = None
    ) -> Iterator[DecodeResult]:
        for request, result in zip(requests, self._engine.decode(requests, caller), strict=True):
            self.calls.append((request, result))
            yield result

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)


def recorded_calls(checkpoint: Checkpoint, load: SimulatedSpeaker, chunks: int) -> Calls:
    """Policy calls of one simulated speaker, as the inline engine answers them."""
    recorder = _Recorder(InlineEngine(checkpoint))
    model = SeamlessModel(AgentSystem(checkpoint, recorder), checkpoint.config.name, "", {})
    stream = model.open({"spa": Target(text=True)}, load.options)
    for index in range(chunks):
        list(stream.push(load.said(index, 1)))
    return recorder.calls


def in_form(folder: Path, form: str, device: torch.device) -> Checkpoint:
    """A model in one of :data:`FORMS`."""
    checkpoint = load_checkpoint(folder, device, FORMS[form], speech=False)
    return quantized(checkpoint, form) if form in INT8 else checkpoint


def agreement_run(
    folder: Path,
    defaults: dict[str, Any],
    files: Sequence[Path],
    device: torch.device,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Every form against fp32 on the given recordings, into every language of the model.

    And fp32 with longer steps and with patience against the usual way.
    """
    if device.type == "cpu":
        # Threads of a team that another program interrupts wait for one another at every product.
        set_cpu_threads(folder)
    reference = load_checkpoint(folder, device, torch.float32, speech=False)
    # The first language is what these models hear; all are written when there are but a few.
    languages = reference.config.text_langs[:4]
    recorder = _Recorder(InlineEngine(reference))
    wanted = _texts(reference, recorder, defaults, files, languages)
    steps = sum(len(result.steps) for _, result in recorder.calls)
    say(f"fp32: {len(recorder.calls)} policy calls, {steps} decoder steps, {len(wanted)} texts")
    result: dict[str, Any] = {
        "model": reference.config.name,
        "files": [path.name for path in files],
        "languages": list(languages),
        "policy_calls": len(recorder.calls),
        "steps": steps,
        "forms": {},
    }
    for form in FORMS:
        if form == "int8" and device.type != "cpu":
            continue
        checkpoint = in_form(folder, form, device)
        engine = InlineEngine(checkpoint)
        figures = {
            **decisions(engine, recorder.calls),
            **compare_words(wanted, _texts(checkpoint, engine, defaults, files, languages)),
            "bytes": _bytes(checkpoint),
        }
        result["forms"][form] = figures
        say(
            f"{form:<13} tokens {figures['same_token']:.2%}  decisions {figures['same_call']:.2%}"
            f"  text {figures['token_agreement']:.2%}"
        )
    result["bytes"] = _bytes(reference)
    result["savings"] = savings_run(reference, defaults, files, languages, say)
    return result


def _texts(
    checkpoint: Checkpoint,
    engine: Engine,
    defaults: dict[str, Any],
    files: Sequence[Path],
    languages: Sequence[str],
) -> list[list[str]]:
    """Words of every file in every language."""
    model = SeamlessModel(AgentSystem(checkpoint, engine), checkpoint.config.name, "", defaults)
    texts = []
    for path in files:
        samples = read_audio(path)
        stream = model.open({lang: Target(text=True) for lang in languages}, vad=False)
        outputs: list[Output] = []
        for start in range(0, len(samples), CHUNK):
            outputs += stream.push(samples[start : start + CHUNK])
        outputs += stream.finish()
        for lang in languages:
            said = [x.text for x in outputs if isinstance(x, TextOutput) and x.lang == lang]
            texts.append("".join(said).split())
    return texts


def decisions(engine: Engine, calls: Calls) -> dict[str, float]:
    """Share of policy calls that end alike, and of steps up to the first difference that do."""
    alike = steps = same = 0
    for request, wanted in calls:
        (got,) = engine.decode([request])
        alike += (got.tokens, got.write, got.finished) == (
            wanted.tokens,
            wanted.write,
            wanted.finished,
        )
        for a, b in zip(got.steps, wanted.steps, strict=False):
            if list(a.tokens) != list(b.tokens):
                break
            steps += 1
            same += a.index == b.index
    return {"same_call": alike / max(1, len(calls)), "same_token": same / max(1, steps)}


def _bytes(checkpoint: Checkpoint) -> int:
    """Memory of the weights for text."""
    return sum(
        x.numel() * x.element_size()
        for network in (checkpoint.encoder, checkpoint.decoder)
        for x in (*network.parameters(), *network.buffers())
    )
