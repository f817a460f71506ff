"""What training hears: sentences joined, silenced and changed; what it must never hear."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from training import conditions, config, data, distil, features, teacher, unlabelled
from training.make_speech import write_shard
from training.speech import engines, kokoro

Shard = tuple[Path, list[Any], list[Any]]


def sentence(word: str) -> dict[str, Any]:
    return {"words": {"eng": [word]}, "needs": {"eng": [1]}, "template": "0"}


@pytest.fixture
def shard(tmp_path: Path) -> Shard:
    """Four utterances with the states of a teacher; the last has no text."""
    rng = np.random.default_rng(3)
    lengths = (81, 40, 122, 63)
    x = [rng.normal(-6, 2, (n, 80)).astype(np.float16) for n in lengths]
    states = [rng.normal(0, 1, (-(-n // 4), teacher.DIM)).astype(np.float16) for n in lengths]
    described = [{"voice": [], "sentences": [sentence(word)]} for word in ("One", "two", "three.")]
    described.append({"voice": [], "sentences": []})
    write_shard(tmp_path / "speech" / "00000.npz", x, described, states)
    return tmp_path / "speech", x, states


def test_joined_sentences_keep_their_words_sound_and_teacher(shard: Shard) -> None:
    folder, x, states = shard
    parts = data.read_shard(data.shards(folder)[0])
    whole = data.joined(parts[:3], [0, 25], 10, 8)
    assert whole.text("eng") == "One two three."
    assert len(whole.features) == len(whole.heard) == 10 + 81 + 40 + 25 + 122 + 8
    assert np.array_equal(whole.features[10:91], x[0])
    assert np.array_equal(whole.features[91:131], x[1])
    assert (whole.features[131:156] == features.FLOOR).all()
    assert (whole.heard[:10] == -1).all()
    assert (whole.heard[131:156] == -1).all()
    assert np.array_equal(whole.states[whole.heard[91 + 20]], states[1][5])


def test_speech_begins_at_once_or_later_and_up_to_five_sentences_follow(shard: Shard) -> None:
    folder, _, _ = shard
    rng = random.Random(5)
    source = data.mixed({folder: 1.0}, rng)
    found = [data.compose(source, rng) for _ in range(400)]
    onsets = [int((u.heard >= 0).argmax()) for u in found]
    assert 0.15 < np.mean([onset == 0 for onset in onsets]) < 0.35
    assert max(onsets) > 45
    counts = {len(u.described["sentences"]) for u in found}
    assert counts == {0, 1, 2, 3, 4, 5}
    assert all(len(u.features) < data.LONGEST + 130 for u in found)


def test_another_pace_keeps_the_teacher_in_step(shard: Shard) -> None:
    folder, _, _ = shard
    utterance = data.read_shard(data.shards(folder)[0])[2]
    for seed in range(8):
        again = data.changed(utterance, np.random.default_rng(seed))
        assert len(again.heard) == len(again.features)
        assert (np.diff(again.heard) >= 0).all()
        assert again.heard[0] == 0
        assert again.heard[-1] >= len(again.states) - 3


def test_levels_reach_from_loud_to_fifty_decibels_below() -> None:
    clean = np.random.default_rng(1).normal(-6, 2, (120, 80)).astype(np.float32)
    levels = [
        4.343 * float(features.loudness(features.augment(clean, np.random.default_rng(seed))) - 0.8)
        for seed in range(200)
    ]
    assert min(levels) < -42
    assert max(levels) > -5
    assert -25 < np.median(levels) < -8


def test_batches_of_several_folders_have_rows_without_a_voice(shard: Shard) -> None:
    folder, _, _ = shard
    sources = data.shares([f"{folder}=0.7", str(folder.parent / "speech")])
    assert list(sources.values()) == [1.0]  # the same folder twice is one
    stream = data.batches({folder: 1.0}, 3, frames=2000, silent=0.3)
    texts = [
        u.text("eng") for _, batch in zip(range(20), stream, strict=False) for u in batch.utterances
    ]
    assert 0.2 < np.mean([not text for text in texts]) < 0.7


def test_distillation_counts_only_frames_that_a_teacher_heard(shard: Shard) -> None:
    folder, _, _ = shard
    parts = data.read_shard(data.shards(folder)[0])
    module = distil.Distillation(teacher.DIM)
    module.measure([folder])
    with torch.no_grad():
        module.map.weight.copy_(torch.eye(teacher.DIM))
        module.map.bias.zero_()
    untaught = data.Utterance(parts[0].features, parts[0].described)
    batch = data.collate([u.features for u in (parts[2], untaught)], [parts[2], untaught])
    frames = batch.features.size(1) // 4
    exact = (torch.from_numpy(parts[2].states).float()[:frames] - module.mean) / module.spread
    x = torch.full((2, frames, teacher.DIM), 7.0)
    x[0] = exact
    assert float(module(x, batch).detach()) == pytest.approx(0.0, abs=1e-6)
    with config.autocast():
        assert float(module(x, batch).detach()) < 1e-3
    x[0, 3] += 1
    assert float(module(x, batch).detach()) == pytest.approx(1 / frames, rel=1e-3)


def test_voices_for_testing_are_never_drawn_for_training() -> None:
    rng = random.Random(1)
    drawn = [engines.draw_voice(rng, "kokoro").name for _ in range(4000)]
    parts = {part.split("*")[0] for name in drawn for part in name.split("+")}
    assert len(parts) == 46
    assert not parts & set(kokoro.HELD_OUT)
    assert sum("+" in name for name in drawn) > 1000
    tested = {engines.draw_voice(rng, "kokoro-held-out").name for _ in range(200)}
    assert tested == set(kokoro.HELD_OUT)
    assert not {engines.draw_voice(rng).engine for _ in range(400)} & set(engines.HELD_OUT)


def test_recordings_for_testing_are_never_read_for_training(tmp_path: Path) -> None:
    for name in ("agent.g722", "more.g722", "number.g722", "digits/a.g722", "letters/zed.g722"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"\0" * 8)
    trained = {p.name for p in unlabelled.prompts(tmp_path)}
    tested = {str(p.relative_to(tmp_path)) for p in unlabelled.prompts(tmp_path, trained=False)}
    assert trained == {"agent.g722", "more.g722"}
    assert tested == {"number.g722", "digits/a.g722", "letters/zed.g722"}


def test_sentences_of_another_world_are_split_too() -> None:
    trained, tested = unlabelled.other_texts(), unlabelled.other_texts(held_out=True)
    assert len(trained) > 300
    assert len(tested) > 50
    assert not set(trained) & set(tested)


def test_kokoro_is_told_its_own_phonemes() -> None:
    said = {"hello": "həlˈoʊ", "I go": "aɪ ɡˈoʊ", "near": "nˈɪə", "table": "tˈeɪbəl"}

    def espeak(text: str, language: str) -> str:
        assert language in ("en-us", "en-gb")
        return said[text]

    assert kokoro.english("hello, I go!", espeak) == "həlˈO, I ɡˈO!"
    assert kokoro.english("table?", espeak) == "tˈAbᵊl?"
    assert kokoro.english("near", espeak, british=True) == "nˈɪə"


def test_noise_is_as_far_below_speech_as_asked() -> None:
    rng = np.random.default_rng(2)
    speech, noise = rng.normal(0, 0.1, 16_000), rng.normal(0, 0.9, 16_000)
    quiet = conditions.at_power(noise, speech, -20)
    assert 10 * np.log10(np.mean(speech**2) / np.mean(quiet**2)) == pytest.approx(20, abs=0.01)
    assert float(np.abs(conditions.at_level(speech, -40)).max()) == pytest.approx(0.01)


def test_shards_without_a_teacher_are_read_as_before(tmp_path: Path) -> None:
    x = [np.zeros((30, 80), np.float16)]
    write_shard(tmp_path / "0.npz", x, [{"voice": [], "sentences": [sentence("Yes.")]}], [])
    (only,) = data.read_shard(tmp_path / "0.npz")
    assert only.states is None
    assert only.text("eng") == "Yes."
    assert json.loads(json.dumps(only.described)) == only.described
