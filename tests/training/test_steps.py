"""Pieces of the training recipe that need no synthesizer."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from training import features, plots
from training.alignment import align
from training.forced import forced_alignment, word_ends
from training.train_encoder import ctc
from training.train_t2u import cut


def test_forced_alignment_follows_the_peaks() -> None:
    scores = np.full((9, 4), -8.0)
    scores[:, 0] = -0.1
    for frame, symbol in ((1, 2), (4, 2), (7, 3)):
        scores[frame] = -8.0
        scores[frame, symbol] = -0.1
    assert forced_alignment(scores, [2, 2, 3]).tolist() == [1, 4, 7]
    assert word_ends(scores, [(2, True), (2, False), (3, True)]) == [5, 8]


def test_targets_that_do_not_fit_have_no_alignment() -> None:
    scores = np.zeros((3, 4))
    assert forced_alignment(scores, [1, 1, 2]) is None


def test_characters_find_the_units_that_they_were_made_of() -> None:
    rng = random.Random(4)
    letters = "abcdefgh"
    texts, units, true = [], [], []
    for _ in range(120):
        text = "".join(rng.choice(letters) for _ in range(rng.randint(5, 12)))
        durations = [rng.randint(2, 6) for _ in text]
        # Three units a letter, in no order.
        spoken = [
            3 * letters.index(c) + rng.randrange(3)
            for c, n in zip(text, durations, strict=True)
            for _ in range(n)
        ]
        texts.append(text)
        units.append(np.array(spoken))
        true.append(durations)
    found = align(texts, units, 24)
    errors = [
        abs(int(a) - b)
        for got, wanted, text in zip(found, true, texts, strict=True)
        for i, (a, b) in enumerate(zip(got, wanted, strict=True))
        # Twice the same letter in a row: the border between them cannot be known.
        if text[i] not in (text[i - 1 : i], text[i + 1 : i + 2])
    ]
    assert np.mean(errors) < 0.3
    assert all(sum(d) == len(u) for d, u in zip(found, units, strict=True))


@pytest.mark.parametrize("seed", range(5))
def test_augmented_speech_stays_speech(seed: int) -> None:
    clean = np.random.default_rng(1).normal(-6, 2, (300, 80)).astype(np.float32)
    changed = features.augment(clean.copy(), np.random.default_rng(seed), clean)
    again = features.augment(clean.copy(), np.random.default_rng(seed), clean)
    assert changed.shape[1] == 80
    assert 250 < len(changed) < 350
    assert np.isfinite(changed).all()
    assert changed.min() >= features.FLOOR
    assert np.array_equal(changed, again)
    masked = features.spec_augment(changed.copy(), np.random.default_rng(seed))
    assert masked.shape == changed.shape


def test_ctc_loss_of_silence_is_finite() -> None:
    logits = torch.randn(2, 10, 5, requires_grad=True)
    loss = ctc(logits, torch.tensor([10, 6]), [[], [1, 2]])
    loss.backward()
    assert bool(torch.isfinite(loss))
    assert logits.grad is not None
    assert bool(torch.isfinite(logits.grad).all())


def test_a_cut_text_keeps_its_units() -> None:
    rng = random.Random(2)
    text = "▁one▁two▁three."
    durations = np.arange(1, len(text) + 1)
    units = np.repeat(np.arange(len(text)), durations)
    seen = set()
    for _ in range(60):
        shorter, u, d, comma = cut(text, units, durations, rng)
        assert text.startswith(shorter)
        assert len(d) == len(shorter) + comma
        assert len(u) == d.sum()
        seen.add((shorter, comma))
    assert len(seen) > 3


def test_curves_are_drawn_from_logs(tmp_path) -> None:  # type: ignore[no-untyped-def]
    log = tmp_path / "log.jsonl"
    log.write_text('{"step": 1, "loss": 3.0}\n{"step": 2, "loss": 2.0}\n{"step": 2, "loss": 1.5}\n')
    series = plots.read(log)
    assert series == {"loss": [(1, 3.0), (2, 1.5)]}
    picture = plots.chart("loss", series)
    assert picture.count("<polyline") == 1
    assert picture.endswith("</svg>\n")
