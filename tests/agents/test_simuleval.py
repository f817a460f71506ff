"""The pipelines under SimulEval itself: system folders, options, output_index."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from simuleval.data.segments import SpeechSegment, TextSegment
from simuleval.utils.agent import build_system_from_dir

from seamless_server.agents import pipelines
from seamless_server.agents.loading import AgentSystem
from seamless_server.errors import CheckpointError, ConfigError, UsageError
from tests.agents.spying import build, defaults, leaves, run, speech, text_of, wave_of
from tests.recorded import CHECKPOINT, audio, details, trace_names

MAIN = {
    "agent_class": "seamless_server.agents.pipelines.SeamlessStreamingS2STJointVADAgent",
    "monotonic_decoder_model_name": "seamless_streaming_monotonic_decoder",
    "unity_model_name": "seamless_streaming_unity",
    "vocoder_name": "vocoder_v2",
    "task": "s2st",
    "tgt_lang": "eng",
    "min_unit_chunk_size": 50,
    "min_starting_wait_w2vbert": 192,
    "decision_threshold": 0.7,
    "no_early_stop": True,
    "block_ngrams": True,
    "detokenize_only": True,
    "max_len_a": 0,
    "max_len_b": 60,
    "model": str(CHECKPOINT),
    "device": "cpu",
}
"""As the official ``vad_s2st_sc_main.yaml``, with a class and a model of ours."""


def system_dir(folder: Path, **changes: Any) -> Path:
    """A system folder with the official demo's file, changed."""
    data = {key: value for key, value in {**MAIN, **changes}.items() if value is not None}
    (folder / "vad_s2st_sc_main.yaml").write_text(yaml.safe_dump(data), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    "name",
    [
        "SeamlessStreamingS2TAgent",
        "SeamlessStreamingS2TDetokAgent",
        "SeamlessStreamingS2TVADAgent",
        "SeamlessStreamingS2STAgent",
        "SeamlessStreamingS2STVADAgent",
        "SeamlessStreamingS2STJointAgent",
        "SeamlessStreamingS2STJointVADAgent",
    ],
)
def test_every_pipeline_is_built_from_a_system_folder(tmp_path: Path, name: str) -> None:
    path = f"seamless_server.agents.pipelines.{name}"
    agent = build_system_from_dir(system_dir(tmp_path, agent_class=path), "vad_s2st_sc_main.yaml")
    assert type(agent) is getattr(pipelines, name)
    pushes = run(agent, audio("human_short"))
    assert all(out.finished for out in pushes[-1])
    if "S2ST" in name:
        assert len(wave_of(pushes))
    if "S2T" in name or "Joint" in name:
        assert text_of(pushes).strip()


def test_options_of_the_file_reach_the_agents(tmp_path: Path, agent_system: AgentSystem) -> None:
    folder = system_dir(tmp_path, max_len_b=7, silence_limit_ms=300)
    agent = build_system_from_dir(folder, "vad_s2st_sc_main.yaml")
    options = {k: v for k, v in MAIN.items() if k not in ("agent_class", "model", "device")}
    same, _ = build(
        "SeamlessStreamingS2STJointVADAgent",
        agent_system,
        **{**options, "max_len_b": 7, "silence_limit_ms": 300},
    )
    other, _ = build("SeamlessStreamingS2STJointVADAgent", agent_system, **options)
    texts = [text_of(run(x, audio("human_pauses"))) for x in (agent, same, other)]
    assert texts[0] == texts[1]
    assert texts[0] != texts[2]


def test_official_option_names_and_defaults() -> None:
    """Every option of the recorded official agents exists; what they left alone is the same."""
    for name in trace_names():
        trace = details(f"traces/{name}")
        ours = defaults(trace["agent"])
        given = {*trace["params"], "tgt_lang"}
        speech_only = {
            "min_unit_chunk_size",
            "d_factor",
            "vocoder_name",
            "vocoder_speaker_id",
        }
        for option, value in trace["all_args"].items():
            if option in given or (option in speech_only and option not in ours):
                continue
            if option in ours:
                assert ours[option] == value, f"{trace['agent']} --{option}"


def test_every_official_option_is_known() -> None:
    for name in trace_names():
        trace = details(f"traces/{name}")
        parser = ArgumentParser(conflict_handler="resolve")
        getattr(pipelines, trace["agent"]).add_args(parser)
        known = vars(parser.parse_args([]))
        used = {
            key
            for key in trace["params"]
            if "S2ST" in trace["agent"]
            or key not in ("min_unit_chunk_size", "d_factor", "vocoder_speaker_id")
        }
        assert used <= known.keys()


def test_output_index_chooses_a_leaf(agent_system: AgentSystem) -> None:
    options = {k: v for k, v in MAIN.items() if k not in ("agent_class", "model", "device")}
    name = "SeamlessStreamingS2STJointAgent"
    both, _ = build(name, agent_system, **options, output_index=None)
    whole = run(both, audio("human_short"))
    assert {type(x) for push in whole for x in push if not x.is_empty} >= {TextSegment}
    for index, kind in ((0, TextSegment), (1, SpeechSegment)):
        one, _ = build(name, agent_system, **options, output_index=index)
        states = one.build_states()
        got = []
        for start in range(0, len(audio("human_short")), 5120):
            chunk = audio("human_short")[start : start + 5120]
            last = start + 5120 >= len(audio("human_short"))
            got.append(one.pushpop(speech(chunk, last, "spa"), states))
        assert not any(isinstance(x, list) for x in got)
        assert all(isinstance(x, kind) for x in got if not x.is_empty)
        wanted = [push[index] for push in whole]
        assert text_of([leaves(x) for x in got]) == text_of([[x] for x in wanted])
        assert np.array_equal(wave_of([leaves(x) for x in got]), wave_of([[x] for x in wanted]))


def test_a_missing_model_is_one_sentence(tmp_path: Path) -> None:
    folder = system_dir(tmp_path, model=str(tmp_path / "nowhere"))
    with pytest.raises(CheckpointError, match="nowhere"):
        build_system_from_dir(folder, "vad_s2st_sc_main.yaml")


def test_impossible_options_are_refused(agent_system: AgentSystem) -> None:
    name = "SeamlessStreamingS2STAgent"
    with pytest.raises(UsageError, match="--p-choose-start-layer"):
        build(name, agent_system, p_choose_start_layer=2)
    with pytest.raises(UsageError, match="--vocoder-speaker-id"):
        build(name, agent_system, vocoder_speaker_id=200)
    with pytest.raises(ConfigError, match="compat"):
        build(name, agent_system, compat="unofficial")
