"""Unit vocoder: HiFi-GAN generator (arXiv 2010.05646) over units, language and speaker."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor, nn

from seamless_server.nn.config import VocoderConfig
from seamless_server.nn.hifigan import HiFiGAN
from seamless_server.nn.layers import DurationPredictor, durations_from_log, length_mask, upsample


class Vocoder(HiFiGAN):
    """Units of one language and speaker -> waveform, 320 samples a unit."""

    def __init__(self, config: VocoderConfig) -> None:
        super().__init__(config.in_dim, config)
        self.config = config
        self.dict = nn.Embedding(config.num_units, config.unit_embed_dim)
        self.lang = nn.Embedding(config.num_langs, config.lang_embed_dim)
        self.spkr = nn.Embedding(config.num_speakers, config.speaker_embed_dim)
        self.dur_predictor = DurationPredictor(
            config.unit_embed_dim, config.duration_hidden_dim, config.duration_kernel_size
        )

    @cached_property
    def receptive_units(self) -> int:
        """Units to either side of a unit that can change its samples."""
        return self.margins[0]

    def embed(self, units: Tensor, langs: Tensor, speakers: Tensor) -> Tensor:
        """units (B, U), langs and speakers (B,) -> channels [lang | unit | speaker], (B, U, C)."""
        return self._join(self.dict(units), langs, speakers)

    def _join(self, x: Tensor, langs: Tensor, speakers: Tensor) -> Tensor:
        size = x.size(1)
        lang = self.lang(langs)[:, None].expand(-1, size, -1)
        speaker = self.spkr(speakers)[:, None].expand(-1, size, -1)
        return torch.cat([lang, x, speaker], dim=-1)

    def forward(
        self,
        units: Tensor,
        langs: Tensor,
        speakers: Tensor,
        lengths: Tensor | None = None,
        skip: int = 0,
    ) -> Tensor:
        """Synthesize a batch; every item as if it were alone.

        Args:
            units: (B, U) unit ids, padded at the end with any id.
            langs: (B,) rows of the language table.
            speakers: (B,) rows of the speaker table.
            lengths: (B,) unit counts, None when all have U.
            skip: units in front that are only heard by those behind them. Of them no more is
                computed than that takes: most of the work is in the last stages, which look at
                a few units only.

        Returns:
            (B, (U - skip) * samples_per_unit) samples in [-1, 1], zero behind an item's end.
        """
        return self.generate(self.embed(units, langs, speakers), lengths, skip)

    def predict_durations(self, units: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, U) reduced units -> (B, U) frames that each one lasts (at least 1)."""
        mask = None if lengths is None else length_mask(lengths, units.size(1))
        return durations_from_log(self.dur_predictor(self.dict(units), mask), 1.0, mask)

    def forward_with_durations(
        self, units: Tensor, langs: Tensor, speakers: Tensor, lengths: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """As :meth:`forward` for units without repetitions; also returns the durations (B, U)."""
        durations = self.predict_durations(units, lengths)
        totals = durations.sum(1)
        size = int(totals.max())
        x = upsample(self.dict(units), durations, size)
        wave = self.generate(self._join(x, langs, speakers), None if lengths is None else totals)
        return wave, durations
