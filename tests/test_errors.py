"""The family of errors."""

from pathlib import Path

import pytest

from seamless_server import errors


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (errors.UsageError("choose one"), "usage", "choose one"),
        (errors.ConfigError("a.b", "must be positive"), "config", "a.b: must be positive"),
        (errors.CheckpointError("x.pt", "is truncated"), "checkpoint", "x.pt: is truncated"),
        (errors.AudioError("x.wav", "is empty"), "audio", "x.wav: is empty"),
        (errors.LanguageError("unknown"), "language", "unknown"),
        (
            errors.DependencyError("ray", "scaling out", "pip install ray"),
            "dependency",
            "ray is not installed, which scaling out needs: run `pip install ray`",
        ),
        (errors.SeamlessError("full", code="max_speakers"), "max_speakers", "full"),
    ],
)
def test_each_has_a_stable_code_and_one_sentence(
    error: errors.SeamlessError, code: str, message: str
) -> None:
    assert isinstance(error, errors.SeamlessError)
    assert error.code == code
    assert error.message == str(error) == message
    assert error.exit_code == 2


def test_a_path_object_is_named_as_text(tmp_path: Path) -> None:
    error = errors.CheckpointError(tmp_path / "a.pt", "is missing")
    assert error.path == str(tmp_path / "a.pt")
    assert error.message == f"{tmp_path}/a.pt: is missing"


def test_one_error_does_not_change_the_code_of_the_others() -> None:
    errors.UsageError("one", code="special")
    assert errors.UsageError("two").code == "usage"
