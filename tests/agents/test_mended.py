"""The default behaviour where it departs from the official one: sentences and sessions."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from simuleval.data.segments import EmptySegment, Segment, SpeechSegment

from seamless_server.agents.loading import AgentSystem
from seamless_server.agents.samples import with_lists
from seamless_server.audio.fbank import fbank
from seamless_server.errors import UsageError
from tests.agents.mending import (
    AT_THE_END,
    JOINT,
    JOINT_VAD,
    PATIENT,
    SOUNDS,
    SPEECH,
    TEXT,
    TEXT_VAD,
    cut,
    features_of,
)
from tests.agents.spying import Samples, build, leaves, run, speech, text_of, wave_of
from tests.recorded import audio
from tests.streaming.playing import TALKATIVE


def test_audio_is_fed_exactly_once(agent_system: AgentSystem) -> None:
    """Official: the last 320 ms are fed again at pauses and at the end (S2, S3)."""
    samples = audio("espeak")[:40_123]

    @settings(max_examples=10)
    @given(st.lists(st.integers(1, 9000), min_size=1, max_size=6))
    def check(sizes: list[int]) -> None:
        pipeline, engine = build(TEXT, agent_system, **AT_THE_END)
        states = pipeline.build_states()
        for piece in cut(samples, [x + 50 for x in sizes]):
            pipeline.pushpop(speech(piece), states)
            pipeline.pushpop(EmptySegment(), states)
        pipeline.pushpop(EmptySegment(finished=True), states)
        heard, _ = engine.encoded[-1]
        wanted = features_of(samples)
        assert heard.shape == wanted.shape
        assert np.abs(heard - wanted).max() < 1e-5

    check()


@pytest.mark.parametrize("name", ["human_pauses", "espeak"])
def test_every_segment_is_fed_exactly_once(agent_system: AgentSystem, name: str) -> None:
    """What the VAD keeps is heard once and whole, segment by segment, ends included."""
    samples = audio(name)
    pipeline, engine = build(TEXT_VAD, agent_system, **AT_THE_END)
    run(pipeline, samples, states=pipeline.build_states())
    assert len(engine.decoded) >= 2
    # Every segment is a stretch of the recording that begins at a VAD chunk.
    starts = []
    for request, _ in engine.decoded:
        features = next(f for f, s in engine.encoded if torch.equal(s, request.source))
        for start in range(0, len(samples), 5120):
            first = fbank(samples[start : start + 5120])
            if np.abs(first - features[: len(first)]).max() < 1e-5:
                break
        else:
            pytest.fail("a segment begins within a chunk")
        length = len(features) * 160 + 240
        whole = features_of(samples[start : start + length])
        assert np.abs(features[:-2] - whole[: len(features) - 2]).max() < 1e-5
        starts.append((start, start + length))
    assert all(end <= start + 400 for (_, end), (start, _) in pairwise(starts))


def test_the_end_of_the_stream_closes_the_segment(agent_system: AgentSystem) -> None:
    """Official: the VAD does not look at the end of the stream (S4)."""
    samples = audio("human_short")[:25_600]  # ends within speech
    for options, text in (({}, True), ({"compat": "official"}, False)):
        pipeline, _ = build(JOINT_VAD, agent_system, **PATIENT, **options)
        pushes = run(pipeline, samples, states=pipeline.build_states())
        assert all(out.finished for out in pushes[-1]) == text
        assert bool(text_of(pushes).strip()) == text


def test_partial_chunks_are_kept(agent_system: AgentSystem) -> None:
    """Official: what does not fill a VAD chunk is lost at a reset (S7)."""
    samples = audio("human_pauses")[:150_000]

    def words(pieces: list[Samples]) -> tuple[str, list[int]]:
        pipeline, engine = build(TEXT_VAD, agent_system, **AT_THE_END)
        states = pipeline.build_states()
        outs = [leaves(pipeline.pushpop(speech(piece), states)) for piece in pieces]
        outs.append(leaves(pipeline.pushpop(EmptySegment(finished=True), states)))
        return text_of(outs), [r.source.shape[0] for r, _ in engine.decoded]

    wanted = words(cut(samples, [5120]))
    assert len(wanted[1]) >= 3

    @settings(max_examples=6)
    @given(st.lists(st.integers(160, 5120), min_size=1, max_size=5))
    def check(sizes: list[int]) -> None:
        assert words(cut(samples, sizes)) == wanted

    check()


@pytest.mark.parametrize("agent", [JOINT_VAD, JOINT, TEXT, TEXT_VAD, SPEECH])
@pytest.mark.parametrize("options", [TALKATIVE, PATIENT], ids=["talkative", "patient"])
def test_a_finished_source_always_ends_finished(
    agent_system: AgentSystem, agent: str, options: dict[str, Any]
) -> None:
    """Official: it may never finish, or go deaf after an early stop (S8-S10)."""
    pipeline, engine = build(agent, agent_system, **options)
    states = pipeline.build_states()
    for name in SOUNDS:
        pushes = run(pipeline, audio(name), states=states)
        assert all(out.finished for out in pushes[-1]), name
        for push in pushes[:-1]:
            if "VAD" not in agent:
                assert not any(out.finished for out in push), name
        # The next session on the same states starts from nothing.
        asked = [request for request, _ in engine.decoded]
        if asked:
            assert asked[0].target == []
        engine.clear()


def test_silence_asks_nothing_of_the_engine(agent_system: AgentSystem) -> None:
    """Official: every module runs on every push (S1)."""
    pipeline, engine = build(JOINT_VAD, agent_system, **TALKATIVE)
    run(pipeline, audio("silence"), states=pipeline.build_states())
    assert engine.encoded == []
    assert engine.decoded == []
    pipeline, engine = build(JOINT, agent_system, **TALKATIVE)
    states = pipeline.build_states()
    pipeline.pushpop(speech(audio("human_short")[:20_000]), states)
    engine.clear()
    for _ in range(3):
        pipeline.pushpop(EmptySegment(), states)
    assert (engine.encoded, engine.decoded, engine.spoken, engine.vocoded) == ([], [], [], [])


def test_an_early_stop_begins_a_new_sentence(agent_system: AgentSystem) -> None:
    """Official: a tree with external states goes deaf after an early stop (S9)."""
    written = {}
    for compat in (None, "official"):
        pipeline, engine = build(JOINT_VAD, agent_system, **TALKATIVE, compat=compat)
        pushes = run(pipeline, audio("human_pauses"), states=pipeline.build_states())
        written[compat] = sum(bool(push[0].content) for push in pushes)
    assert written[None] > written["official"]
    pipeline, engine = build(JOINT, agent_system, **TALKATIVE)
    run(pipeline, audio("human_pauses"), states=pipeline.build_states())
    fresh = [i for i, (request, _) in enumerate(engine.decoded) if not request.target]
    sizes = [len(features) for features, _ in engine.encoded]
    assert len(fresh) >= 3
    # A new sentence hears only what came after the one before.
    assert sum(b < a for a, b in pairwise(sizes)) >= 2


@pytest.mark.parametrize("agent", [JOINT_VAD, TEXT])
def test_sessions_are_isolated(agent_system: AgentSystem, agent: str) -> None:
    """Official: languages and decoder state belong to the agents (S12)."""
    plans = [
        ("human_short", 5120, "spa"),
        ("espeak", 4000, "cmn"),
        ("very_short", 800, "deu"),
        ("human_pauses", 7777, None),
    ]
    pieces = [cut(audio(name)[:40_000], [chunk]) for name, chunk, _ in plans]

    def play(pipeline: Any, states: Any, number: int, at: int) -> list[Segment]:
        last = at + 1 == len(pieces[number])
        segment = speech(pieces[number][at], last, plans[number][2])
        return leaves(pipeline.pushpop(segment, states))

    alone = []
    for number in range(len(plans)):
        fresh, _ = build(agent, agent_system, **TALKATIVE, tgt_lang="eng")
        own = fresh.build_states()
        alone.append([play(fresh, own, number, at) for at in range(len(pieces[number]))])
    assert len({text_of(one) for one in alone}) == len(plans)
    pipeline, _ = build(agent, agent_system, **TALKATIVE, tgt_lang="eng")

    @settings(max_examples=6)
    @given(st.permutations([number for number, p in enumerate(pieces) for _ in p]))
    def check(order: list[int]) -> None:
        states = [pipeline.build_states() for _ in plans]
        got: list[list[list[Segment]]] = [[] for _ in plans]
        for number in order:
            got[number].append(play(pipeline, states[number], number, len(got[number])))
        for one, wanted in zip(got, alone, strict=True):
            assert text_of(one) == text_of(wanted)
            assert np.array_equal(wave_of(one), wave_of(wanted))
            assert [[x.finished for x in p] for p in one] == [
                [x.finished for x in p] for p in wanted
            ]

    check()


def test_the_language_belongs_to_the_session(agent_system: AgentSystem) -> None:
    """Official: a session without a language inherits the last one's (S12), or crashes (S11)."""
    pipeline, engine = build(JOINT, agent_system, **TALKATIVE, tgt_lang="deu")
    tag = agent_system.checkpoint.text_tokenizer.lang_index
    for lang, wanted in (("spa", "spa"), (None, "deu"), ("cmn", "cmn"), (None, "deu")):
        engine.clear()
        run(pipeline, audio("human_short"), states=pipeline.build_states(), lang=lang)
        assert engine.decoded
        assert {request.prefix[1] for request, _ in engine.decoded} == {tag(wanted)}
        assert {request.lang for request in engine.vocoded} == {wanted}
    # SimulEval's own default is a type, not a language; it counts as none.
    unset = SpeechSegment(content=audio("human_short"), sample_rate=16_000, finished=True)
    pipeline.pushpop(unset, pipeline.build_states())
    assert engine.decoded[-1][0].prefix[1] == tag("deu")


