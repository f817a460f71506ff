"""What a stream decided, for those who want to look on: READ and WRITE, segments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from seamless_server.agents.text_decoder import DecoderStates, MMASpeechToTextDecoderAgent

Decision = dict[str, Any]
"""What :func:`decision` gives."""
Trace = Callable[[Decision], None]
"""Gets each decision as it is made, in the thread that computes."""


def decision(
    agent: MMASpeechToTextDecoderAgent, states: DecoderStates, segment_id: int, position_ms: float
) -> Decision | None:
    """The policy's newest decision; None if it was not asked.

    ``p_choose`` is what the policy compared with its threshold, one number a decoder step; the last
    step's token was not written.
    """
    result = states.last
    if result is None:
        return None
    probabilities = [round(step.prob, 4) for step in result.steps]
    return {
        "type": "write" if result.write else "read",
        "lang": agent.language(states),
        "segment": segment_id,
        "position_ms": position_ms,
        "p_choose_min": min(probabilities, default=None),
        "p_choose": probabilities,
        "tokens": [agent.tokenizer.index_to_token(token) for token in result.tokens],
        "finished": result.finished,
    }
