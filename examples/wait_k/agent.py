"""A wait-k agent (Ma et al. 2019, arXiv 1810.08398): translates word by word, k words behind."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from simuleval.agents import TextToTextAgent
from simuleval.agents.actions import Action, ReadAction, WriteAction
from simuleval.agents.states import AgentStates


class WaitK(TextToTextAgent):
    """Reads k words, then writes one for each that it reads; at the end it writes the rest."""

    def __init__(self, args: Namespace) -> None:
        super().__init__(args)
        self.k: int = args.wait_k
        lines = Path(args.glossary).read_text("utf-8").splitlines()
        self.glossary = dict(line.split("\t", 1) for line in lines if line)

    @staticmethod
    def add_args(parser: ArgumentParser) -> None:
        parser.add_argument("--wait-k", type=int, default=3, help="words to lag behind")
        parser.add_argument("--glossary", required=True, help="file of words and translations")

    def policy(self, states: AgentStates) -> Action:
        """One word for every word; ``states`` hold what one speaker said and was told."""
        done, heard = len(states.target), len(states.source)
        if done >= heard:
            return WriteAction("", finished=True) if states.source_finished else ReadAction()
        if heard - done < self.k and not states.source_finished:
            return ReadAction()
        word = states.source[done]
        last = states.source_finished and done + 1 == heard
        bare = word.strip(".,?!").lower()
        return WriteAction(self.glossary.get(bare, word), finished=last)
