"""SimulEval agents as other people write them."""

from __future__ import annotations

from simuleval.agents import AgentStates, SpeechToTextAgent
from simuleval.agents.actions import Action, ReadAction, WriteAction


class Counter(SpeechToTextAgent):
    """Writes how many whole seconds it has heard, and in which language it is asked to."""

    def policy(self, states: AgentStates) -> Action:
        heard = len(states.source) // 16_000
        if heard > len(states.target):
            return WriteAction(f"{states.tgt_lang}{heard}", finished=False)
        if states.source_finished:
            return WriteAction("end", finished=True)
        return ReadAction()


class Forgetful(Counter):
    """Says that it keeps nothing, but counts all speakers together."""

    def __init__(self, args: object = None) -> None:
        super().__init__(args)
        self.pushes = 0

    def policy(self, states: AgentStates) -> Action:
        self.pushes += 1
        finished = states.source_finished
        if finished:
            pushes, self.pushes = self.pushes, 0
            return WriteAction(str(pushes), finished=True)
        return ReadAction()


class Fragile(Counter):
    """Breaks in its second second."""

    def policy(self, states: AgentStates) -> Action:
        if len(states.source) > 16_000:
            raise RuntimeError("no more than a second, please")
        return super().policy(states)
