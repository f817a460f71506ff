"""What longer steps and patience save, and what they cost: work counted, words compared.

The same recordings go through streams with other options; the first is the usual one. Nothing is
timed: audio that was encoded and policy calls are counted, so the figures are the same anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seamless_server.agents.loading import AgentSystem
from seamless_server.audio.reader import SAMPLE_RATE, read_audio
from seamless_server.bench.comparing import compare_words
from seamless_server.caller import Caller
from seamless_server.checkpoints.loader import Checkpoint
from seamless_server.engine import DecodeRequest, DecodeResult, Engine, InlineEngine
from seamless_server.engine.api import Samples
from seamless_server.streaming import Target, TextOutput
from seamless_server.streaming.seamless_model import SeamlessModel

VARIANTS: tuple[tuple[int, float], ...] = (
    (320, 0.0), (480, 0.0), (640, 0.0), (960, 0.0), (320, 0.1), (320, 0.5), (640, 0.1),
)  # fmt: skip
"""Lengths of a step in ms and values of `patience`; the first is the usual way."""
FRAME_SECONDS = 0.01


class _Counter:
    """An engine that counts what it is asked for."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.frames = self.encodings = self.calls = 0

    def encode(self, requests: Sequence[Samples], caller: Caller | None = None) -> Iterator[Any]:
        self.encodings += len(requests)
        self.frames += sum(len(request) for request in requests)
        yield from self._engine.encode(requests, caller)

    def decode(
        self, requests: Sequence[DecodeRequest], caller: Caller | None = None
    ) -> Iterator[DecodeResult]:
        self.calls += len(requests)
        yield from self._engine.decode(requests, caller)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)


@dataclass
class _Said:
    """What was written of every file in every language, and when: the end of its audio, in ms."""

    texts: list[list[str]] = field(default_factory=list)
    times: list[list[float]] = field(default_factory=list)


def savings_run(
    checkpoint: Checkpoint,
    defaults: dict[str, Any],
    files: Sequence[Path],
    languages: Sequence[str],
    say: Callable[[str], None],
    variants: Sequence[tuple[int, float]] = VARIANTS,
) -> list[dict[str, Any]]:
    """One row a variant, each against the first."""
    heard = [read_audio(path) for path in files]
    seconds = sum(len(samples) for samples in heard) / SAMPLE_RATE
    rows: list[dict[str, Any]] = []
    usual: _Said | None = None
    for chunk_ms, patience in variants:
        engine = _Counter(InlineEngine(checkpoint))
        model = SeamlessModel(AgentSystem(checkpoint, engine), checkpoint.config.name, "", defaults)
        said = _Said()
        for samples in heard:
            _translate(model, samples, languages, chunk_ms, patience, said)
        usual = usual or said
        row = {
            "chunk_ms": chunk_ms,
            "patience": patience,
            "encoded_seconds": engine.frames * FRAME_SECONDS / seconds,
            "encodings": engine.encodings,
            "policy_calls": engine.calls,
            "later_ms": _mean(said.times) - _mean(usual.times),
            **compare_words(usual.texts, said.texts),
        }
        rows.append(row)
        say(
            f"{chunk_ms} ms, patience {patience:g}: {row['encoded_seconds']:.1f} s encoded for a "
            f"second, words {row['token_agreement']:.1%} as usual, {row['later_ms']:+.0f} ms"
        )
    return rows


def _translate(
    model: SeamlessModel,
    samples: Samples,
    languages: Sequence[str],
    chunk_ms: int,
    patience: float,
    said: _Said,
) -> None:
    targets = {lang: Target(text=True) for lang in languages}
    stream = model.open(targets, {"patience": patience}, vad=False)
    step = chunk_ms * SAMPLE_RATE // 1000
    outputs = [
        x for at in range(0, len(samples), step) for x in stream.push(samples[at : at + step])
    ]
    outputs += stream.finish()
    for lang in languages:
        texts = [x for x in outputs if isinstance(x, TextOutput) and x.lang == lang]
        said.texts.append("".join(x.text for x in texts).split())
        said.times.append([x.end_ms for x in texts for _ in x.text.split()])


def _mean(times: Sequence[Sequence[float]]) -> float:
    every = [time for some in times for time in some]
    return sum(every) / max(1, len(every))
