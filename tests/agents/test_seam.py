"""Where two syntheses of one place meet, the old one gives way to the new one."""

from __future__ import annotations

from argparse import Namespace

import numpy as np

from seamless_server.agents.base import Ask
from seamless_server.agents.loading import AgentSystem
from seamless_server.agents.vocoder import FADE, HOLD, VocoderAgent

from .spying import defaults

SPEECH = "SeamlessStreamingS2STAgent"


def test_the_old_sound_falls_and_the_new_one_rises(agent_system: AgentSystem) -> None:
    agent = VocoderAgent(Namespace(**defaults(SPEECH)), agent_system)
    states = agent.build_states()
    states.tgt_lang = "spa"
    size = agent.samples_per_unit

    def spoken(units: list[int], level: float, *, last: bool = False) -> np.ndarray:
        """What is heard if all of a synthesis had one level."""
        states.source, states.source_finished = [units], last
        steps = agent.steps(states)
        ask = next(steps)
        assert isinstance(ask, Ask)
        new = len(ask.request.units) - ask.request.skip
        try:
            steps.send(np.full(new * size, level, np.float32))
        except StopIteration as stop:
            content: np.ndarray = stop.value.content.content
            return content
        raise AssertionError("it asks for no more")

    first = spoken([1, 2, 3, 4], 1.0)
    assert len(first) == (4 - HOLD) * size
    assert (first == 1.0).all()
    second = spoken([5, 6], -1.0)
    assert len(second) == 2 * size
    fade = second[: size // FADE]
    assert fade[0] == 1.0
    assert (np.diff(fade) < 0).all()
    assert fade[-1] == -1.0
    assert (second[len(fade) :] == -1.0).all()
    last = spoken([7], 0.0, last=True)
    assert len(last) == (1 + HOLD) * size
    assert last[0] == -1.0
    assert (last[size // FADE :] == 0.0).all()


def test_pieces_know_what_came_before_and_a_sentence_nothing_of_the_last_one(
    agent_system: AgentSystem,
) -> None:
    agent = VocoderAgent(Namespace(**defaults(SPEECH)), agent_system)
    states = agent.build_states()
    size, reach = agent.samples_per_unit, agent.reach

    def asked(units: list[int]) -> tuple[list[int], int] | None:
        """The units that are synthesized, and how many of them were spoken before."""
        states.source, states.source_finished, states.tgt_lang = [units], False, "spa"
        steps = agent.steps(states)
        try:
            ask = next(steps)
        except StopIteration:
            return None
        assert isinstance(ask, Ask)
        request = ask.request
        try:
            steps.send(np.ones((len(request.units) - request.skip) * size, np.float32))
        except StopIteration as stop:
            heard.append(stop.value.content.content)
        return list(request.units), request.skip

    heard: list[np.ndarray] = []
    waits = list(range(HOLD))
    assert asked(waits) is None  # what follows decides how they sound
    assert asked([50]) == ([*waits, 50], 0)
    said = [*waits, 50]
    for unit in range(51, 51 + 2 * reach):
        found = asked([unit % 90])
        said.append(unit % 90)
        assert found is not None
        units, skip = found
        assert skip == min(len(said) - 1 - HOLD, reach)
        assert units == said[-len(units) :]
        assert len(units) == skip + 1 + HOLD
    assert heard[-1][0] == 1.0
    states.reset()
    heard.clear()
    states.source_finished = False
    assert asked([1, 2, 3]) == ([1, 2, 3], 0)
    assert states.tail is not None
    states.tail[:] = -1.0
    states.reset()
    heard.clear()
    asked([1, 2, 3])
    assert (heard[0] == 1.0).all()  # nothing of the last sentence is blended into it
