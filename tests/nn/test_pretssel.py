"""The expressive voice against the recordings, and batches against single runs."""

from __future__ import annotations

from copy import deepcopy
from functools import lru_cache
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from seamless_server.checkpoints.pretssel import load_voice
from seamless_server.nn.pretssel import Pretssel, runs_of
from tests.recorded import RECORDINGS, TOLERANCE, details, difference, tensors, watched

RATES = {"24khz": "pretssel_melhifigan_wm.pt", "16khz": "pretssel_melhifigan_wm-16khz.pt"}
EDGES = ["long_runs", "one_unit_one_frame", "silence", "two_frames"]


@lru_cache
def voice(rate: str) -> Pretssel:
    """The recorded voice of a rate."""
    return load_voice(RECORDINGS / "expressive" / rate / RATES[rate])


def recorded(rate: str, name: str) -> tuple[dict[str, Tensor], Any]:
    """Tensors and details of a recording."""
    path = f"../expressive/{rate}/{name}"
    return tensors(path), details(path)


def row(network: Pretssel, lang: str) -> Tensor:
    """The language's row, as a batch of one."""
    return torch.tensor([network.config.langs.index(lang)])


def taps_of(network: Pretssel) -> dict[str, tuple[nn.Module, str]]:
    """Every recorded stage, and the module that it goes into or comes out of."""
    prosody, acoustic, vocoder = network.prosody, network.acoustic, network.vocoder
    variance = acoustic.variance_adaptor
    first: Any = prosody.blocks[1]
    outs: dict[str, nn.Module] = {
        **{f"prosody.block{i}": block for i, block in enumerate(prosody.blocks)},
        "prosody.block1.tdnn1": first.tdnn1,
        "prosody.block1.res2net": first.res2net_block,
        "prosody.block1.tdnn2": first.tdnn2,
        "prosody.block1.se": first.se_block,
        "prosody.mfa": prosody.mfa,
        "prosody.asp.tdnn": prosody.asp.tdnn,
        "prosody.asp.conv": prosody.asp.conv,
        "prosody.asp": prosody.asp,
        "prosody.asp_norm": prosody.asp_norm,
        "prosody.fc": prosody.fc,
        "prosody": prosody,
        "token_embed": acoustic.embed_unit,
        "pitch_predictor.film": variance.pitch_predictor.film,
        "pitch_out": variance.pitch_predictor.proj,
        "vuv_out": variance.vuv_predictor.proj,
        "energy_out": variance.energy_predictor.proj,
        "pitch_embed": variance.embed_pitch,
        "energy_embed": variance.embed_energy,
        "mel_before_postnet": acoustic.final_proj,
        "conv_pre": vocoder.conv_pre,
        **{f"ups{i}": up for i, up in enumerate(vocoder.ups)},
        **{f"ups0.resblock{i}": block for i, block in enumerate(vocoder.resblocks[:3])},
        "skip": vocoder.conv_post,
    }
    for part, layers in (
        ("encoder", acoustic.encoder_layers),
        ("decoder", acoustic.decoder_layers),
    ):
        for i, layer in enumerate(layers):
            outs[f"{part}.layer{i}"] = layer
        one: Any = layers[0]
        outs[f"{part}.layer0.self_attn"] = one.self_attn
        outs[f"{part}.layer0.conv1d"] = one.conv1d
        outs[f"{part}.layer0.conv1d_layer_norm"] = one.conv1d_layer_norm
    return {
        **{name: (module, "out") for name, module in outs.items()},
        "encoder_frontend": (acoustic.encoder_layers[0], "in"),
        "decoder_frontend": (acoustic.decoder_layers[0], "in"),
        # What goes into a convolution of the postnet is what the activation before it gave.
        **{f"postnet{i - 1}": (acoustic.postnet[i], "in") for i in range(1, 5)},
        "mel_denormalized": (vocoder, "in"),
        "hifigan_input": (vocoder.conv_pre, "in"),
    }


