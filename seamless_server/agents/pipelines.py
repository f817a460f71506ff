"""The pipelines of SeamlessStreaming, by their official names.

Each runs as ``simuleval --agent-class seamless_server.agents.pipelines.NAME`` or from a system
folder whose YAML names it.
"""

from __future__ import annotations

from typing import ClassVar

from seamless_server.agents.base import SeamlessAgent
from seamless_server.agents.detokenizer import DetokenizerAgent, UnitYDetokenizerAgent
from seamless_server.agents.encoder import OfflineWav2VecBertEncoderAgent
from seamless_server.agents.expressive import (
    DualVocoderAgent,
    ListeningFeatureExtractorAgent,
    PretsselVocoderAgent,
)
from seamless_server.agents.features import OnlineFeatureExtractorAgent
from seamless_server.agents.outputs import Target
from seamless_server.agents.pipeline import SeamlessPipeline, SeamlessTreePipeline
from seamless_server.agents.text_decoder import (
    MMASpeechToTextDecoderAgent,
    UnitYMMATextDecoderAgent,
)
from seamless_server.agents.unit_decoder import NARUnitYUnitDecoderAgent
from seamless_server.agents.vad import SileroVADAgent
from seamless_server.agents.vocoder import VocoderAgent

_FRONT: list[type[SeamlessAgent]] = [OnlineFeatureExtractorAgent, OfflineWav2VecBertEncoderAgent]
_TEXT: list[type[SeamlessAgent]] = [*_FRONT, MMASpeechToTextDecoderAgent]
_SPEECH: list[type[SeamlessAgent]] = [
    *_FRONT,
    UnitYMMATextDecoderAgent,
    NARUnitYUnitDecoderAgent,
    VocoderAgent,
]
_JOINT: dict[type[SeamlessAgent], list[type[SeamlessAgent]]] = {
    OnlineFeatureExtractorAgent: [OfflineWav2VecBertEncoderAgent],
    OfflineWav2VecBertEncoderAgent: [UnitYMMATextDecoderAgent],
    UnitYMMATextDecoderAgent: [UnitYDetokenizerAgent, NARUnitYUnitDecoderAgent],
    UnitYDetokenizerAgent: [],
    NARUnitYUnitDecoderAgent: [VocoderAgent],
    VocoderAgent: [],
}


class SeamlessStreamingS2TAgent(SeamlessPipeline):
    """Speech -> pieces of text."""

    speech = False
    pipeline: ClassVar[list[type[SeamlessAgent]]] = _TEXT


class SeamlessStreamingS2TDetokAgent(SeamlessPipeline):
    """Speech -> text."""

    speech = False
    pipeline: ClassVar[list[type[SeamlessAgent]]] = [*_TEXT, DetokenizerAgent]


class SeamlessStreamingS2TVADAgent(SeamlessPipeline):
    """Speech, cut by VAD -> text."""

    speech = False
    pipeline: ClassVar[list[type[SeamlessAgent]]] = [SileroVADAgent, *_TEXT, DetokenizerAgent]


class SeamlessStreamingS2STAgent(SeamlessPipeline):
    """Speech -> speech."""

    target = Target(text=False, speech=True)

    pipeline: ClassVar[list[type[SeamlessAgent]]] = _SPEECH


class SeamlessStreamingS2STVADAgent(SeamlessPipeline):
    """Speech, cut by VAD -> speech."""

    target = Target(text=False, speech=True)

    pipeline: ClassVar[list[type[SeamlessAgent]]] = [SileroVADAgent, *_SPEECH]


class SeamlessStreamingS2STJointAgent(SeamlessTreePipeline):
    """Speech -> text and speech."""

    pipeline: ClassVar[dict[type[SeamlessAgent], list[type[SeamlessAgent]]]] = _JOINT


class SeamlessStreamingS2STJointVADAgent(SeamlessTreePipeline):
    """Speech, cut by VAD -> text and speech."""

    pipeline: ClassVar[dict[type[SeamlessAgent], list[type[SeamlessAgent]]]] = {
        SileroVADAgent: [OnlineFeatureExtractorAgent],
        **_JOINT,
    }


class SeamlessS2STAgent(SeamlessPipeline):
    """Speech -> expressive speech."""

    voice_option = "vocoder_name"
    target = Target(text=False, speech=True)
    pipeline: ClassVar[list[type[SeamlessAgent]]] = [
        ListeningFeatureExtractorAgent,
        OfflineWav2VecBertEncoderAgent,
        UnitYMMATextDecoderAgent,
        NARUnitYUnitDecoderAgent,
        PretsselVocoderAgent,
    ]


def _expressive(
    vocoder: type[SeamlessAgent],
) -> dict[type[SeamlessAgent], list[type[SeamlessAgent]]]:
    """The tree with VAD, text and speech, whose speech may be expressive."""
    return {
        SileroVADAgent: [ListeningFeatureExtractorAgent],
        ListeningFeatureExtractorAgent: [OfflineWav2VecBertEncoderAgent],
        OfflineWav2VecBertEncoderAgent: [UnitYMMATextDecoderAgent],
        UnitYMMATextDecoderAgent: [UnitYDetokenizerAgent, NARUnitYUnitDecoderAgent],
        UnitYDetokenizerAgent: [],
        NARUnitYUnitDecoderAgent: [vocoder],
        vocoder: [],
    }


class SeamlessS2STJointVADAgent(SeamlessTreePipeline):
    """Speech, cut by VAD -> text and expressive speech."""

    voice_option = "vocoder_name"
    pipeline: ClassVar[dict[type[SeamlessAgent], list[type[SeamlessAgent]]]] = _expressive(
        PretsselVocoderAgent
    )


class SeamlessS2STDualVocoderVADAgent(SeamlessTreePipeline):
    """Speech, cut by VAD -> text and speech, expressive where a segment asks for it."""

    voice_option = "expr_vocoder_name"
    pipeline: ClassVar[dict[type[SeamlessAgent], list[type[SeamlessAgent]]]] = _expressive(
        DualVocoderAgent
    )
