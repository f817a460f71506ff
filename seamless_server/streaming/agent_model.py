"""Any SimulEval agent as a model: what a folder's system file names, served as it is.

One object of the agent serves all streams if it keeps nothing of a stream for itself: its policy
takes the states (SimulEval's rule), and what it says to one speaker does not depend on another,
which is tried when it is loaded. Otherwise every stream and language gets an object of its own.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence
from importlib import resources
from typing import Any

import numpy as np
from simuleval.data.segments import Segment, SpeechSegment, TextSegment

from seamless_server.agents.building import from_options, keeps_state, load_class, options_of
from seamless_server.agents.loading import choose_device
from seamless_server.agents.outputs import Target
from seamless_server.agents.vad import VADStates
from seamless_server.audio.fbank import SAMPLE_RATE
from seamless_server.audio.reader import read_audio
from seamless_server.caller import Caller
from seamless_server.checkpoints.system_file import SystemFile
from seamless_server.errors import CheckpointError, LanguageError, SeamlessError
from seamless_server.streaming.agent_sources import AgentSource, SpeechSource, WordSource
from seamless_server.streaming.model import Model, ModelInfo, Opening
from seamless_server.streaming.options import agent_options, make_args
from seamless_server.streaming.pipeline_walk import AgentInstance, PipelineWalk
from seamless_server.streaming.stream import Walk

logger = logging.getLogger(__name__)


def describe_agent(file: SystemFile) -> ModelInfo:
    """What a system file says of its agent; nothing is imported."""
    return ModelInfo(file.folder.name, file.description, **_abilities(file))


def _abilities(file: SystemFile) -> dict[str, Any]:
    translated = set(file.translated)
    return {
        "folder": file.folder,
        "source_languages": file.source_langs,
        "text_languages": file.target_langs,
        "speech_languages": file.speech_langs,
        "captions": frozenset(lang for lang in file.target_langs if lang not in translated),
        "default_language": file.target_langs[0],
        "demonstration": file.demonstration,
        "sure_from": file.sure_from,
    }


class AgentModel(Model):
    """See the module.

    Args:
        file: names the agent.
        hears: the model whose transcript a text agent gets.

    Raises:
        SeamlessError: its class or an option does not exist, or it cannot be built.
    """

    def __init__(
        self, file: SystemFile, device: str | None, dtype: str | None, hears: Model | None = None
    ) -> None:
        super().__init__(file.folder.name, file.description, **_abilities(file))
        self._file, self._hears = file, hears
        self._class = load_class(file.agent_class, file.folder)
        self._device = str(choose_device(device))
        self._dtype = "fp32" if dtype in (None, "auto") else str(dtype)
        self._options = options_of(file, self._class)
        known = agent_options()
        self._defaults = {name: x for name, x in file.options.items() if name in known}
        ignored = set(file.options) - set(self._options) - set(self._defaults)
        if ignored:
            logger.warning(
                "%s: %s has no option %s", file.path, self._class.__name__, sorted(ignored)
            )
        self._agent = self._build()
        self._check_kinds()
        owner = keeps_state(self._agent)
        self._own_states = owner is not None
        if owner is None and self._mixes():
            owner = type(self._agent).__name__
        self._shared = owner is None
        if owner is not None:
            logger.warning(
                "%s: %s keeps its own state, so every stream gets an object of its own, with all "
                "that it loads (docs/agents.md says how one object can serve everybody)",
                self.name,
                owner,
            )

    @property
    def engine(self) -> Any:
        """What computes for all of its streams together: the agent's own ``engine``, if any."""
        return getattr(self._agent, "engine", None)

    def _walk(self, asked: Opening) -> tuple[Walk, Caller]:
        walk = PipelineWalk(
            self._source(asked),
            asked.targets,
            lambda _: self._instance(asked.caller),
            asked.options.agents(),
        )
        return walk, asked.caller

    def close(self) -> None:
        """Give its memory back; it has no streams any more."""
        closing = getattr(self._agent, "close", None)
        if callable(closing):
            closing()

    def _source(self, asked: Opening) -> AgentSource:
        if self._hears is not None:
            lang = next(x for x in self._hears.text_languages if x in self.source_languages)
            heard = self._hears.open(
                {lang: Target()}, asked.options, vad=asked.vad, caller=asked.caller
            )
            return WordSource(heard, lang)
        if not (asked.vad and self._file.vad):
            return SpeechSource(None)
        states = VADStates(make_args(self._defaults, asked.options))
        states.caller = asked.caller
        return SpeechSource(states)

    def _instance(self, caller: Caller) -> AgentInstance:
        agent = self._agent if self._shared else self._build()
        return AgentInstance(agent, caller, self._own_states)

    def _build(self) -> Any:
        try:
            agent = from_options(self._class, self._options)
            agent.to(self._device, fp16=self._dtype == "fp16")
        except SeamlessError:
            raise
        except Exception as error:  # other people's code runs here
            raise CheckpointError(
                self._file.path,
                f"{self._class.__name__} cannot be built: {type(error).__name__}: {error}",
            ) from error
        return agent

    def _check_kinds(self) -> None:
        """Hold what the agent takes and gives against what its file says."""
        name, path = self._class.__name__, self._file.path
        if self._agent.source_type == "text":
            if self._hears is None:
                raise CheckpointError(
                    path,
                    f"{name} takes text: name the model that hears, as in "
                    "`hears_with: SeamlessStreaming-mini`",
                )
            if not set(self._hears.text_languages) & set(self.source_languages):
                raise LanguageError(
                    f"{path}: {self._hears.name} writes none of the source_langs of {name}"
                )
            self.source_languages = self._hears.source_languages
        elif self._hears is not None:
            raise CheckpointError(path, f"hears_with: {name} takes speech, not text")
        gives = str(self._agent.target_type)
        if self.speech_languages and "speech" not in gives:
            raise CheckpointError(path, f"{name} gives {gives} and no speech: set `task: s2tt`")
        if "speech" in gives and not self.speech_languages:
            self.speech_languages = self.text_languages

    # -- does one object serve several streams? ---------------------------------------------------

    def _mixes(self) -> bool:
        """Whether what the agent says to one speaker changes when another speaks meanwhile."""
        try:
            source = self._trial()
            alone = self._say([source])[0]
            beside = self._say([source, source[::-1]])[0]
            return alone != beside and alone == self._say([source])[0]
        except Exception:  # of an agent that needs something else than this
            logger.exception("%s could not be tried", self._class.__name__)
            return False

    def _trial(self) -> list[Segment]:
        if self._agent.source_type == "text":
            words = ["one", "two", "three", "four", "five", "six", "seven", "eight"]
            return [TextSegment(content=word, tgt_lang=None) for word in words]
        file = resources.files("seamless_server") / "data" / "recordings" / "human_short.flac"
        with resources.as_file(file) as path:
            samples = read_audio(path)[: 2 * SAMPLE_RATE]
        return [
            SpeechSegment(content=part.tolist(), sample_rate=SAMPLE_RATE, tgt_lang=None)
            for part in np.array_split(samples, 4)
        ]

    def _say(self, speakers: Sequence[Sequence[Segment]]) -> list[list[str]]:
        """What each of several speakers gets who speak at the same time."""
        streams = [AgentInstance(self._agent, Caller(), own_states=False) for _ in speakers]
        said: list[list[str]] = [[] for _ in speakers]
        for number in range(len(speakers[0])):
            for speaker, stream in enumerate(streams):
                segment = copy.copy(speakers[speaker][number])
                segment.tgt_lang, segment.config = self.default_language, {}
                segment.finished = number == len(speakers[0]) - 1
                said[speaker] += [repr(item.content) for item in stream.pushpop(segment)]
        return said
