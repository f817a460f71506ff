"""A fault touches one stream: what is struck ends, and the others say what they say alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

import numpy as np
import pytest
import torch

from seamless_server.agents.loading import AgentSystem
from seamless_server.checkpoints.loader import Checkpoint
from seamless_server.engine.api import Engine
from seamless_server.engine.decode import DecodingBatch
from seamless_server.engine.jobs import SchedulerOptions
from seamless_server.engine.scheduler import ScheduledEngine
from seamless_server.errors import NumericalError
from seamless_server.streaming import Model, Output, Target, TextOutput
from seamless_server.streaming.seamless_model import SeamlessModel
from tests.recorded import RECORDINGS, audio
from tests.streaming.playing import TALKATIVE, assert_alike, play

NAMES = ("human_pauses", "human_short", "espeak", "tiny_short")
LANGS = ("spa", "deu", "fra", "cmn")
SESSIONS = 32
ALL = sorted(path.stem for path in (RECORDINGS / "audio").glob("*.flac"))


class InjectedFault(Exception):
    """What an engine's call is made to raise."""


class FaultyEngine:
    """An engine of which one call in a hundred raises, and one in a hundred gives NaN.

    Each thread has its own dice, so that the same sessions are struck in every run.
    """

    def __init__(self, engine: Engine, raising: float = 0.01, wrong: float = 0.01) -> None:
        self._engine = engine
        self._raising, self._wrong = raising, wrong
        self._dice = threading.local()
        self.struck: dict[str, str] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def begin(self, number: int) -> None:
        """A session runs in this thread from now on."""
        self._dice.random = Random(number)

    def _roll(self, wrong: float) -> str | None:
        value = self._dice.random.random()
        fault = "raised" if value < self._raising else None
        if self._raising <= value < self._raising + wrong:
            fault = "nan"
        if fault is not None:
            self.struck.setdefault(threading.current_thread().name, fault)
        return fault

    def _call(self, name: str, requests: Sequence[Any], caller: Any) -> Iterator[Any]:
        fault = self._roll(self._wrong)
        if fault == "raised":
            raise InjectedFault(name)
        for result in getattr(self._engine, name)(requests, caller):
            yield result * float("nan") if fault == "nan" else result

    def encode(self, requests: Sequence[Any], caller: Any = None) -> Iterator[Any]:
        return self._call("encode", requests, caller)

    def vocode(self, requests: Sequence[Any], caller: Any = None) -> Iterator[Any]:
        return self._call("vocode", requests, caller)

    def decode(self, requests: Sequence[Any], caller: Any = None) -> Iterator[Any]:
        if self._roll(0.0) == "raised":  # what it gives are tokens, which are always numbers
            raise InjectedFault("decode")
        return self._engine.decode(requests, caller)


def session(number: int) -> tuple[str, str]:
    random = Random(1_000 + number)
    return random.choice(NAMES), random.choice(LANGS)


def whole_of(number: int) -> tuple[str, str]:
    """Every recording, one after the other."""
    name = number % len(ALL)
    return ALL[name], LANGS[name % len(LANGS)]


def translate(model: Model, name: str, lang: str, most: int | None = 80_000) -> list[Output]:
    target = Target(text=True, speech=True)
    return play(model.open({lang: target}, TALKATIVE), audio(name)[:most])


@pytest.fixture(scope="module")
def alone(model: Model) -> dict[tuple[str, str], list[Output]]:
    wanted = {session(number) for number in range(SESSIONS)}
    return {key: translate(model, *key) for key in sorted(wanted)}


@pytest.fixture(scope="module")
def all_alone(model: Model) -> dict[tuple[str, str], list[Output]]:
    """Every recording from its beginning to its end."""
    return {key: translate(model, *key, most=None) for key in map(whole_of, range(len(ALL)))}


