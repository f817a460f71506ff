"""The one family of errors that this package raises on purpose.

Each has a stable ``code`` for programs and one sentence for people, which says what is wrong and,
where there is one, the way out. Anything else that escapes is a defect of ours.
"""

from __future__ import annotations

import os


class SeamlessError(Exception):
    """Root of the family.

    Args:
        message: one sentence, with everything that its reader needs.
        code: stable name of the error in answers to programs; the class's own by default.
    """

    code: str = "error"
    exit_code: int = 2
    """What the command line ends with."""

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        return self.message


class UsageError(SeamlessError):
    """The request itself makes no sense: contradictory or impossible arguments."""

    code = "usage"


class ConfigError(SeamlessError):
    """A field of a configuration is missing, unknown or impossible."""

    code = "config"

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class LanguageError(SeamlessError):
    """A language is unknown, or not offered for the task."""

    code = "language"


class _FileError(SeamlessError):
    """A file cannot be used; says which and why."""

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        super().__init__(f"{os.fspath(path)}: {reason}")
        self.path = os.fspath(path)
        self.reason = reason


class CheckpointError(_FileError):
    """A checkpoint file is missing, truncated, foreign or unsafe."""

    code = "checkpoint"


class AudioError(_FileError):
    """Audio cannot be read, or holds nothing that can be translated."""

    code = "audio"


class NumericalError(SeamlessError):
    """A computation gave NaN or infinity: what follows from it would be invented.

    Args:
        where: what came out so, as a phrase ("the decoder's logits").
    """

    code = "numerical"

    def __init__(self, where: str) -> None:
        super().__init__(
            f"{where} came out as NaN or infinite, so this stream was ended; others go on"
        )


class Refused(SeamlessError):
    """No stream can be started now; the code says why: `server_locked`, `restarting`."""


class NoPlaceError(Refused):
    """As many streams run as can."""

    code = "max_speakers"

    def __init__(self) -> None:
        super().__init__("Every stream of this server is in use.")


class DependencyError(SeamlessError):
    """A package or program that this request needs is not installed.

    Args:
        name: what is missing.
        needed_for: what asked for it, as a phrase ("evaluation with ASR-BLEU").
        remedy: the command that installs it.
    """

    code = "dependency"

    def __init__(self, name: str, needed_for: str, remedy: str) -> None:
        super().__init__(f"{name} is not installed, which {needed_for} needs: run `{remedy}`")
        self.name = name
        self.needed_for = needed_for
        self.remedy = remedy


SIMULEVAL_VERSION = "1.1.4"
SIMULEVAL_REMEDY = f"pip install --no-deps simuleval=={SIMULEVAL_VERSION}"


def require_simuleval() -> None:
    """Raise `DependencyError` with the right command if SimulEval is absent.

    A plain ``pip install simuleval`` fails on current Pythons, see docs/installation.md.
    """
    from importlib.util import find_spec

    if find_spec("simuleval") is None:
        raise DependencyError("simuleval", "every streaming agent", SIMULEVAL_REMEDY)


_EVALUATION = (
    "sacrebleu", "jiwer", "whisper_normalizer", "pandas", "textgrid", "tornado", "requests", "tqdm",
    "jinja2", "matplotlib",
)  # fmt: skip


def require_evaluation() -> None:
    """Raise `DependencyError` with the right command if a library that only scores is absent.

    They come with an extra of their own: a server needs none of them.
    """
    from importlib.util import find_spec

    absent = next((name for name in _EVALUATION if find_spec(name) is None), None)
    if absent is not None:
        remedy = "pip install 'seamless-server[evaluation]'"
        raise DependencyError(absent, "evaluation", remedy)
