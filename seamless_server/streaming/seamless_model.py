"""SeamlessStreaming models: our own agents on an engine."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simuleval.data.segments import Segment, TextSegment

from seamless_server.agents import pipelines
from seamless_server.agents.branch import BranchAgents
from seamless_server.agents.compat import MENDED, OFFICIAL_OPTIONS, compat_from_name
from seamless_server.agents.corridor import Corridor, CorridorAgents
from seamless_server.agents.detokenizer import DetokenizerAgent
from seamless_server.agents.encoder import OfflineWav2VecBertEncoderAgent
from seamless_server.agents.expressive import DualVocoderAgent, ListeningFeatureExtractorAgent
from seamless_server.agents.features import OnlineFeatureExtractorAgent
from seamless_server.agents.loading import AgentSystem, forget_system, load_system, voice_of
from seamless_server.agents.text_decoder import (
    MMASpeechToTextDecoderAgent,
    UnitYMMATextDecoderAgent,
)
from seamless_server.agents.unit_decoder import NARUnitYUnitDecoderAgent
from seamless_server.agents.vad import SileroVADAgent
from seamless_server.agents.vocoder import VocoderAgent
from seamless_server.caller import Caller
from seamless_server.checkpoints.cards import ModelCard, default_model, find_card, find_model
from seamless_server.checkpoints.loader import read_folder_config
from seamless_server.checkpoints.tokenizers import SPACE, TextTokenizer
from seamless_server.engine import DecodeResult, Engine
from seamless_server.languages import codes
from seamless_server.nn.config import ModelConfig
from seamless_server.streaming.agent_sources import SpeechSource
from seamless_server.streaming.model import Model, ModelInfo, Opening
from seamless_server.streaming.options import make_args, model_defaults
from seamless_server.streaming.pipeline_walk import AgentInstance, PipelineWalk
from seamless_server.streaming.stream import Walk


class SeamlessModel(Model):
    """A SeamlessStreaming model: its agents, networks and tokenizers.

    Args:
        defaults: the model's own values of agent options.
        compat: ``official`` repeats the official pipeline's quirks.
    """

    def __init__(
        self,
        agents: AgentSystem,
        name: str,
        description: str,
        defaults: Mapping[str, Any],
        compat: str | None = None,
    ) -> None:
        compat_from_name(compat)
        checkpoint = agents.checkpoint
        abilities = abilities_of(checkpoint.config, checkpoint.path)
        known = () if checkpoint.voice is None else checkpoint.voice.config.langs
        abilities["expressive_languages"] = tuple(
            lang for lang in abilities["speech_languages"] if lang in known
        )
        super().__init__(name, description, **abilities)
        self.agents = agents
        self.defaults = dict(defaults)
        self.compat = compat

    @property
    def engine(self) -> Engine:
        """What computes for all of its streams together."""
        return self.agents.engine

    def close(self) -> None:
        """Give its memory back; it has no streams any more."""
        forget_system(self.agents)

    def _walk(self, asked: Opening) -> tuple[Walk, Caller]:
        lang = next(iter(asked.targets), self.agents.checkpoint.config.default_lang)
        args = make_args(self.defaults, asked.options, tgt_lang=lang, compat=self.compat)
        if not asked.vad and asked.options.min_confidence is None:
            # The model's own value is for the segments that voice activity detection cuts: the
            # longer the silence around a sentence, the less its head believes in it.
            args.min_confidence = 0.0
        if compat_from_name(self.compat) is not MENDED:
            speech = any(target.speech for target in asked.targets.values())

            def official(lang: str) -> AgentInstance:
                mine = Namespace(**{**vars(args), "tgt_lang": lang})
                return OfficialInstance(
                    self._official_agent(mine, speech, asked.vad), asked.caller, False
                )

            # The official server does not tell its agents of an end without audio.
            source = SpeechSource(None, tells_end=False)
            return PipelineWalk(source, asked.targets, official, {}, exact=True), asked.caller
        corridor = Corridor(self._corridor_agents(args, asked.vad), asked.targets, asked.caller)
        if asked.resume is not None:
            corridor.resume(asked.resume)
        return corridor, asked.caller

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

    def _official_agent(self, args: Namespace, speech: bool, vad: bool) -> Any:
        """The official pipeline for a language, with its quirks."""
        args.output_index, args.upstream_idx = None, int(vad)
        if not speech and vad:
            return pipelines.SeamlessStreamingS2TVADAgent(args, self.agents)
        if not speech:
            return pipelines.SeamlessStreamingS2TDetokAgent(args, self.agents)
        if vad and self.agents.checkpoint.voice is not None:
            return pipelines.SeamlessS2STDualVocoderVADAgent(args, self.agents)
        if vad:
            return pipelines.SeamlessStreamingS2STJointVADAgent(args, self.agents)
        return pipelines.SeamlessStreamingS2STAgent(args, self.agents)


class OfficialInstance(AgentInstance):
    """The chain for speech gives no text: it is read off its decoder."""

    def pushpop(self, segment: Segment) -> list[Segment]:
        """One push and one pop, with the text that was written for what is spoken."""
        out = super().pushpop(segment)
        if not isinstance(self.agent, pipelines.SeamlessStreamingS2STAgent):
            return out
        (text,) = (
            _written(module.tokenizer, states.last)
            for module, states in zip(self.agent.module_list, self.states, strict=True)
            if isinstance(module, UnitYMMATextDecoderAgent)
        )
        return [TextSegment(content=text, finished=out[0].finished), *out] if text else out


def _written(tokenizer: TextTokenizer, last: DecodeResult | None) -> str:
    if last is None or not last.write:
        return ""
    pieces = (tokenizer.index_to_token(i) for i in last.tokens)
    return "".join(pieces).replace(SPACE, " ").strip()


def abilities_of(config: ModelConfig, folder: Path) -> dict[str, Any]:
    """What a model's configuration says of what it can do, as the fields of `ModelInfo`."""
    vocoder = config.vocoder
    return {
        "folder": folder,
        "source_languages": config.source_langs or codes("source"),
        "text_languages": config.text_langs,
        "speech_languages": config.speech_langs,
        "voices": {
            lang: len(config.vocoder_speakers[lang])
            for lang in config.speech_langs
            if len(config.vocoder_speakers[lang]) > 1
        },
        "default_language": config.default_lang,
        "sample_rate": config.sample_rate,
        "output_rate": config.sample_rate if vocoder is None else vocoder.sample_rate,
        # A model that brings a list of what it understands understands little else.
        "demonstration": (folder / "phrases.json").is_file(),
    }


