"""The inline engine: every request is computed at once, alone, in the caller's thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import numpy as np
import torch
from torch import Tensor

from seamless_server.checkpoints.loader import Checkpoint
from seamless_server.checkpoints.tokenizers import UNK, characters_of
from seamless_server.engine.buckets import even_skip, rung
from seamless_server.engine.meter import stage
from seamless_server.engine.policy import Step, StepResult, emma_policy
from seamless_server.engine.requests import (
    DecodeRequest,
    DecodeResult,
    PolicyOptions,
    Samples,
    UnitsRequest,
    UnitsResult,
    VocodeRequest,
)
from seamless_server.engine.threads import cores_for_calls
from seamless_server.errors import LanguageError, UsageError
from seamless_server.nn import DecoderCache, SourceMemory

CACHE_BLOCK = 64
"""Positions by which a decoder cache grows."""


def reduce_p_choose(p_choose: Tensor, options: PolicyOptions) -> Tensor:
    """p_choose (B, L, H, N, P) -> (B,): one number at the last target and source position."""
    last = p_choose[:, options.p_choose_start_layer :, :, -1, -1].flatten(1)
    if options.decision_method == "min":
        return last.amin(1)
    if options.decision_method == "mean":
        return last.mean(1)
    return last.median(1).values


class InlineEngine:
    """Weights on one device; safe to call from several threads."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        weight = checkpoint.decoder.embed.weight
        self.device, self.dtype = weight.device, weight.dtype
        self._turns = threading.BoundedSemaphore(cores_for_calls())

    @contextmanager
    def turn(self, name: str) -> Iterator[None]:
        """One call of a stage; on the CPU as many at a time as there are cores for.

        More would only hinder one another and each need its memory.
        """
        with self._turns if self.device.type == "cpu" else nullcontext(), stage(name):
            yield

    @torch.inference_mode()
    def encode(self, features: Samples) -> Tensor:
        """See :class:`~seamless_server.engine.requests.Engine`."""
        with self.turn("encode"):
            x = torch.from_numpy(np.ascontiguousarray(features)).to(self.device, self.dtype)
            states, _ = self.checkpoint.encoder(x[None])
            out: Tensor = states[0]
            return out

    @torch.inference_mode()
    def decode(self, request: DecodeRequest) -> DecodeResult:
        """See :class:`~seamless_server.engine.requests.Engine`."""
        with self.turn("decode"):
            decoder = self.checkpoint.decoder
            memory = self._project(request.source[None].to(self.device, self.dtype))
            loop = emma_policy(request)
            step = next(loop)
            room = _blocks(len(step.tokens) + CACHE_BLOCK)
            cache = DecoderCache(decoder.config, 1, room, self.device, self.dtype)
            while True:
                result = self._step(step, memory, cache, request.options)
                try:
                    step = loop.send(result)
                except StopIteration as stop:
                    answer: DecodeResult = stop.value
                    return answer

    def _project(self, source: Tensor) -> SourceMemory:
        return self.checkpoint.decoder.project_source(source)

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
        cache.grow(_blocks(end))
        tokens = torch.tensor([list(step.tokens)], device=self.device)
        positions = torch.arange(step.position, end, device=self.device)[None]
        last = torch.tensor([len(step.tokens) - 1], device=self.device)
        features, p_choose = decoder(tokens, memory, positions, cache, end, last)
        return self._choose(step, features[0], p_choose, options)

    def _choose(
        self, step: Step, features: Tensor, p_choose: Tensor, options: PolicyOptions
    ) -> StepResult:
        if not step.choose:
            return StepResult(UNK, 0.0, features)
        logits = self.checkpoint.decoder.logits(features[-1])
        if step.banned:
            logits[list(step.banned)] = -torch.inf
        # One transfer, and so one wait for the device, a step.
        index, prob = torch.stack(
            [logits.argmax().double(), reduce_p_choose(p_choose, options)[0].double()]
        ).tolist()
        return StepResult(int(index), prob, features)

    @torch.inference_mode()
    def units(self, request: UnitsRequest) -> UnitsResult:
        """See :class:`~seamless_server.engine.requests.Engine`."""
        with self.turn("units"):
            model = self.checkpoint
            if model.t2u is None or model.char_tokenizer is None or model.unit_tokenizer is None:
                raise UsageError(f"{model.config.name} has no speech output")
            chars, counts = characters_of(request.ids, model.text_tokenizer, model.char_tokenizer)
            if not chars:
                return UnitsResult([], [])
            states, _, durations = model.t2u.predict_durations(
                request.features[None].to(self.device, self.dtype),
                torch.tensor([chars], device=self.device),
                torch.tensor([counts], device=self.device),
                d_factor=request.d_factor,
            )
            lasting: list[int] = durations[0].tolist()
            if sum(lasting[request.skip :]) < request.at_least:
                return UnitsResult([], lasting)
            states, _ = model.t2u.unit_states(states, durations)
            new = states[0, sum(lasting[: request.skip]) :]
            best = model.t2u.best_units(new, model.unit_tokenizer.allowed(request.any_id))
            return UnitsResult(best.tolist(), lasting)

    @torch.inference_mode()
    def vocode(self, request: VocodeRequest) -> Samples:
        """See :class:`~seamless_server.engine.requests.Engine`."""
        with self.turn("vocode"):
            vocoder, config = self.checkpoint.vocoder, self.checkpoint.config
            if vocoder is None:
                raise UsageError(f"{config.name} has no speech output")
            row = config.vocoder_langs.get(request.lang)
            if row is None:
                raise LanguageError(f"the vocoder of {config.name} has no {request.lang!r}")
            count = len(request.units)
            fill = self._filled(count) - count
            skip = self._skipped(request.skip)
            wave = vocoder(
                torch.tensor([[*request.units, *([0] * fill)]], device=self.device),
                torch.tensor([row], device=self.device),
                torch.tensor([request.speaker], device=self.device),
                torch.tensor([count], device=self.device) if fill else None,
                skip,
            )
            rate = vocoder.config.samples_per_unit
            used = wave[0, (request.skip - skip) * rate : (count - skip) * rate]
            samples: Samples = used.float().cpu().numpy()
            return samples

    def _skipped(self, units: int) -> int:
        vocoder = self.checkpoint.vocoder
        return 0 if vocoder is None else even_skip(units, vocoder.receptive_units)

    def _filled(self, units: int) -> int:
        return rung(units) if self.device.type == "cpu" else units


def _blocks(positions: int) -> int:
    return -(-positions // CACHE_BLOCK) * CACHE_BLOCK
