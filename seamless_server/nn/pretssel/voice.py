"""The whole expressive voice."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from seamless_server.nn.pretssel.acoustic import AcousticModel
from seamless_server.nn.pretssel.mel_vocoder import MelVocoder
from seamless_server.nn.pretssel.prosody import ProsodyEncoder
from seamless_server.nn.pretssel.sizes import CONTROL, FRAMES_PER_UNIT, PretsselConfig


def runs_of(units: Sequence[int]) -> tuple[list[int], list[int]]:
    """Units -> rows of the unit table without repetitions, and the mel frames of each."""
    runs = [(unit, len(list(run))) for unit, run in groupby(units)]
    return [unit + CONTROL for unit, _ in runs], [FRAMES_PER_UNIT * n for _, n in runs]


class Pretssel(nn.Module):
    """Units and somebody's mel frames -> speech in that voice."""

    gcmvn_mean: Tensor
    gcmvn_std: Tensor

    def __init__(self, config: PretsselConfig) -> None:
        super().__init__()
        self.config = config
        mel = config.prosody.mel_dim
        self.register_buffer("gcmvn_mean", torch.zeros(mel))
        self.register_buffer("gcmvn_std", torch.ones(mel))
        self.prosody = ProsodyEncoder(config.prosody)
        self.embed_lang = nn.Embedding(len(config.langs), config.lang_embed_dim)
        self.acoustic = AcousticModel(config.acoustic)
        self.vocoder = MelVocoder(config.vocoder)

    def listen(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Prosody and voice of somebody: (B, T, mel) -> (B, E), every item as if it were alone.

        frames are log mel energies of 16-bit samples, not normalised; lengths (B,) count them,
        None when all items have T.
        """
        y: Tensor = self.prosody(self.normalised(frames), lengths)
        return y

    def normalised(self, frames: Tensor) -> Tensor:
        """Frames of mean 0 and deviation 1."""
        return (frames - self.gcmvn_mean) / self.gcmvn_std

    def speak(
        self,
        ids: Tensor,
        durations: Tensor,
        langs: Tensor,
        prosody: Tensor,
        lengths: Tensor | None = None,
        official_padding: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """Speech of one language each; every item as if it were alone.

        Args:
            ids: (B, N) rows of the unit table, padded at the end; see :func:`runs_of`.
            durations: (B, N) mel frames of each, 0 where padded.
            langs: (B,) rows of the language table.
            prosody: (B, E), see :meth:`listen`.
            lengths: (B,) unit counts, None when no item is padded, neither in units nor in frames.
            official_padding: let the padding shape the end of shorter items, as it does in batches
                of the official code.

        Returns:
            Samples (B, S) and how many of them are real (B,).

        Raises:
            ValueError: longer speech than the network can position.
        """
        cond = torch.cat([prosody, self.embed_lang(langs)], dim=-1)
        mel, frames = self.acoustic(ids, durations, cond, lengths, official_padding)
        mel = mel * self.gcmvn_std + self.gcmvn_mean
        wave: Tensor = self.vocoder(mel, None if lengths is None else frames)
        return wave, frames * self.config.vocoder.samples_per_frame

    def forward(
        self, units: Sequence[Sequence[int]], langs: Tensor, frames: Sequence[Tensor]
    ) -> list[Tensor]:
        """Speak some units for some people, in one batch.

        Args:
            units: at least one unit each.
            langs: (B,) rows of the language table.
            frames: (T, mel) each, see :meth:`listen`; at least one frame.

        Returns:
            Samples (S,) of each.
        """
        runs = [runs_of(x) for x in units]
        device = self.embed_lang.weight.device
        ids = _padded([ids for ids, _ in runs], device)
        durations = _padded([lasting for _, lasting in runs], device)
        lengths = torch.tensor([len(ids) for ids, _ in runs], device=device)
        heard = torch.tensor([len(x) for x in frames], device=device)
        several = len(runs) > 1
        prosody = self.listen(pad_sequence(list(frames), True), heard if several else None)
        waves, samples = self.speak(ids, durations, langs, prosody, lengths if several else None)
        return [wave[:count] for wave, count in zip(waves, samples.tolist(), strict=True)]


def _padded(rows: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    return pad_sequence([torch.tensor(list(x)) for x in rows], batch_first=True).to(device)
