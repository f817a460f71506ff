"""The stages that are one network call for any number of requests: pad, run, take apart.

Each result is what its request gives alone; the inline engine's batches are of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from seamless_server.checkpoints.loader import Checkpoint
from seamless_server.checkpoints.tokenizers import characters_of
from seamless_server.engine.api import (
    Samples,
    SpeakRequest,
    UnitsRequest,
    UnitsResult,
    VocodeRequest,
)
from seamless_server.errors import LanguageError, NumericalError, SeamlessError, UsageError
from seamless_server.nn.graphs import Graphs
from seamless_server.nn.onednn import even
from seamless_server.nn.ragged import encode_ragged

FEW = 4
"""Requests of one batch that a GPU computes faster than they are launched."""
FRAMES, LONGEST_FRAMES = 32, 1024
"""Lengths of speech in a fixed shape are multiples of a chunk, up to 10 s."""
UNITS, LONGEST_UNITS = 16, 128


MOST_WASTE = 0.15
"""Share of a batch that may be padding."""


def rung(length: int, least: int = 16) -> int:
    """The next of few lengths: the first eight multiples of ``least``, then four to an octave.

    oneDNN makes its kernels anew for each length that it has not seen lately, about a millisecond
    for each of the vocoder's 50 kinds of convolutions: on the CPU few lengths beat no padding.
    """
    step = least
    while length > 8 * step:
        step *= 2
    return max(least, -(-length // step) * step)


def even_skip(units: int, reach: int) -> int:
    """How many of the first units a vocoder leaves out: all that it can look back to, or none, for
    the same reason."""
    return reach if units >= reach else 0


class Stages:
    """Encoder, text to units, and vocoder.

    Args:
        padding: pad the requests of every stage to one length, as GPUs like it; else each is
            computed in its own length where that costs nothing (encoder, vocoder).
        static: compute small batches in fixed shapes, as CUDA graphs need them.
        graphs: record those as graphs, on CUDA.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        padding: bool = True,
        static: bool = False,
        graphs: bool = True,
    ) -> None:
        self.checkpoint = checkpoint
        weight = checkpoint.decoder.embed.weight
        self.device, self.dtype = weight.device, weight.dtype
        self._pinning = self.device.type == "cuda"
        self._fixing, self._graphs = static, Graphs(self.device, graphs)
        self.padding = padding

    def waste(self, name: str) -> float:
        """Share of a stage's batch that may be padding; 1 where nothing is padded."""
        return 1.0 if self._alone(name) else MOST_WASTE

    def padded(self, name: str, lengths: Sequence[int]) -> int:
        """What is computed for a batch of these lengths, in the same measure."""
        if not self._alone(name):
            return self._size(name, lengths) * len(lengths)
        if name == "vocode":
            return sum(map(rung, lengths))
        if name == "speak":
            return sum(lengths)
        stride = self.checkpoint.config.encoder.fbank_stride
        return stride * even(sum(-(-n // stride) for n in lengths))

    def _static(self, name: str, lengths: Sequence[int]) -> bool:
        """Whether a batch is computed in a fixed shape."""
        longest = {"encode": LONGEST_FRAMES, "vocode": LONGEST_UNITS}.get(name, 0)
        return self._fixing and len(lengths) <= FEW and max(lengths) <= longest

    def _size(self, name: str, lengths: Sequence[int]) -> int:
        """What the requests of a batch are padded to."""
        step = 1
        if name == "vocode":
            if self.device.type == "cpu":
                return rung(max(lengths))
            step = UNITS
        elif self._static(name, lengths):
            step = FRAMES
        return -(-max(lengths) // step) * step

    def _alone(self, name: str) -> bool:
        """Whether a stage computes every request in its own length."""
        return not self.padding and name in ("encode", "vocode", "speak")

    def check(self, name: str, request: object) -> None:
        """Refuse what this model has no networks for.

        Raises:
            UsageError: the model has no speech output.
            LanguageError: the vocoder does not speak the language.
        """
        config = self.checkpoint.config
        if name in ("units", "vocode") and self.checkpoint.vocoder is None:
            raise UsageError(f"{config.name} has no speech output")
        if isinstance(request, VocodeRequest) and request.lang not in config.vocoder_langs:
            raise LanguageError(f"the vocoder of {config.name} has no {request.lang!r}")
        if isinstance(request, SpeakRequest):
            voice = self.checkpoint.voice
            if voice is None:
                raise UsageError(f"{config.name} was loaded without an expressive voice")
            if request.lang not in voice.config.langs:
                raise LanguageError(f"the expressive voice has no {request.lang!r}")

    def move(self, tensor: Tensor) -> Tensor:
        """To the device; on CUDA without waiting until it is there."""
        if self._pinning:
            return tensor.pin_memory().to(self.device, non_blocking=True)
        return tensor.to(self.device)

    def encode(self, requests: Sequence[Samples]) -> list[Tensor]:
        """Filterbanks (T, 80) each -> states (S, D) each."""
        if not self.padding:
            # Rows of any number of segments are one product; nothing is padded.
            frames = [torch.from_numpy(x).to(self.dtype) for x in requests]
            return encode_ragged(self.checkpoint.encoder, frames)
        counts = [len(x) for x in requests]
        # Before the padding, so that what is computed for the lengths stays on the host.
        sizes = self.checkpoint.encoder.out_lengths(torch.tensor(counts)).tolist()
        batch = pad_sequence([torch.from_numpy(x) for x in requests], batch_first=True)
        if self._static("encode", counts):
            size = self._size("encode", counts)
            batch = F.pad(batch, (0, 0, 0, size - batch.size(1)))
            inputs = self.move(batch).to(self.dtype), self.move(torch.tensor(counts))
            key = ("encode", len(counts), size)
            out, _ = self._graphs.run(key, self.checkpoint.encoder, *inputs)
        else:
            lengths = self.move(torch.tensor(counts)) if len(set(counts)) > 1 else None
            out, _ = self.checkpoint.encoder(self.move(batch).to(self.dtype), lengths)
        # Copies, so that no states keep those of the whole batch alive.
        return [row[:size].clone() for row, size in zip(out, sizes, strict=True)]

    def units(self, requests: Sequence[UnitsRequest]) -> list[UnitsResult | SeamlessError]:
        """Text features -> units and durations, or what is wrong with them."""
        model = self.checkpoint
        assert model.char_tokenizer is not None
        texts = [characters_of(x.ids, model.text_tokenizer, model.char_tokenizer) for x in requests]
        results: list[UnitsResult | SeamlessError] = [UnitsResult([], []) for _ in requests]
        alive = [i for i, (chars, _) in enumerate(texts) if chars]
        for factor in sorted({requests[i].d_factor for i in alive}):
            rows = [i for i in alive if requests[i].d_factor == factor]
            spoken = self._speak([requests[i] for i in rows], [texts[i] for i in rows], factor)
            for i, result in zip(rows, spoken, strict=True):
                results[i] = result
        return results

    def _speak(
        self,
        requests: Sequence[UnitsRequest],
        texts: Sequence[tuple[list[int], list[int]]],
        factor: float,
    ) -> list[UnitsResult | SeamlessError]:
        t2u, tokenizer = self.checkpoint.t2u, self.checkpoint.unit_tokenizer
        assert t2u is not None
        assert tokenizer is not None
        chars = pad_sequence([torch.tensor(c) for c, _ in texts], batch_first=True)
        counts = pad_sequence([torch.tensor(n) for _, n in texts], batch_first=True)
        features = pad_sequence([x.features for x in requests], batch_first=True)
        lengths = self.move(torch.tensor([len(n) for _, n in texts]))
        states, log_durations, durations = t2u.predict_durations(
            features.to(self.device, self.dtype),
            self.move(chars),
            self.move(counts),
            lengths if len(requests) > 1 else None,
            factor,
        )
        finite = log_durations.isfinite().all(1, keepdim=True)
        lasting: list[list[int]] = []
        results: list[UnitsResult | SeamlessError] = []
        rows = []
        table = torch.cat([finite.long(), durations], 1).tolist()
        for i, (request, (text, _), (sound, *row)) in enumerate(
            zip(requests, texts, table, strict=True)
        ):
            lasting.append(row[: len(text)])
            results.append(UnitsResult([], lasting[i]))
            if not sound:
                results[i] = NumericalError("the durations of the translated speech")
            elif sum(lasting[i]) > t2u.config.max_seq_len:
                results[i] = UnitsResult([], lasting[i], too_long=True)
            elif sum(lasting[i][request.skip :]) >= request.at_least:
                rows.append(i)
        if not rows:
            return results
        if len(rows) < len(requests):
            states, durations = states[rows], durations[rows]
        states, _ = t2u.unit_states(states, durations, padded=len(rows) > 1)
        for any_id in {requests[i].any_id for i in rows}:
            asked = [(row, i) for row, i in enumerate(rows) if requests[i].any_id == any_id]
            new = [
                states[row, sum(lasting[i][: requests[i].skip]) : sum(lasting[i])]
                for row, i in asked
            ]
            best, scores = t2u.best_units(torch.cat(new), tokenizer.allowed(any_id))
            found = torch.stack([scores.isfinite().long(), best], 1)
            for (_, i), part in zip(asked, found.split([len(x) for x in new]), strict=True):
                pairs = part.tolist()
                if all(sound for sound, _ in pairs):
                    results[i] = UnitsResult([unit for _, unit in pairs], lasting[i])
                else:
                    results[i] = NumericalError("the choice of the translated speech's units")
        return results

    def vocode(self, requests: Sequence[VocodeRequest]) -> list[Samples]:
        """Units -> samples."""
        if not self.padding:
            # Batches are no cheaper here than one after the other, and multiply the shapes.
            return [self._vocode([x])[0] for x in requests]
        return self._vocode(requests)

    def speak(self, requests: Sequence[SpeakRequest]) -> list[Samples]:
        """Units and frames of their speakers -> samples."""
        voice = self.checkpoint.voice
        assert voice is not None
        if not self.padding and len(requests) > 1:
            return [self.speak([x])[0] for x in requests]
        frames = [self.move(torch.from_numpy(x.frames)).to(self.dtype) for x in requests]
        langs = self.move(torch.tensor([voice.config.langs.index(x.lang) for x in requests]))
        waves = voice([x.units for x in requests], langs, frames)
        return [wave.float().cpu().numpy() for wave in waves]

    def skipped(self, units: int) -> int:
        """How many of the first units of a batch the vocoder leaves out."""
        vocoder = self.checkpoint.vocoder
        return 0 if vocoder is None else even_skip(units, vocoder.receptive_units)

    def _vocode(self, requests: Sequence[VocodeRequest]) -> list[Samples]:
        vocoder, config = self.checkpoint.vocoder, self.checkpoint.config
        assert vocoder is not None
        counts = [len(x.units) for x in requests]
        size = self._size("vocode", counts)
        skip = self.skipped(min(x.skip for x in requests))
        units = torch.zeros(len(requests), size, dtype=torch.long)
        for row, request in enumerate(requests):
            units[row, : counts[row]] = torch.tensor(list(request.units))
        inputs = (
            self.move(units),
            self.move(torch.tensor([config.vocoder_langs[x.lang] for x in requests])),
            self.move(torch.tensor([x.speaker for x in requests])),
        )
        lengths = self.move(torch.tensor(counts))
        if self._static("vocode", counts):
            key = ("vocode", len(counts), size, skip)
            waves = self._graphs.run(key, partial(vocoder, skip=skip), *inputs, lengths)
        else:
            waves = vocoder(*inputs, lengths if any(n != size for n in counts) else None, skip)
        samples = waves.float().cpu().numpy()
        rate = vocoder.config.samples_per_unit
        return [
            wave[(x.skip - skip) * rate : (n - skip) * rate].copy()
            for wave, x, n in zip(samples, requests, counts, strict=True)
        ]
