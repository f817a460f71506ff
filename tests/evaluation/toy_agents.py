"""SimulEval agents that translate sounds made by `speak`: the loudness of each 400 ms is a word."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

import numpy as np
import soundfile
from simuleval.agents import AgentStates
from simuleval.agents import SpeechToSpeechAgent as SpeechToSpeech
from simuleval.agents import SpeechToTextAgent as SpeechToText
from simuleval.agents.actions import Action, ReadAction, WriteAction
from simuleval.data.segments import SpeechSegment, TextSegment

RATE = 16_000
WORD_SAMPLES = RATE * 400 // 1000
WORDS = ["uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve"]


def speak(path: Path, words: str, rate: int = RATE) -> Path:
    """Write a file in which `words` can be heard by the agents here."""
    levels = [0.1 * (WORDS.index(word) + 1) for word in words.split()]
    samples = np.repeat(np.array(levels, dtype=np.float32), WORD_SAMPLES * rate // RATE)
    soundfile.write(path, samples, rate, subtype="PCM_16")
    return path


class _States(AgentStates):
    def reset(self) -> None:
        super().reset()
        self.written = 0


class _Ear:
    """What the agents here have in common."""

    @staticmethod
    def add_args(parser: ArgumentParser) -> None:
        parser.add_argument("--wait", type=int, default=0, help="words to lag behind")
        parser.add_argument("--fail-on", default="", help="word that breaks the agent")
        parser.add_argument("--mishear", default="", help="word that is written wrongly")
        parser.add_argument("--pieces", action="store_true", help="write SentencePiece pieces")

    def build_states(self) -> _States:
        return _States()

    def new_words(self, states: _States, args: Namespace) -> list[str]:
        heard = len(states.source) // WORD_SAMPLES
        ready = heard if states.source_finished else max(0, heard - args.wait)
        words = []
        for index in range(states.written, ready):
            level = states.source[index * WORD_SAMPLES + WORD_SAMPLES // 2]
            word = WORDS[round(10 * float(level)) - 1]
            if word == args.fail_on:
                raise RuntimeError(f"cannot stand the word {word}")
            words.append("nada" if word == args.mishear else word)
        states.written = ready
        return words


class WordAgent(_Ear, SpeechToText):
    """Speech to text; keeps no state of its own, so that workers can share it."""

    def policy(self, states: _States) -> Action:
        words = self.new_words(states, self.args)
        if self.args.pieces:
            text = " ".join(f"\u2581{word[:2]} {word[2:]}" for word in words)
        else:
            text = "".join(f" {word}" for word in words)
        if not words and not states.source_finished:
            return ReadAction()
        segment = TextSegment(
            content=text, finished=states.source_finished, tgt_lang=states.tgt_lang
        )
        return WriteAction(segment, finished=segment.finished)


class StatefulWordAgent(_Ear, SpeechToText):
    """The same with a state of its own, as SimulEval's older agents are."""

    def policy(self) -> Action:
        return WordAgent.policy(self, self.states)


class ToneAgent(_Ear, SpeechToSpeech):
    """Speech to speech: 600 ms of tone for each word."""

    def policy(self, states: _States) -> Action:
        words = self.new_words(states, self.args)
        if not words and not states.source_finished:
            return ReadAction()
        tone = np.sin(np.arange(RATE * 600 // 1000) / 10.0) / 10.0
        segment = SpeechSegment(
            content=np.tile(tone, len(words)).tolist(),
            sample_rate=RATE,
            finished=states.source_finished,
            tgt_lang=states.tgt_lang,
        )
        return WriteAction(segment, finished=segment.finished)
