"""A stream outlives its engines: every sentence once, complete, in order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from seamless_server.cluster import kept
from seamless_server.cluster.engine_replica import EngineReplica
from seamless_server.cluster.link import NoEngine
from seamless_server.cluster.remote import RemoteModel
from seamless_server.errors import LanguageError, NoPlaceError, SeamlessError
from seamless_server.streaming import Model, Output, Target, TextOutput
from tests.cluster.nearby import NearbyCall, NearbyLink, make_engines
from tests.recorded import audio
from tests.streaming.playing import assert_alike

TARGETS = {"spa": Target(speech=True), "deu": Target()}
SPEECH = audio("human_pauses")[:66_560]
PUSHES = [SPEECH[start : start + 5120] for start in range(0, len(SPEECH), 5120)]


@pytest.fixture(scope="module")
def undisturbed() -> list[Output]:
    from seamless_server.streaming import load_model
    from tests.recorded import CHECKPOINT

    return play(load_model(CHECKPOINT, "cpu", "fp32", engine="scheduled"))


@pytest.fixture(scope="module")
def engines() -> list[EngineReplica]:
    return make_engines(2)


@pytest.fixture
def link(engines: list[EngineReplica]) -> NearbyLink:
    return NearbyLink(list(engines))


def model(link: NearbyLink, moves: list[str] | None = None) -> RemoteModel:
    facts = link.loop_call(link.engines[0].describe())
    told = moves if moves is not None else []
    return RemoteModel(link, facts["models"][0], lambda why, _: told.append(why))  # type: ignore[arg-type]


def play(opened: Model, before: Callable[[int, Any], None] = lambda number, stream: None) -> Any:
    """All outputs; `before` is called before every push."""
    stream, outputs = opened.open(TARGETS), []
    for number, push in enumerate(PUSHES):
        before(number, stream)
        if number == 5:
            stream.set_targets({"spa": Target(speech=True), "fra": Target()})
        outputs += list(stream.push(push, last=push is PUSHES[-1]))
    return outputs


def test_a_stream_elsewhere_gives_what_it_gives_here(
    link: NearbyLink, undisturbed: list[Output]
) -> None:
    assert_alike(play(model(link)), undisturbed)


@pytest.mark.parametrize(("end", "number"), [("die", 4), ("cut_off", 9), ("die", 12)])
def test_an_engine_that_is_lost_costs_nothing(
    link: NearbyLink, undisturbed: list[Output], end: str, number: int
) -> None:
    moves: list[str] = []

    def lose(now: int, stream: Any) -> None:
        if now == number:
            getattr(link.calls[-1], end)()

    assert_alike(play(model(link, moves), lose), undisturbed)
    assert moves == ["lost"]


def test_late_outputs_of_an_engine_that_comes_back_are_dropped(
    link: NearbyLink, undisturbed: list[Output]
) -> None:
    def lose(number: int, stream: Any) -> None:
        if number == 7:
            link.calls[0].cut_off()
        if number == 9:  # what it said meanwhile arrives
            for message in list(link.calls[0].late):
                link.calls[1].came.put(message)

    assert_alike(play(model(link), lose), undisturbed)
    assert link.calls[0].late


def test_an_output_that_is_missing_is_noticed(link: NearbyLink, undisturbed: list[Output]) -> None:
    def lose(number: int, stream: Any) -> None:
        call = link.calls[-1]
        if number == 0:
            call.get = without_the_first_outputs(call)  # type: ignore[method-assign]

    assert_alike(play(model(link), lose), undisturbed)
    assert len(link.calls) == 2


def without_the_first_outputs(call: NearbyCall) -> Callable[[], Any]:
    """`get`, but one message is lost."""
    get, lost = call.get, []

    def lossy() -> Any:
        message = get()
        if message[0] == "outputs" and not lost:
            lost.append(message)
            return get()
        return message

    return lossy


def test_beyond_the_bound_only_what_was_not_said_yet_is_lost(
    link: NearbyLink, undisturbed: list[Output], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "MOST_SECONDS", 1.0)

    def lose(number: int, stream: Any) -> None:
        if number == 8:
            link.calls[-1].die()

    outputs = play(model(link), lose)
    assert len(link.calls) == 2
    # The stream goes on to its end, in the time of its own audio, and no sentence stays open.
    ends = [output.end_ms for output in outputs]
    assert max(ends) == pytest.approx(max(output.end_ms for output in undisturbed), abs=1000)
    last = {output.lang: output for output in outputs if isinstance(output, TextOutput)}
    assert all(output.finished for output in last.values())


def test_an_engine_that_is_to_stop_is_left_at_a_pause(
    link: NearbyLink, undisturbed: list[Output]
) -> None:
    moves: list[str] = []

    def drain(number: int, stream: Any) -> None:
        if number == 2:
            link.engines.append(link.engines.pop(0))
            link.calls[0].leaving = True

    assert_alike(play(model(link, moves), drain), undisturbed)
    assert moves == ["leaving"]


def test_a_stream_that_breaks_every_engine_ends(link: NearbyLink) -> None:
    stream = model(link).open({"spa": Target()})
    link.lossy = True
    with pytest.raises(SeamlessError, match="several engines"):
        list(stream.push(PUSHES[0]))


def test_full_is_not_broken_and_refusals_come_through(link: NearbyLink) -> None:
    opened = model(link)
    streams = [opened.open(TARGETS) for _ in range(4)]
    with pytest.raises(NoPlaceError):
        opened.open(TARGETS)
    streams[0].close()
    for _ in range(200):
        try:
            opened.open(TARGETS)
            break
        except NoPlaceError:
            pass
    else:
        pytest.fail("the place was not given back")
    link.engines.clear()
    with pytest.raises(NoEngine):
        opened.open(TARGETS)
    with pytest.raises(LanguageError):
        opened.open({"xxx": Target()})
