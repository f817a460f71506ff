"""Pieces of the training recipe that need no synthesizer."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from seamless_server.nn.text_decoder import TextDecoder, TextDecoderLayer
from training import confidence, config, emma, features, plots, units
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
        _, shorter, u, d, comma, whole = cut(("eng", text, units, durations), rng)
        assert whole == text
        assert text.startswith(shorter)
        assert len(d) == len(shorter) + comma
        assert len(u) == d.sum()
        seen.add((shorter, comma))
    assert len(seen) > 3


def test_sentences_without_sound_follow_those_with_sound(tmp_path: Path) -> None:
    pairs = [("one", [3, 4, 5]), ("two words", [6, 7]), ("three", [8])]

    def write(name: str, rows: list[tuple[str, list[int]]], **sound: Any) -> None:
        np.savez(
            tmp_path / name,
            units=np.concatenate([u for _, u in rows]),
            lengths=np.array([len(u) for _, u in rows]),
            texts=np.array(json.dumps([text for text, _ in rows])),
            **sound,
        )

    write("eng.npz", pairs[:1], waves=np.zeros(3 * units.HOP, np.int16))
    assert [(t, u.tolist()) for t, u in units.read_units(tmp_path, "eng")] == pairs[:1]

    write("eng.more.npz", pairs[1:])
    assert [(t, u.tolist()) for t, u in units.read_units(tmp_path, "eng")] == pairs


def test_curves_are_drawn_from_logs(tmp_path) -> None:  # type: ignore[no-untyped-def]
    log = tmp_path / "log.jsonl"
    log.write_text('{"step": 1, "loss": 3.0}\n{"step": 2, "loss": 2.0}\n{"step": 2, "loss": 1.5}\n')
    series = plots.read(log)
    assert series == {"loss": [(1, 3.0), (2, 1.5)]}
    picture = plots.chart("loss", series)
    assert picture.startswith("<svg")
    assert "loss" in picture
    assert picture.rstrip().endswith("</svg>")


def written_at(p: torch.Tensor, size: int) -> torch.Tensor:
    """(N, P) probabilities of writing token i after window j, by walking all ways."""
    p = p.clone()
    p[:, size - 1] = 1.0
    before = torch.zeros(p.size(1))
    before[0] = 1.0
    rows = []
    for token in range(p.size(0)):
        now = torch.zeros(p.size(1))
        for start in range(size):
            waiting = before[start]
            for window in range(start, size):
                now[window] += waiting * p[token, window]
                waiting = waiting * (1 - p[token, window])
        rows.append(now)
        before = now
    return torch.stack(rows)


def test_expected_alignment_is_that_of_all_ways_to_read_and_write() -> None:
    torch.manual_seed(2)
    p, lengths = torch.rand(2, 1, 3, 5, 7), torch.tensor([7, 4])
    alpha = emma.expected_alignment(p, lengths)
    for row, size in enumerate(lengths.tolist()):
        for head in range(3):
            torch.testing.assert_close(alpha[row, 0, head], written_at(p[row, 0, head], size))


def test_a_policy_that_waits_is_late_and_certain() -> None:
    p, lengths = torch.zeros(1, 1, 1, 3, 8), torch.tensor([8])
    alpha = emma.expected_alignment(p, lengths)
    real = torch.ones(1, 3, dtype=torch.bool)
    delay, variance = emma.latency_and_variance(alpha, real, lengths)
    assert float(delay) == pytest.approx(1.0)
    assert float(variance) == pytest.approx(0.0, abs=1e-6)
    sooner = emma.expected_alignment(torch.full_like(p, 0.3), lengths)
    less, spread = emma.latency_and_variance(sooner, real, lengths)
    assert float(less) < 0.9
    assert float(spread) > 0.01


def test_a_decoder_that_reads_everything_first_is_the_plain_one() -> None:
    torch.manual_seed(5)
    decoder = TextDecoder(config.decoder(50)).eval()
    source, lengths = torch.randn(2, 9, config.DIM), torch.tensor([9, 6])
    tokens = torch.randint(4, 50, (2, 5))
    with torch.inference_mode():
        for layer in decoder.layers:
            assert isinstance(layer, TextDecoderLayer)
            bias = layer.p_choose_layer.energy_bias
            assert bias is not None
            bias.fill_(-100.0)
        memory = decoder.project_source(source, lengths, last_only=False)
        wanted, _ = decoder(tokens, memory)
        got, alignment = emma.forward(decoder, tokens, memory, lengths)
    torch.testing.assert_close(got, wanted, atol=1e-4, rtol=1e-4)
    assert alignment.shape == (2, 4, 4, 5, 5)
    assert float(alignment[0, ..., 4].min()) == float(alignment[1, ..., 2].min()) == 1.0


def test_expected_attention_sees_only_what_was_read() -> None:
    torch.manual_seed(3)
    energies = torch.randn(1, 1, 2, 6)
    alpha = torch.zeros(1, 1, 2, 6)
    alpha[..., 0, 2] = alpha[..., 1, 5] = 1.0
    beta = emma.infinite_lookback(alpha, energies)
    torch.testing.assert_close(beta[0, 0, 0, :3], energies[0, 0, 0, :3].softmax(-1))
    assert float(beta[0, 0, 0, 3:].abs().max()) == 0.0
    torch.testing.assert_close(beta[0, 0, 1], energies[0, 0, 1].softmax(-1))


def test_the_head_learns_what_came_out_right_and_is_judged_by_segments() -> None:
    torch.manual_seed(1)
    rows, seen = [], []
    for talk in range(80):
        known = talk % 2 == 0
        for _ in range(3):
            seen.append(torch.randn(2 * config.DIM) + (0.3 if known else -0.3))
            row = {"talk": talk, "segment": 0, "kind": "known" if known else "foreign"}
            rows.append({**row, "right": 0.9 if known else 0.0})
    weight = confidence.weights(rows)
    assert float(weight.sum()) == pytest.approx(1)
    head = confidence.fit(torch.stack(seen[:120]), rows[:120], seeds=2)
    found = confidence.judged(head, torch.stack(seen[120:]), rows[120:])
    assert (found["right"], found["others"]) == (20, 20)
    assert found["area"] > 0.95
    assert found["rejected, 95 % kept"] > 0.8
    source, features = torch.randn(7, config.DIM), torch.randn(4, config.DIM)
    torch.testing.assert_close(
        head(source, features),
        head.logit(torch.cat([source.mean(0), features.mean(0)])).sigmoid(),
    )
    assert confidence.rightness("One two three four.", "one two four five") == 0.5
