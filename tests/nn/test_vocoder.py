"""The vocoder against the recordings, and batches against single runs."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seamless_server.checkpoints.loader import Checkpoint
from seamless_server.nn.vocoder import Vocoder
from tests.recorded import TOLERANCE, details, difference, tensors, watched

RECORDED = tensors("vocoder")
UNITS = RECORDED["units"][None]
VOICES = [key for key in RECORDED if ".spk" in key and not key.startswith("batch")]


def vocoder_of(checkpoint: Checkpoint) -> Vocoder:
    """The recorded vocoder."""
    assert checkpoint.vocoder is not None
    return checkpoint.vocoder


def rows(checkpoint: Checkpoint, lang: str, speaker: int) -> tuple[int, int]:
    """Rows of the language and the speaker table; speaker -1 is the language's first."""
    config = checkpoint.config
    if speaker == -1:
        speaker = config.vocoder_speakers[lang][0]
    return config.vocoder_langs[lang], speaker


@pytest.mark.parametrize("name", VOICES)
@torch.inference_mode()
def test_every_voice_equals_the_recording(checkpoint: Checkpoint, name: str) -> None:
    lang, _, speaker = name.partition(".spk")
    lang_row, speaker_row = rows(checkpoint, lang, int(speaker))
    assert lang_row == details("vocoder")["lang_idx"][lang]
    wave = vocoder_of(checkpoint)(UNITS, torch.tensor([lang_row]), torch.tensor([speaker_row]))
    assert wave.size(1) == UNITS.size(1) * 320
    assert difference(wave[0], RECORDED[name]) < TOLERANCE


@torch.inference_mode()
def test_default_speakers_are_the_recorded_ones(checkpoint: Checkpoint) -> None:
    for lang, speaker in details("vocoder")["spkr_used"].items():
        assert rows(checkpoint, lang, -1)[1] == speaker


@torch.inference_mode()
def test_a_batch_of_two_voices_equals_the_recording(checkpoint: Checkpoint) -> None:
    langs, speakers = zip(rows(checkpoint, "eng", -1), rows(checkpoint, "deu", 3), strict=True)
    # The second item was recorded with the units the other way round.
    units = torch.cat([UNITS, UNITS.flip(1)])
    wave = vocoder_of(checkpoint)(units, torch.tensor(langs), torch.tensor(speakers))
    assert difference(wave, RECORDED["batch.eng_deu.spk-1_3"]) < TOLERANCE


@torch.inference_mode()
def test_predicted_durations_and_every_stage_equal_the_recording(checkpoint: Checkpoint) -> None:
    vocoder = vocoder_of(checkpoint)
    taps = {
        "log_durations": (vocoder.dur_predictor, "out"),
        "conv_pre": (vocoder.conv_pre, "out"),
        "ups0": (vocoder.ups[0], "out"),
        "ups1": (vocoder.ups[1], "out"),
        "resblock0": (vocoder.resblocks[0], "out"),
        "conv_post": (vocoder.conv_post, "out"),
    }
    lang, speaker = rows(checkpoint, "fra", -1)
    with watched(taps) as seen:
        wave, durations = vocoder.forward_with_durations(
            UNITS, torch.tensor([lang]), torch.tensor([speaker])
        )
    assert torch.equal(durations, RECORDED["fra.dur.durations"])
    assert difference(wave[0], RECORDED["fra.dur"]) < TOLERANCE
    for stage in taps:
        assert difference(seen[stage], RECORDED[f"fra.dur.{stage}"]) < TOLERANCE, stage


def test_a_padded_batch_equals_the_single_runs(checkpoint: Checkpoint) -> None:
    vocoder = vocoder_of(checkpoint)

    @given(
        st.lists(
            st.tuples(st.integers(1, 30), st.integers(0, 35), st.integers(0, 199)),
            min_size=2,
            max_size=3,
        ),
        st.booleans(),
        st.integers(0, 2**16),
    )
    @torch.inference_mode()
    def check(items: list[tuple[int, int, int]], reduced: bool, seed: int) -> None:
        sizes, langs, speakers = (torch.tensor(x) for x in zip(*items, strict=True))
        random = torch.Generator().manual_seed(seed)
        units = torch.randint(0, 100, (len(items), int(sizes.max()) + 2), generator=random)
        if reduced:
            waves, durations = vocoder.forward_with_durations(units, langs, speakers, sizes)
        else:
            waves, durations = vocoder(units, langs, speakers, sizes), None
        for i, size in enumerate(sizes.tolist()):
            one = (units[i : i + 1, :size], langs[i : i + 1], speakers[i : i + 1])
            if reduced:
                single, wanted = vocoder.forward_with_durations(*one)
                assert durations is not None
                assert torch.equal(durations[i, :size], wanted[0])
                assert not durations[i, size:].any()
            else:
                single = vocoder(*one)
            assert difference(waves[i, : single.size(1)], single[0]) < 1e-5
            assert not waves[i, single.size(1) :].any()

    check()


@torch.inference_mode()
def test_receptive_units_is_as_far_as_a_unit_is_heard(checkpoint: Checkpoint) -> None:
    """Exactly: what is further away never changes a sample, and the nearest inside it may."""
    vocoder = vocoder_of(checkpoint)
    reach = vocoder.receptive_units
    size = 2 * reach + 3
    units = torch.arange(size)[None] % 100
    lang, speaker = torch.tensor([8]), torch.tensor([10])
    middle = size // 2
    changed = units.clone()
    changed[0, middle] = (changed[0, middle] + 50) % 100
    moved = (vocoder(units, lang, speaker) - vocoder(changed, lang, speaker)).abs()
    heard = moved.reshape(-1, 320).amax(1) > 1e-6
    first, last = int(heard.nonzero().min()), int(heard.nonzero().max())
    assert middle - reach <= first
    assert last <= middle + reach
    assert last - first >= 2
