"""The real engine with a window in it, and pipelines that run on it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from simuleval.data.segments import Segment, SpeechSegment
from torch import Tensor

from seamless_server.agents import pipelines
from seamless_server.agents.loading import AgentSystem
from seamless_server.engine import (
    DecodeRequest,
    DecodeResult,
    Engine,
    SpeakRequest,
    UnitsRequest,
    UnitsResult,
    VocodeRequest,
)

Samples = npt.NDArray[np.float32]


class WatchedEngine:
    """Passes everything to the real engine and keeps what was asked and answered."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.clear()

    def clear(self) -> None:
        """Forget."""
        self.encoded: list[tuple[Samples, Tensor]] = []
        self.decoded: list[tuple[DecodeRequest, DecodeResult]] = []
        self.spoken: list[tuple[UnitsRequest, UnitsResult]] = []
        self.vocoded: list[VocodeRequest] = []
        self.voiced: list[SpeakRequest] = []

    def encode(self, requests: Sequence[Samples], caller: Any = None) -> Iterator[Tensor]:
        """See Engine."""
        asked = [x.copy() for x in requests]
        for request, result in zip(asked, self.engine.encode(requests, caller), strict=True):
            self.encoded.append((request, result))
            yield result

    def decode(
        self, requests: Sequence[DecodeRequest], caller: Any = None
    ) -> Iterator[DecodeResult]:
        """See Engine."""
        asked = [replace(x, target=list(x.target)) for x in requests]
        for request, result in zip(asked, self.engine.decode(asked, caller), strict=True):
            self.decoded.append((request, result))
            yield result

    def units(self, requests: Sequence[UnitsRequest], caller: Any = None) -> Iterator[UnitsResult]:
        """See Engine."""
        for request, result in zip(requests, self.engine.units(requests, caller), strict=True):
            self.spoken.append((request, result))
            yield result

    def vocode(self, requests: Sequence[VocodeRequest], caller: Any = None) -> Iterator[Samples]:
        """See Engine."""
        self.vocoded += requests
        return self.engine.vocode(requests, caller)

    def speak(self, requests: Sequence[SpeakRequest], caller: Any = None) -> Iterator[Samples]:
        """See Engine."""
        self.voiced += requests
        return self.engine.speak(requests, caller)


def defaults(agent: str) -> dict[str, Any]:
    """Every option of a pipeline with its default."""
    parser = ArgumentParser(conflict_handler="resolve")
    getattr(pipelines, agent).add_args(parser)
    return vars(parser.parse_args([]))


def build(agent: str, system: AgentSystem, **options: Any) -> tuple[Any, WatchedEngine]:
    """A pipeline by its official name, on a watched engine; and the engine."""
    engine = WatchedEngine(system.engine)
    args = Namespace(**{**defaults(agent), **options})
    pipeline = getattr(pipelines, agent)(args, replace(system, engine=engine))
    return pipeline, engine


def speech(samples: Any, finished: bool = False, lang: str | None = None) -> SpeechSegment:
    """A segment of samples."""
    return SpeechSegment(content=samples, sample_rate=16_000, finished=finished, tgt_lang=lang)


def leaves(out: Any) -> list[Segment]:
    """Outputs of a push as a list, one a leaf."""
    return out if isinstance(out, list) else [out]


def run(
    pipeline: Any,
    samples: Samples,
    chunk: int = 5120,
    states: Any = None,
    lang: str | None = "spa",
) -> list[list[Segment]]:
    """Push a whole recording, the last chunk marked as the last; returns every push's outputs."""
    starts = range(0, len(samples), chunk)
    return [
        leaves(
            pipeline.pushpop(
                speech(samples[start : start + chunk], start + chunk >= len(samples), lang), states
            )
        )
        for start in starts
    ]


def text_of(pushes: list[list[Segment]]) -> str:
    """All text of a run."""
    return "".join(out.content for push in pushes for out in push if isinstance(out.content, str))


def wave_of(pushes: list[list[Segment]]) -> Samples:
    """All speech of a run."""
    pieces = [
        np.asarray(out.content, np.float32)
        for push in pushes
        for out in push
        if isinstance(out, SpeechSegment) and not out.is_empty
    ]
    return np.concatenate([np.zeros(0, np.float32), *pieces])
