"""Load a model once, open any number of streams on it.

from seamless_server.streaming import Target, load_system

system = load_system("SeamlessStreaming-mini")
stream = system.open_stream({"spa": Target(text=True, speech=True)})
for output in stream.push(samples):
    ...
for output in stream.finish():
    ...
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from seamless_server.agents.compat import MENDED, OFFICIAL_OPTIONS, compat_from_name
from seamless_server.agents.detokenizer import DetokenizerAgent
from seamless_server.agents.encoder import OfflineWav2VecBertEncoderAgent
from seamless_server.agents.features import OnlineFeatureExtractorAgent
from seamless_server.agents.loading import load_system as load_agent_system
from seamless_server.agents.system import AgentSystem
from seamless_server.agents.text_decoder import (
    MMASpeechToTextDecoderAgent,
    UnitYMMATextDecoderAgent,
)
from seamless_server.agents.unit_decoder import NARUnitYUnitDecoderAgent
from seamless_server.agents.vad import SileroVADAgent
from seamless_server.agents.vocoder import VocoderAgent
from seamless_server.checkpoints.cards import find_card
from seamless_server.engine import ScheduledEngine
from seamless_server.errors import LanguageError, UsageError
from seamless_server.languages import codes
from seamless_server.stream_options import StreamOptions, read_options
from seamless_server.streaming.branch import BranchAgents
from seamless_server.streaming.live import LiveStream, StreamAgents
from seamless_server.streaming.official import OfficialStream
from seamless_server.streaming.options import make_args, model_defaults
from seamless_server.streaming.outputs import Target

Stream = LiveStream | OfficialStream

logger = logging.getLogger(__name__)


class System:
    """A loaded model. Its streams may run in different threads at once."""

    def __init__(
        self,
        agents: AgentSystem,
        name: str,
        description: str,
        defaults: Mapping[str, Any],
        compat: str | None = None,
    ) -> None:
        self.agents = agents
        self.name, self.description = name, description
        self.defaults = dict(defaults)
        self.compat = compat
        compat_from_name(compat)

    @property
    def sample_rate(self) -> int:
        """Hz, of input and output."""
        return self.agents.checkpoint.config.sample_rate

    @cached_property
    def text_languages(self) -> tuple[str, ...]:
        """Languages that the model writes."""
        return self.agents.checkpoint.config.text_langs

    @cached_property
    def speech_languages(self) -> tuple[str, ...]:
        """Languages that it speaks: those that its units and its vocoder both have."""
        return self.agents.checkpoint.config.speech_langs

    @cached_property
    def source_languages(self) -> tuple[str, ...]:
        """Languages that it hears."""
        config = self.agents.checkpoint.config
        return config.source_langs or codes("source")

    def narrow(self, langs: Collection[str] | None = None, speech: bool = True) -> None:
        """Offer less than the model can do from now on.

        Args:
            langs: target languages to offer, all that it has when None.
            speech: False offers text only.

        Raises:
            LanguageError: it has none of these languages.
        """
        if langs is not None:
            known = tuple(lang for lang in self.text_languages if lang in langs)
            if not known:
                raise LanguageError(f"{self.name} writes none of the languages {', '.join(langs)}")
            unknown = [lang for lang in langs if lang not in known]
            if unknown:
                logger.warning("%s does not write %s: left out", self.name, ", ".join(unknown))
            self.text_languages = known
        spoken = self.speech_languages if speech else ()
        self.speech_languages = tuple(lang for lang in spoken if lang in self.text_languages)

    def open_stream(
        self,
        targets: Mapping[str, Target],
        vad: bool = True,
        options: StreamOptions | None = None,
        **named: Any,
    ) -> Stream:
        """Open a stream with its own states.

        Args:
            targets: what is wanted in which language.
            vad: cut the audio into segments of speech; without it the whole stream is one.
            options: what the stream is asked for.
            named: further options by name (``decision_threshold=0.7``).

        Raises:
            LanguageError: the model does not offer a language.
            ConfigError: an option is unknown or out of its range.
        """
        self.check_targets(targets)
        chosen = read_options(named).over(options or StreamOptions())
        lang = next(iter(targets), self.agents.checkpoint.config.default_lang)
        args = make_args(self.defaults, chosen, tgt_lang=lang, compat=self.compat)
        if compat_from_name(self.compat) is not MENDED:
            args.output_index = None
            return OfficialStream(self.agents, args, targets, vad)
        # Languages side by side pay where their requests become one batch.
        batching = isinstance(self.agents.engine, ScheduledEngine)
        return LiveStream(self._stream_agents(args, vad), targets, self.check_targets, batching)

    def check_targets(self, targets: Mapping[str, Target]) -> None:
        """Raise LanguageError for a language that the model does not offer."""
        for lang, target in targets.items():
            if lang not in self.text_languages:
                raise LanguageError(
                    f"{lang!r} is not a target language of {self.name}; it writes: "
                    f"{', '.join(self.text_languages)}"
                )
            if target.speech and lang not in self.speech_languages:
                spoken = ", ".join(self.speech_languages) or "none"
                raise LanguageError(
                    f"{self.name} has no speech output in {lang!r}; it speaks: {spoken}"
                )
            if not target.text and not target.speech:
                raise UsageError(f"neither text nor speech is wanted in {lang!r}")

    def _stream_agents(self, args: Any, vad: bool) -> StreamAgents:
        system = self.agents
        detokenizer = DetokenizerAgent(args, system)
        speech = None
        if system.checkpoint.vocoder is not None:
            speech = BranchAgents(
                UnitYMMATextDecoderAgent(args, system),
                detokenizer,
                NARUnitYUnitDecoderAgent(args, system),
                VocoderAgent(args, system),
            )
        return StreamAgents(
            SileroVADAgent(args, system) if vad else None,
            OnlineFeatureExtractorAgent(args, system),
            OfflineWav2VecBertEncoderAgent(args, system),
            BranchAgents(MMASpeechToTextDecoderAgent(args, system), detokenizer),
            speech,
        )


def load_system(
    model: str | Path | None = None,
    device: str | None = "auto",
    dtype: str | None = "auto",
    compat: str | None = None,
    speech: bool = True,
    progress: Callable[[str], None] | None = None,
    engine: str = "inline",
) -> System:
    """Load a model by name (``SeamlessStreaming-mini``) or folder, the best present when None.

    Args:
        device: auto, cpu, cuda:0, mps.
        dtype: auto (fp16 on CUDA, else fp32), fp32, fp16, bf16, int8 (CPU), int8-weights.
        compat: ``official`` repeats the official pipeline's quirks.
        speech: False leaves the networks of speech output out.
        progress: called with what is being loaded.
        engine: ``inline``, or ``scheduled`` to serve many streams at once in batches.

    Raises:
        SeamlessError: with one sentence that says what is wrong.
    """
    agents = load_agent_system(model, device, dtype, speech, progress, engine)
    folder = agents.checkpoint.path
    card = find_card(str(model)) if model is not None else None
    if card is None:
        card = find_card(agents.checkpoint.config.name) or find_card(folder.name)
    if card is not None and card.folder.resolve() != folder:
        card = None
    systems = [folder] if card is None or card.systems is None else [card.systems, folder]
    name = card.name if card else agents.checkpoint.config.name
    description = card.description if card else f"model from {folder}"
    mended = compat_from_name(compat) is MENDED
    defaults = model_defaults(systems) if mended else OFFICIAL_OPTIONS
    return System(agents, name, description, defaults, compat)
