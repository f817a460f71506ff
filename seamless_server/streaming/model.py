"""Load a model once, open any number of streams on it.

from seamless_server.streaming import Target, load_model

model = load_model("SeamlessStreaming-mini")
stream = model.open({"spa": Target(text=True, speech=True)}, {"decision_threshold": 0.7})
for output in stream.push(samples):
    ...
for output in stream.finish():
    ...
"""

from __future__ import annotations

import logging
from argparse import Namespace
from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from seamless_server.agents import pipelines
from seamless_server.agents.branch import BranchAgents
from seamless_server.agents.compat import MENDED, OFFICIAL_OPTIONS, compat_from_name
from seamless_server.agents.corridor import Corridor, CorridorAgents
from seamless_server.agents.detokenizer import DetokenizerAgent
from seamless_server.agents.encoder import OfflineWav2VecBertEncoderAgent
from seamless_server.agents.expressive import DualVocoderAgent, ListeningFeatureExtractorAgent
from seamless_server.agents.features import OnlineFeatureExtractorAgent
from seamless_server.agents.loading import AgentSystem, load_system, voice_of
from seamless_server.agents.outputs import Target
from seamless_server.agents.text_decoder import (
    MMASpeechToTextDecoderAgent,
    UnitYMMATextDecoderAgent,
)
from seamless_server.agents.unit_decoder import NARUnitYUnitDecoderAgent
from seamless_server.agents.vad import SileroVADAgent
from seamless_server.agents.vocoder import VocoderAgent
from seamless_server.checkpoints.cards import default_model, find_card, find_model
from seamless_server.engine import Caller
from seamless_server.errors import LanguageError, UsageError
from seamless_server.languages import codes
from seamless_server.stream_options import StreamOptions, read_options
from seamless_server.streaming.options import make_args, model_defaults
from seamless_server.streaming.pipeline_walk import PipelineWalk
from seamless_server.streaming.stream import Stream

logger = logging.getLogger(__name__)


class Model:
    """A loaded model: its agents, networks, tokenizers and card.

    Its streams may run in different threads at once.
    """

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
        """Hz, of the audio that streams take."""
        return self.agents.checkpoint.config.sample_rate

    @property
    def output_rate(self) -> int:
        """Hz, of the speech that comes out; that of the input when the model does not speak."""
        vocoder = self.agents.checkpoint.config.vocoder
        return self.sample_rate if vocoder is None else vocoder.sample_rate

    @cached_property
    def text_languages(self) -> tuple[str, ...]:
        """Languages that the model writes."""
        return self.agents.checkpoint.config.text_langs

    @cached_property
    def speech_languages(self) -> tuple[str, ...]:
        """Languages that it speaks: those that its units and its vocoder both have."""
        return self.agents.checkpoint.config.speech_langs

    @property
    def expressive_languages(self) -> tuple[str, ...]:
        """Languages that it can speak in the speaker's own voice; none without such a voice."""
        voice = self.agents.checkpoint.voice
        known = () if voice is None else voice.config.langs
        return tuple(lang for lang in self.speech_languages if lang in known)

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

    def open(
        self,
        targets: Mapping[str, Target],
        options: StreamOptions | Mapping[str, Any] | None = None,
        *,
        vad: bool = True,
    ) -> Stream:
        """Open a stream with its own states.

        Args:
            targets: what is wanted in which language.
            options: what the stream is asked for, also by name (``{"decision_threshold": 0.7}``);
                what is not given is the model's own value, else the official agents' default.
            vad: cut the audio into segments of speech; without it the whole stream is one.

        Raises:
            LanguageError: the model does not offer a language.
            ConfigError: an option is unknown or out of its range.
        """
        self.check_targets(targets)
        lang = next(iter(targets), self.agents.checkpoint.config.default_lang)
        if not isinstance(options, StreamOptions):
            options = read_options(options or {})
        args = make_args(self.defaults, options, tgt_lang=lang, compat=self.compat)
        caller = Caller()
        if compat_from_name(self.compat) is not MENDED:
            args.output_index, args.upstream_idx = None, int(vad)
            agent = self._official_agent(args, targets, vad)
            walk = PipelineWalk(agent, targets, caller, takes_the_end=False)
            return Stream(walk, caller, self.check_targets)
        corridor = Corridor(self._corridor_agents(args, vad), targets, caller)
        return Stream(corridor, caller, self.check_targets)

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

    def _corridor_agents(self, args: Namespace, vad: bool) -> CorridorAgents:
        system, voice = self.agents, self.agents.checkpoint.voice
        features = OnlineFeatureExtractorAgent if voice is None else ListeningFeatureExtractorAgent
        detokenizer = DetokenizerAgent(args, system)
        speech = None
        if system.checkpoint.vocoder is not None:
            speech = BranchAgents(
                UnitYMMATextDecoderAgent(args, system),
                detokenizer,
                NARUnitYUnitDecoderAgent(args, system),
                (VocoderAgent if voice is None else DualVocoderAgent)(args, system),
            )
        return CorridorAgents(
            SileroVADAgent(args, system) if vad else None,
            features(args, system),
            OfflineWav2VecBertEncoderAgent(args, system),
            BranchAgents(MMASpeechToTextDecoderAgent(args, system), detokenizer),
            speech,
        )

    def _official_agent(self, args: Namespace, targets: Mapping[str, Target], vad: bool) -> Any:
        """The official pipeline for a language, with its quirks."""
        speech = any(target.speech for target in targets.values())
        if not speech and vad:
            return pipelines.SeamlessStreamingS2TVADAgent(args, self.agents)
        if not speech:
            return pipelines.SeamlessStreamingS2TDetokAgent(args, self.agents)
        if vad and self.agents.checkpoint.voice is not None:
            return pipelines.SeamlessS2STDualVocoderVADAgent(args, self.agents)
        if vad:
            return pipelines.SeamlessStreamingS2STJointVADAgent(args, self.agents)
        return pipelines.SeamlessStreamingS2STAgent(args, self.agents)


def load_model(
    model: str | Path | None = None,
    device: str | None = "auto",
    dtype: str | None = "auto",
    compat: str | None = None,
    speech: bool = True,
    progress: Callable[[str], None] | None = None,
    engine: str = "inline",
    voice: str | Path | None = None,
) -> Model:
    """Load a model by name (``SeamlessStreaming-mini``) or folder, the best present when None.

    Args:
        device: auto, cpu, cuda:0, mps.
        dtype: auto (fp16 on CUDA, else fp32), fp32, fp16, bf16, int8 (CPU), int8-weights.
        compat: ``official`` repeats the official pipeline's quirks.
        speech: False leaves the networks of speech output out.
        progress: called with what is being loaded.
        engine: ``inline``, or ``scheduled`` to serve many streams at once in batches.
        voice: name or file of an expressive voice (``vocoder_pretssel``) to load with it; streams
            then have the option ``expressive``.

    Raises:
        SeamlessError: with one sentence that says what is wrong.
    """
    file = None
    if voice is not None:
        file = voice_of(find_model(model if model is not None else default_model()), str(voice))
    agents = load_system(model, device, dtype, speech, progress, engine, file)
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
    return Model(agents, name, description, defaults, compat)