def run_all(
    model: Model,
    begin: Any = lambda number: None,
    work_of: Any = lambda model, number: translate(model, *session(number)),
) -> dict[int, Any]:
    """Every session in a thread of its own: its outputs, or what ended it."""
    results: dict[int, Any] = {}

    def work(number: int) -> None:
        begin(number)
        try:
            results[number] = work_of(model, number)
        except Exception as error:
            results[number] = error

    threads = [
        threading.Thread(target=work, args=(number,), name=f"session {number}")
        for number in range(SESSIONS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_only_the_struck_end_and_the_others_say_what_they_say_alone(
    checkpoint: Checkpoint, alone: dict[tuple[str, str], list[Output]]
) -> None:
    engine = ScheduledEngine(checkpoint, SchedulerOptions(slots=12))
    faulty = FaultyEngine(engine)
    model = SeamlessModel(AgentSystem(checkpoint, faulty), "tiny", "", {})
    try:
        results = run_all(model, faulty.begin)
    finally:
        engine.close()
    assert set(faulty.struck.values()) == {"raised", "nan"}
    assert len(faulty.struck) < SESSIONS
    for number, result in results.items():
        fault = faulty.struck.get(f"session {number}")
        if fault is None:
            assert not isinstance(result, Exception), result
            assert_alike(result, alone[session(number)])
        else:
            assert isinstance(result, InjectedFault | NumericalError), (fault, result)
            assert not isinstance(result, NumericalError) or result.code == "numerical"


@pytest.mark.parametrize("static", [False, True])
@pytest.mark.parametrize("at_once", [1, SESSIONS])
def test_unused_places_reach_nobody(
    checkpoint: Checkpoint,
    all_alone: dict[tuple[str, str], list[Output]],
    monkeypatch: pytest.MonkeyPatch,
    static: bool,
    at_once: int,
) -> None:
    poisoned, within = 0, False

    def poison(batch: DecodingBatch) -> None:
        """Every place that nobody has written holds NaN: of slots, within slots, of buffers."""
        nonlocal poisoned
        slots, rows = batch.slots, len(batch.loops)
        targets = (slots.cache.keys, slots.cache.values)
        sources = (slots.source_keys, slots.source_values)
        for place in (*targets, *sources, slots.energy_keys):
            place[:, rows:] = torch.nan
        for row, loop in enumerate(batch.loops):
            for place in targets:
                place[:, row, :, len(loop.fed) :] = torch.nan
            for place in sources:
                place[:, row, :, len(loop.request.source) :] = torch.nan
        if (steps := batch._static) is not None:
            steps._inputs[rows:] = steps._host[rows:] = 0  # whole numbers: there is no NaN
            steps._inputs[rows:, 2] = steps._host[rows:, 2] = 0x7FC00000  # but for a penalty's bits
        poisoned += rows

    for name in ("start", "advance", "leave"):
        whole = getattr(DecodingBatch, name)

        def with_poison(batch: DecodingBatch, *args: Any, whole: Any = whole) -> Any:
            nonlocal within
            if within:  # in the middle of a step what is written is not yet told
                return whole(batch, *args)
            poison(batch)
            within = True
            try:
                return whole(batch, *args)
            finally:
                within = False
                poison(batch)

        monkeypatch.setattr(DecodingBatch, name, with_poison)
    engine = ScheduledEngine(checkpoint, SchedulerOptions(slots=12, static=static))
    model = SeamlessModel(AgentSystem(checkpoint, engine), "tiny", "", {})
    try:
        if at_once == 1:
            for key in map(whole_of, range(len(ALL))):
                assert_alike(translate(model, *key, most=None), all_alone[key])
        else:

            def work(model: Model, number: int) -> list[Output]:
                return translate(model, *whole_of(number), most=None)

            for number, result in run_all(model, work_of=work).items():
                assert not isinstance(result, Exception), result
                assert_alike(result, all_alone[whole_of(number)])
    finally:
        engine.close()
    assert poisoned > 1_000


def test_control_symbols_are_never_text(alone: dict[tuple[str, str], list[Output]]) -> None:
    for outputs in alone.values():
        for output in outputs:
            if isinstance(output, TextOutput):
                assert "<pad>" not in output.text
                assert "</s>" not in output.text
                assert "__" not in output.text
            else:
                assert np.isfinite(output.samples).all()
