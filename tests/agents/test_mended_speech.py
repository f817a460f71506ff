"""The default behaviour where it departs from the official one: units and speech."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from simuleval.data.segments import EmptySegment, TextSegment

from seamless_server.agents.base import DecoderOutput
from seamless_server.agents.loading import AgentSystem
from seamless_server.agents.unit_decoder import NARUnitYUnitDecoderAgent
from seamless_server.checkpoints.loader import load_checkpoint
from seamless_server.checkpoints.tokenizers import UnitTokenizer
from seamless_server.engine import InlineEngine, VocodeRequest
from seamless_server.errors import LanguageError
from tests.agents.mending import (
    JOINT,
    PATIENT,
    SPEECH,
    TEXT,
)
from tests.agents.spying import build, run, text_of, wave_of
from tests.recorded import CHECKPOINT, audio, tensors
from tests.streaming.playing import TALKATIVE


def test_a_segment_of_one_token_is_spoken(agent_system: AgentSystem) -> None:
    """Official: it is never spoken (T7)."""
    spoken = {}
    for compat in (None, "official"):
        options = {**PATIENT, "max_len_b": 1, "compat": compat}
        pipeline, engine = build(JOINT, agent_system, **options)
        pushes = run(pipeline, audio("human_short")[:20_000], states=pipeline.build_states())
        assert sum(len(result.tokens) for _, result in engine.decoded) == 1
        spoken[compat] = len(wave_of(pushes))
    assert spoken[None] > 0
    assert spoken["official"] == 0


def spoken_units(system: AgentSystem, sizes: list[int], compat: str | None = None) -> Any:
    """Push a recorded text to the unit decoder, ``sizes`` tokens at a time, then its end.

    Returns what came out of each push, and what the engine answered last in it.
    """
    ids = tensors("t2u")["text0.text_seqs"][0].tolist()[:-1]
    comma = system.checkpoint.text_tokenizer.token_to_index(",")
    decoder = system.checkpoint.decoder
    memory = decoder.project_source(tensors("decoder")["e150.encoder_output"])
    pipeline, engine = build(SPEECH, system, **{**PATIENT, "min_unit_chunk_size": 1}, compat=compat)
    agent = next(x for x in pipeline.module_list if isinstance(x, NARUnitYUnitDecoderAgent))
    states = agent.build_states()
    outs, answers, end = [], [], 2
    for size in sizes:
        start, end = end, min(end + size, len(ids))
        text = [*ids[:end], comma]
        with torch.inference_mode():
            features, _ = decoder(torch.tensor([text]), memory)
        pieces = [system.checkpoint.text_tokenizer.index_to_token(i) for i in ids[start:end]]
        segment = TextSegment(content=DecoderOutput(pieces, text, features[0]), tgt_lang="eng")
        outs.append(agent.pushpop(segment, states))
        answers.append(engine.spoken[-1][1])
    outs.append(agent.pushpop(EmptySegment(finished=True), states))
    return [list(x.content or []) for x in outs], answers


def test_nothing_is_repeated_at_the_end(agent_system: AgentSystem) -> None:
    """Official: when a source ends without new words, its last character is spoken again (T7)."""
    outs, _ = spoken_units(agent_system, [8, 9])
    assert all(outs[:-1])
    assert outs[-1] == []
    official, _ = spoken_units(agent_system, [8, 9], "official")
    assert [len(x) for x in official[:-1]] == [len(x) for x in outs[:-1]]
    assert official[-1]


@pytest.mark.parametrize("sizes", [[8, 9, 9], [2] * 13, [26], [25, 1], [3, 20, 3]])
def test_every_character_is_spoken_once(agent_system: AgentSystem, sizes: list[int]) -> None:
    """Pieces follow each other through the text; only the comma behind a piece is replaced."""
    offset = UnitTokenizer.OFFSET
    outs, answers = spoken_units(agent_system, sizes)
    done = 0
    for out, answer in zip(outs[:-1], answers, strict=True):
        if out:
            assert [unit + offset for unit in out] == answer.ids
            assert len(out) == sum(answer.durations[done:])
            done = len(answer.durations) - 1
    # With one token alone nothing is said before the next one comes.
    assert sum(map(bool, outs)) == len(sizes)
    assert outs[-1] == []


def test_odd_units_never_crash() -> None:
    """Official: control symbols and languages among the units crash the vocoder (T8)."""
    checkpoint = load_checkpoint(CHECKPOINT)
    assert checkpoint.t2u is not None
    with torch.no_grad():
        rows = checkpoint.t2u.final_proj.weight
        # For any state one of these is the best of all ids: no unit ever wins.
        rows[104:123] = torch.randn(19, 64, generator=torch.Generator().manual_seed(1)) * 50
        rows[0:4] = rows[104:108] * -1
    system = AgentSystem(checkpoint, InlineEngine(checkpoint))
    pipeline, engine = build(SPEECH, system, **PATIENT)
    pushes = run(pipeline, audio("human_short"), states=pipeline.build_states())
    units = [unit for request in engine.vocoded for unit in request.units]
    assert len(wave_of(pushes)) > 0
    assert units
    assert all(0 <= unit < 100 for unit in units)
    official, _ = build(SPEECH, system, **PATIENT, compat="official")
    with pytest.raises(IndexError):
        run(official, audio("human_short"), states=official.build_states())


def test_languages_without_a_voice_are_refused_clearly(agent_system: AgentSystem) -> None:
    """Official: kan and tam have units but no voice, and raise a KeyError (V1)."""
    config = agent_system.checkpoint.config
    assert {"kan", "tam"} <= set(config.unit_langs)
    assert not {"kan", "tam"} & set(config.speech_langs)
    for lang in ("kan", "tam"):
        pipeline, _ = build(SPEECH, agent_system, **PATIENT)
        with pytest.raises(LanguageError, match=f"'{lang}'"):
            run(pipeline, audio("human_short"), states=pipeline.build_states(), lang=lang)
        # As text they are offered.
        pipeline, _ = build(TEXT, agent_system, **PATIENT)
        pushes = run(pipeline, audio("human_short"), states=pipeline.build_states(), lang=lang)
        assert text_of(pushes).strip()
    with pytest.raises(LanguageError, match="'xxx' is not a target language"):
        build(TEXT, agent_system, **PATIENT, tgt_lang="xxx")


@pytest.mark.parametrize("name", ["human_short", "espeak", "silence"])
def test_pieces_of_speech_join_without_a_seam(agent_system: AgentSystem, name: str) -> None:
    """Official: every piece is synthesized without its neighbours (V3)."""
    options = {**TALKATIVE, "no_early_stop": True, "max_len_b": 200}
    speaker = agent_system.checkpoint.config.vocoder_speakers["spa"][0]

    pipeline, _ = build(SPEECH, agent_system, **options)
    pushes = run(pipeline, audio(name), states=pipeline.build_states())
    pieces = [x for push in pushes for x in push if getattr(x, "units", None)]
    borders = np.cumsum([len(x.content) for x in pieces])[:-1].tolist()
    wave, units = wave_of(pushes), [unit for x in pieces for unit in x.units]
    assert len(borders) >= 4
    (whole,) = agent_system.engine.vocode([VocodeRequest(units, "spa", speaker)])
    assert len(wave) == len(whole)
    # A piece knows all that came before it, and two units of what follows: only the units in
    # front of a border (whose future was not known) may differ from the whole.
    free = np.ones(len(wave), bool)
    for border in borders:
        free[max(0, border - 320 * 12) : border + 160] = False
    assert free.mean() > 0.5
    assert np.abs(wave - whole)[free].max() < 1.5e-3
    steps = np.abs(np.diff(wave))
    inside = np.delete(steps, [border - 1 for border in borders]).max()
    assert max(steps[border - 1] for border in borders) <= inside
    # Pieces that know nothing of each other are not that close.
    apart = list(
        agent_system.engine.vocode([VocodeRequest(x.units, "spa", speaker) for x in pieces])
    )
    assert np.abs(np.concatenate(apart) - whole)[free].max() > 0.05