@pytest.mark.parametrize("name", ["stages_a", "stages_b"])
@pytest.mark.parametrize("rate", RATES)
@torch.inference_mode()
def test_every_stage_equals_the_recording(
    rate: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A stage that is computed in pieces has no single output to compare.
    monkeypatch.setattr("seamless_server.nn.hifigan.PIECE", 10**6)
    network = voice(rate)
    wanted, info = recorded(rate, name)
    ids, lasting = runs_of(wanted["units"].tolist())
    assert (ids, lasting) == (wanted["unit_ids"].tolist(), wanted["durations"].tolist())
    assert difference(network.normalised(wanted["fbank"]), wanted["fbank_norm"]) < TOLERANCE
    mark: Any = network.vocoder.watermark
    with watched(taps_of(network)) as seen:
        handles = [
            layer.register_forward_hook(
                lambda _, __, out, name=f"wm{i}": seen.__setitem__(name, out[0].clone())
            )
            for i, layer in enumerate(mark.layers)
        ]
        (wave,) = network(
            [wanted["units"].tolist()], row(network, info["tgt_lang"]), [wanted["fbank"]]
        )
        for handle in handles:
            handle.remove()
    assert difference(wave, wanted["waveform"].flatten()) < TOLERANCE
    seen["wm_out"] = seen["wm31"]
    compared = 0
    for stage in wanted.keys() & seen.keys():
        # (N, 1) and (N), (1, S) and (1, 1, S) are the same here.
        got = seen[stage].reshape(wanted[stage].shape)
        assert difference(got, wanted[stage]) < TOLERANCE, stage
        compared += 1
    assert compared >= (55 if name == "stages_a" else 4)


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("rate", RATES)
@torch.inference_mode()
def test_short_silent_and_slow_speech_equals_the_recording(rate: str, edge: str) -> None:
    network = voice(rate)
    wanted, info = recorded(rate, "edges")
    assert sorted(k for k, v in info.items() if "tgt_lang" in v) == EDGES
    at = {k.removeprefix(f"{edge}."): v for k, v in wanted.items() if k.startswith(f"{edge}.")}
    langs = row(network, info[edge]["tgt_lang"])
    assert difference(network.listen(at["fbank"][None]), at["prosody"]) < TOLERANCE
    (wave,) = network([at["units"].tolist()], langs, [at["fbank"]])
    assert difference(wave, at["waveform"].flatten()) < TOLERANCE
    # The same in pieces: long runs are longer than one.
    assert len(wave) == len(at["units"]) * network.config.samples_per_unit


@pytest.mark.parametrize("rate", RATES)
@torch.inference_mode()
def test_the_official_padded_batch_equals_the_recording(rate: str) -> None:
    network = voice(rate)
    wanted, info = recorded(rate, "offline")
    langs = row(network, info["tgt_lang"]).expand(2)
    frames = [wanted["fbank_norm_a"], wanted["fbank_norm_b"]]
    # The offline generator ends every item with </s>, which lasts no time.
    runs = [runs_of(wanted[f"units_{x}"].tolist()) for x in "ab"]
    ids = pad_sequence([torch.tensor([*x, 2]) for x, _ in runs], batch_first=True)
    lasting = pad_sequence([torch.tensor([*x, 0]) for _, x in runs], batch_first=True)
    lengths = torch.tensor([len(x) + 1 for x, _ in runs])
    heard = torch.tensor([len(x) for x in frames])

    alone, _ = network.speak(ids[:1], lasting[:1], langs[:1], network.prosody(frames[0][None]))
    assert difference(alone, wanted["single_a.wav0"][0]) < TOLERANCE

    prosody = network.prosody(pad_sequence(frames, batch_first=True), heard, official_padding=True)
    waves, samples = network.speak(ids, lasting, langs, prosody, lengths, official_padding=True)
    for i, wave in enumerate(waves):
        assert difference(wave[: samples[i]], wanted[f"batch.wav{i}"].flatten()) < TOLERANCE


@pytest.mark.parametrize("rate", RATES)
def test_a_batch_equals_the_single_runs(rate: str) -> None:
    # Layer norms of two channels are all but a sign, which rounding may turn.
    network = deepcopy(voice(rate)).double()

    @settings(max_examples=8)
    @given(
        st.lists(
            st.tuples(
                st.lists(st.integers(0, 99), min_size=1, max_size=60),
                st.integers(0, 5),
                st.integers(1, 90),
            ),
            min_size=2,
            max_size=3,
        ),
        st.integers(0, 2**16),
    )
    @torch.inference_mode()
    def check(items: list[tuple[list[int], int, int]], seed: int) -> None:
        random = torch.Generator().manual_seed(seed)
        units = [x for x, _, _ in items]
        langs = torch.tensor([x for _, x, _ in items])
        frames = [10 + 4 * torch.randn(x, 80, generator=random).double() for _, _, x in items]
        for i, wave in enumerate(network(units, langs, frames)):
            (single,) = network(units[i : i + 1], langs[i : i + 1], frames[i : i + 1])
            assert len(single) == len(units[i]) * network.config.samples_per_unit
            assert difference(wave, single) < TOLERANCE

    check()


@torch.inference_mode()
def test_language_and_speaker_are_heard_and_too_much_is_refused() -> None:
    network = voice("24khz")
    wanted, _ = recorded("24khz", "stages_a")
    units, frames = wanted["units"].tolist(), wanted["fbank"]
    spanish, english, other = network(
        [units] * 3, torch.tensor([5, 2, 5]), [frames, frames, frames.flip(0) * 0.7]
    )
    assert difference(spanish, english) > 0.1
    assert difference(spanish, other) > 0.1
    with pytest.raises(ValueError, match="10000"):
        network([[7] * (network.config.max_units + 1)], torch.tensor([5]), [frames])