def _named(
    model: str | Path | None, config: ModelConfig, folder: Path
) -> tuple[ModelCard | None, str, str]:
    """The card of a folder, its name and its description."""
    card = find_card(str(model)) if model is not None else None
    if card is None:
        card = find_card(config.name) or find_card(folder.name)
    if card is not None and card.folder.resolve() != folder:
        card = None
    if card is None:
        return None, config.name, f"model from {folder}"
    return card, card.name, card.description


def describe_seamless(model: str | Path | None) -> ModelInfo:
    """What a model can do, without loading it.

    Raises:
        CheckpointError: there is no such model.
    """
    folder = find_model(model if model is not None else default_model()).resolve()
    config, _ = read_folder_config(folder)
    _, name, description = _named(model, config, folder)
    return ModelInfo(name, description, **abilities_of(config, folder))


def load_seamless(
    model: str | Path | None = None,
    compat: str | None = None,
    voice: str | Path | None = None,
    **loading: Any,
) -> SeamlessModel:
    """See `load_model`; what else it is given goes to `load_system`."""
    if voice is not None:
        wanted = find_model(model if model is not None else default_model())
        loading["voice"] = voice_of(wanted, str(voice))
    agents = load_system(model, **loading)
    folder = agents.checkpoint.path
    card, name, description = _named(model, agents.checkpoint.config, folder)
    systems = [folder] if card is None or card.systems is None else [card.systems, folder]
    mended = compat_from_name(compat) is MENDED
    defaults = model_defaults(systems) if mended else OFFICIAL_OPTIONS
    return SeamlessModel(agents, name, description, defaults, compat)