@pytest.mark.parametrize("agent", [JOINT, JOINT_VAD])
def test_a_switch_of_language_ends_the_sentence_first(
    agent_system: AgentSystem, agent: str
) -> None:
    pipeline, engine = build(agent, agent_system, **PATIENT)
    states = pipeline.build_states()
    tag = agent_system.checkpoint.text_tokenizer.lang_index
    pieces = cut(audio("human_pauses"), [5120])
    outs: list[list[Segment]] = []
    langs: list[set[int]] = []
    for number, piece in enumerate(pieces):
        engine.clear()
        lang = "spa" if number < 6 else "fra"
        outs.append(leaves(pipeline.pushpop(speech(piece, False, lang), states)))
        langs.append({request.prefix[1] for request, _ in engine.decoded})
    # The push that brings the new language first ends the old one's sentence ...
    assert langs[6] == {tag("spa")}
    assert outs[6][0].content.strip()
    assert outs[6][0].tgt_lang == "spa"
    # ... and from then on nothing of the old language follows.
    assert set.union(*langs[7:]) == {tag("fra")}
    assert {x.tgt_lang for push in outs[7:] for x in push if not x.is_empty} == {"fra"}
    # No audio is lost by the switch: the piece that brought it is heard in the new language.
    alone, watched = build(agent, agent_system, **PATIENT)
    own = alone.build_states()
    for piece in pieces[6:]:
        alone.pushpop(speech(piece, False, "fra"), own)
    if agent == JOINT:
        assert len(watched.encoded[-1][0]) == len(engine.encoded[-1][0])


