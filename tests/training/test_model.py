"""The embedded model's folder is what the recipe describes."""

from __future__ import annotations

import json
from pathlib import Path

import soundfile

from seamless_server.checkpoints.loader import read_folder_config, verify_folder
from training import config

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "models" / "SeamlessStreaming-mini"


def test_every_tensor_fits_the_configuration() -> None:
    assert verify_folder(MODEL).problems == []


def test_the_sizes_are_those_of_the_recipe() -> None:
    shipped, published = read_folder_config(MODEL)
    assert not published
    assert shipped.encoder == config.ENCODER
    assert shipped.decoder == config.decoder(shipped.decoder.vocab_size)
    assert shipped.t2u is not None
    assert shipped.t2u == config.t2u(shipped.t2u.char_vocab_size)
    assert shipped.vocoder == config.VOCODER
    assert shipped.speech_langs == config.LANGUAGES


def test_weights_stay_small() -> None:
    files = [*MODEL.rglob("*"), *(ROOT / "training" / "state").rglob("*")]
    assert sum(f.stat().st_size for f in files if f.is_file()) < 40_000_000


def test_phrases_and_clips_are_complete() -> None:
    phrases = json.loads((MODEL / "phrases.json").read_text())
    assert len(phrases) >= 40
    assert all(set(p["translations"]) == {"spa", "fra", "deu"} for p in phrases)
    clips = json.loads((MODEL / "samples" / "samples.json").read_text())
    for clip in clips:
        info = soundfile.info(MODEL / "samples" / clip["file"])
        assert (info.samplerate, info.channels) == (16_000, 1)
        assert clip["text"]
    assert sum(f.stat().st_size for f in (MODEL / "samples").iterdir()) < 1_000_000


def test_the_small_test_set_was_held_out_of_training() -> None:
    lines = (ROOT / "training" / "held_out" / "manifest.tsv").read_text().splitlines()
    header, rows = lines[0].split("\t"), [line.split("\t") for line in lines[1:]]
    assert len(rows) == 40
    for row in rows:
        named = dict(zip(header, row, strict=True))
        assert (ROOT / "training" / "held_out" / named["audio"]).is_file()
        assert all(named[f"text_{lang}"] for lang in config.LANGUAGES)
