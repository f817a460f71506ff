"""Where two syntheses of one place meet, the old one gives way to the new one."""

from __future__ import annotations

import numpy as np

from seamless_server.agents.base import Ask
from seamless_server.agents.loading import AgentSystem
from seamless_server.agents.vocoder import FADE, HOLD, VocoderAgent

from .spying import defaults

SPEECH = "SeamlessStreamingS2STAgent"


def test_the_old_sound_falls_and_the_new_one_rises(agent_system: AgentSystem) -> None:
    from argparse import Namespace

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