def test_word_boundaries_are_kept(agent_system: AgentSystem) -> None:
    """Official: every output is stripped (S14)."""
    tokenizer = agent_system.checkpoint.text_tokenizer
    options = {**TALKATIVE, "max_consecutive_write": 2, "max_len_b": 200, "no_early_stop": True}
    for name in ("human_pauses", "espeak", "human_short"):
        pipeline, engine = build(TEXT, agent_system, **options)
        pushes = run(pipeline, audio(name), states=pipeline.build_states())
        tokens = [token for _, result in engine.decoded for token in result.tokens]
        pieces = [tokenizer.index_to_token(token) for token in tokens]
        assert sum(bool(push[0].content) for push in pushes) >= 3
        assert text_of(pushes) == "".join(pieces).replace("\u2581", " ")
        assert text_of(pushes).strip() == tokenizer.decode(tokens).strip()
    assert any(push[0].content.startswith(" ") for push in pushes if push[0].content)


def test_lists_and_arrays_are_both_heard(agent_system: AgentSystem) -> None:
    """Official: the VAD wants arrays and the others lists (S6)."""
    for agent in (JOINT_VAD, JOINT, TEXT):
        results = []
        for convert in (np.asarray, np.ndarray.tolist, lambda x: x.astype(np.float64)):
            pipeline, _ = build(agent, agent_system, **TALKATIVE)
            states = pipeline.build_states()
            outs = [
                leaves(pipeline.pushpop(speech(convert(piece), False, "spa"), states))
                for piece in cut(audio("human_short"), [5120])
            ]
            outs.append(leaves(pipeline.pushpop(EmptySegment(finished=True), states)))
            results.append((text_of(outs), wave_of(outs).tolist()))
        assert results[0][0]
        assert results[0] == results[1] == results[2]


@pytest.mark.parametrize(
    "content", [["a"], [[0.0, 0.1]], [float("nan")] * 500, [float("inf")] * 500]
)
def test_audio_that_is_none_is_refused(agent_system: AgentSystem, content: Any) -> None:
    for agent in (JOINT_VAD, JOINT):
        pipeline, _ = build(agent, agent_system, **TALKATIVE)
        with pytest.raises(UsageError, match="audio must"):
            pipeline.pushpop(speech(content, False, "spa"), pipeline.build_states())


def test_the_pipelines_own_session_gives_lists_for_simuleval(agent_system: AgentSystem) -> None:
    """Without external states SimulEval adds the content to a list; both give the same."""
    pipeline, _ = build(SPEECH, agent_system, **PATIENT)
    own = run(pipeline, audio("human_short"))
    given_states = run(pipeline, audio("human_short"), states=pipeline.build_states())
    assert any(isinstance(x.content, list) and x.content for push in own for x in push)
    assert any(isinstance(x.content, np.ndarray) for push in given_states for x in push)
    assert wave_of(own).tolist() == wave_of(given_states).tolist()
    again = run(pipeline, audio("human_short"))
    assert wave_of(again).tolist() == wave_of(own).tolist()
    assert isinstance(with_lists(speech(np.zeros(3, np.float32))).content, list)
