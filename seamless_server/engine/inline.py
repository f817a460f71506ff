"""The inline engine: every request is computed at once, alone, in the caller's thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor

from seamless_server.caller import Caller
from seamless_server.checkpoints.fitting import fit_to_device
from seamless_server.checkpoints.loader import Checkpoint
from seamless_server.checkpoints.tokenizers import UNK
from seamless_server.engine.api import (
    DecodeRequest,
    DecodeResult,
    PolicyOptions,
    Samples,
    SpeakRequest,
    UnitsRequest,
    UnitsResult,
    VocodeRequest,
    measured,
)
from seamless_server.engine.memory import blocks
from seamless_server.engine.policy import Step, StepResult, emma_policy
from seamless_server.engine.sample import Choice, best_under, choices
from seamless_server.engine.stages import Stages
from seamless_server.errors import SeamlessError, UsageError
from seamless_server.nn.linears import Int8Linear
from seamless_server.nn.text_decoder import DecoderCache, SourceMemory
from seamless_server.nn.threads import cores_for_calls


class InlineEngine:
    """Weights on one device; safe to call from several threads."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        if type(checkpoint.decoder.output) is Int8Linear:  # which was chosen to be fast
            checkpoint = fit_to_device(checkpoint)
        self.checkpoint = checkpoint
        weight = checkpoint.decoder.embed.weight
        self.device, self.dtype = weight.device, weight.dtype
        self.stages = Stages(checkpoint)
        self._turns = threading.BoundedSemaphore(cores_for_calls())

    @contextmanager
    def turn(self, name: str, caller: Caller | None) -> Iterator[None]:
        """One call of a stage; on the CPU as many at a time as there are cores for.

        More would only hinder one another and each need its memory.
        """
        turns = self._turns if self.device.type == "cpu" else nullcontext()
        with turns, measured(name, caller), torch.inference_mode():
            yield

    def encode(self, requests: Sequence[Samples], caller: Caller | None = None) -> Iterator[Tensor]:
        """See :class:`~seamless_server.engine.api.Engine`."""
        for request in requests:
            with self.turn("encode", caller):
                (states,) = self.stages.encode([request])
            yield states

    def decode(
        self, requests: Sequence[DecodeRequest], caller: Caller | None = None
    ) -> Iterator[DecodeResult]:
        """See :class:`~seamless_server.engine.api.Engine`."""
        for request in requests:
            with self.turn("decode", caller):
                result = self._decode(request)
            yield result

    def units(
        self, requests: Sequence[UnitsRequest], caller: Caller | None = None
    ) -> Iterator[UnitsResult]:
        """See :class:`~seamless_server.engine.api.Engine`."""
        for request in requests:
            with self.turn("units", caller):
                (result,) = self.stages.units([request])
            if isinstance(result, SeamlessError):
                raise result
            yield result

    def vocode(
        self, requests: Sequence[VocodeRequest], caller: Caller | None = None
    ) -> Iterator[Samples]:
        """See :class:`~seamless_server.engine.api.Engine`."""
        for request in requests:
            with self.turn("vocode", caller):
                (samples,) = self.stages.vocode([request])
            yield samples

    def speak(
        self, requests: Sequence[SpeakRequest], caller: Caller | None = None
    ) -> Iterator[Samples]:
        """See :class:`~seamless_server.engine.api.Engine`."""
        for request in requests:
            with self.turn("speak", caller):
                (samples,) = self.stages.speak([request])
            yield samples

    def _decode(self, request: DecodeRequest) -> DecodeResult:
        decoder = self.checkpoint.decoder
        memory = decoder.project_source(request.source[None].to(self.device, self.dtype))
        loop = emma_policy(request, self.checkpoint.confidence)
        step = next(loop)
        room = blocks(len(step.tokens) + 1)
        cache = DecoderCache(decoder.config, 1, room, self.device, self.dtype)
        while True:
            result = self._step(step, memory, cache, request.options)
            try:
                step = loop.send(result)
            except StopIteration as stop:
                answer: DecodeResult = stop.value
                return answer

    def _step(
        self, step: Step, memory: SourceMemory, cache: DecoderCache, options: PolicyOptions
    ) -> StepResult:
        decoder = self.checkpoint.decoder
        end = step.position + len(step.tokens)
        if end > decoder.config.max_seq_len:
            raise UsageError(
                f"a sentence grew beyond the model's {decoder.config.max_seq_len} tokens; "
                "lower --max-len-b"
            )
        cache.grow(blocks(end))
        tokens = torch.tensor([list(step.tokens)], device=self.device)
        positions = torch.arange(step.position, end, device=self.device)[None]
        last = torch.tensor([len(step.tokens) - 1], device=self.device)
        features, p_choose = decoder(tokens, memory, positions, cache, end, last)
        return self.choose(step, features[0], p_choose, options)

    def choose(
        self, step: Step, features: Tensor, p_choose: Tensor, options: PolicyOptions
    ) -> StepResult:
        """What a step chose behind features (N, D) of its tokens."""
        if not step.choose:
            return StepResult(Choice(UNK, 0.0, 0.0, 0.0), features)
        best = best_under(self.checkpoint.decoder.logits(features[-1:]), [step.rule])
        (choice,) = choices(best, p_choose, [options])
        return StepResult(choice, features)
