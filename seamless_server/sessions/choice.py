"""Which model to serve when nobody said."""

from __future__ import annotations

from pathlib import Path

from seamless_server.errors import UsageError

PUBLISHED = "SeamlessStreaming"
EMBEDDED = "SeamlessStreaming-mini"


def best_model() -> str:
    """The published checkpoint if it is present, else the embedded model.

    Raises:
        UsageError: neither is there; says what to do.
    """
    for name in (PUBLISHED, EMBEDDED):
        if _is_present(name):
            return name
    raise UsageError(
        "No model is present: run `seamless-server models download SeamlessStreaming`, or name a "
        "folder with a model by --model or SEAMLESS_MODELS.",
        code="no_model",
    )


def _is_present(name: str) -> bool:
    folder = Path(__file__).resolve().parents[2] / "models" / name
    return any(folder.glob("*.safetensors")) or any(folder.glob("*.pt"))
