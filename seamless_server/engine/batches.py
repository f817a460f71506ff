"""One network call for many requests: pad, run, take apart.

Each result is what its request gives alone.
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
from seamless_server.engine.buckets import MOST_WASTE, even_skip, rung
from seamless_server.engine.graphs import Graphs
from seamless_server.engine.requests import Samples, UnitsRequest, UnitsResult, VocodeRequest
from seamless_server.nn.onednn import even
from seamless_server.nn.ragged import encode_ragged

FEW = 4
"""Requests of one batch that a GPU computes faster than they are launched."""
FRAMES, LONGEST_FRAMES = 32, 1024
"""Lengths of speech in a fixed shape are multiples of a chunk, up to 10 s."""
UNITS, LONGEST_UNITS = 16, 128


class Batches:
    """The stages that are one call each.

    Args:
        static: compute small batches in fixed shapes, as CUDA graphs need them.
    """

    def __init__(self, checkpoint: Checkpoint, static: bool = False) -> None:
        self.checkpoint = checkpoint
        weight = checkpoint.decoder.embed.weight
        self.device, self.dtype = weight.device, weight.dtype
        self._pinning = self.device.type == "cuda"
        self._fixing, self._graphs = static, Graphs(self.device)
        self.padding = static or self.device.type != "cpu"
        """Whether requests of every stage are padded to one length; processors need not."""

    def waste(self, name: str) -> float:
        """Share of a stage's batch that may be padding; 1 where nothing is padded."""
        return 1.0 if self._alone(name) else MOST_WASTE

    def padded(self, name: str, lengths: Sequence[int]) -> int:
        """What is computed for a batch of these lengths, in the same measure."""
        if not self._alone(name):
            return self._size(name, lengths) * len(lengths)
        if name == "vocode":
            return sum(map(rung, lengths))
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
            step = UNITS
        elif self._static(name, lengths):
            step = FRAMES
        return -(-max(lengths) // step) * step

    def _alone(self, name: str) -> bool:
        """Whether a stage computes every request in its own length."""
        return not self.padding and name in ("encode", "vocode")

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

    def units(self, requests: Sequence[UnitsRequest]) -> list[UnitsResult]:
        """Text features -> units and durations."""
        model = self.checkpoint
        assert model.char_tokenizer is not None
        texts = [characters_of(x.ids, model.text_tokenizer, model.char_tokenizer) for x in requests]
        results = [UnitsResult([], []) for _ in requests]
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
    ) -> list[UnitsResult]:
        t2u, tokenizer = self.checkpoint.t2u, self.checkpoint.unit_tokenizer
        assert t2u is not None
        assert tokenizer is not None
        chars = pad_sequence([torch.tensor(c) for c, _ in texts], batch_first=True)
        counts = pad_sequence([torch.tensor(n) for _, n in texts], batch_first=True)
        features = pad_sequence([x.features for x in requests], batch_first=True)
        lengths = self.move(torch.tensor([len(n) for _, n in texts]))
        states, _, durations = t2u.predict_durations(
            features.to(self.device, self.dtype),
            self.move(chars),
            self.move(counts),
            lengths if len(requests) > 1 else None,
            factor,
        )
        lasting = [
            row[: len(text)] for row, (text, _) in zip(durations.tolist(), texts, strict=True)
        ]
        results = [UnitsResult([], x) for x in lasting]
        rows = [
            i
            for i, request in enumerate(requests)
            if sum(lasting[i][request.skip :]) >= request.at_least
        ]
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
            best = t2u.best_units(torch.cat(new), tokenizer.allowed(any_id))
            for (_, i), ids in zip(asked, best.split([len(x) for x in new]), strict=True):
                results[i].ids = ids.tolist()
        return results

    def vocode(self, requests: Sequence[VocodeRequest]) -> list[Samples]:
        """Units -> samples."""
        if not self.padding:
            # Batches are no cheaper here than one after the other, and multiply the shapes.
            return [self._vocode([x], rung(len(x.units)))[0] for x in requests]
        return self._vocode(requests, self._size("vocode", [len(x.units) for x in requests]))

    def _vocode(self, requests: Sequence[VocodeRequest], size: int) -> list[Samples]:
        vocoder, config = self.checkpoint.vocoder, self.checkpoint.config
        assert vocoder is not None
        counts = [len(x.units) for x in requests]
        skip = even_skip(min(x.skip for x in requests), vocoder.receptive_units)
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
