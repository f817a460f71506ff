"""`--compat official` is complete: behaviour and the default options of the official evaluation."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from seamless_server.agents.compat import OFFICIAL_OPTIONS
from seamless_server.cli import app
from seamless_server.evaluation.systems import resolve_system
from seamless_server.streaming import load_model
from seamless_server.streaming.seamless_model import SeamlessModel

RECORDINGS = Path(__file__).parents[1] / "recordings"


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The recorded model where the published one belongs, so that its system files apply."""
    shutil.copytree(RECORDINGS / "checkpoint", tmp_path / "SeamlessStreaming")
    monkeypatch.setenv("SEAMLESS_CHECKPOINT_DIR", str(tmp_path))
    return "SeamlessStreaming"


def test_streams_take_the_official_evaluations_options(published: str) -> None:
    mended = load_model(published, "cpu", "fp32")
    assert isinstance(mended, SeamlessModel)
    assert mended.defaults["block_ngrams"]
    assert mended.defaults["decision_threshold"] == 0.7
    official = load_model(published, "cpu", "fp32", compat="official")
    assert isinstance(official, SeamlessModel)
    assert official.defaults == dict(OFFICIAL_OPTIONS)
    assert not official.defaults["block_ngrams"]
    assert not official.defaults["denormalize"]


@pytest.mark.parametrize("agent", [None, "SeamlessStreamingS2TVADAgent"])
def test_evaluation_takes_them_whatever_the_model_says(agent: str | None) -> None:
    def options(**given: str) -> dict[str, str | bool]:
        system = resolve_system(
            "s2tt",
            model="SeamlessStreaming-mini",
            agent_class=agent and f"seamless_server.agents.pipelines.{agent}",
            options=given,
            device="cpu",
            dtype="fp32",
            segment_ms=320,
        )
        return dict(system.spec.options)

    assert options()["decision_threshold"] == "0.85"
    official = options(compat="official")
    assert official["decision_threshold"] == "0.5"
    assert official["min_starting_wait_w2vbert"] == "192"
    assert "block_ngrams" not in official
    assert options(compat="official", decision_threshold="0.7")["decision_threshold"] == "0.7"


def test_evaluate_says_which_behaviour_it_runs(published: str, tmp_path: Path) -> None:
    data = tmp_path / "data.tsv"
    data.write_text(f"audio\ttgt_text\n{RECORDINGS / 'audio/very_short.flac'}\tya\n")
    command = ["evaluate", "--task", "s2tt", "--data", str(data), "--tgt-lang", "spa"]
    command += ["--model", published, "--device", "cpu", "--no-strip-silence", "--output"]
    done = CliRunner().invoke(app, [*command, str(tmp_path / "a")])
    assert done.exit_code == 0, done.output
    assert "defects of the official ones mended" in done.stderr
    assert "to repeat published figures" in done.stderr
    assert "add --compat official" in done.stderr
    done = CliRunner().invoke(app, [*command, str(tmp_path / "b"), "--compat", "official"])
    assert "Behaviour: official, with its quirks" in done.stderr
