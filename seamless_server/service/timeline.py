"""Draws a debug recording as one self-contained page."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import soundfile

_PEAKS_PER_SECOND = 50
_MAX_EMBEDDED_SECONDS = 1_200
"""Audio within the page, all of it together; what is longer is linked."""


def write_timeline(
    folder: Path,
    events: Sequence[Mapping[str, Any]],
    segments: Mapping[int, tuple[float, float]],
) -> Path:
    """Writes `timeline.html` from the files of a recording.

    Args:
        folder: of the recording; holds `heard.wav` and the outputs' files.
        events: as in `events.jsonl`.
        segments: number -> (start, end) in milliseconds of the source.
    """
    budget = float(_MAX_EMBEDDED_SECONDS)
    source, budget = _track(folder / "heard.wav", budget)
    outputs = []
    for event in events:
        entry = dict(event)
        if isinstance(name := entry.get("file"), str):
            track, budget = _track(folder / name, budget)
            entry["track"] = track
        outputs.append(entry)
    data = {
        "name": folder.name,
        "source": source,
        "segments": [
            {"segment": number, "start_ms": start, "end_ms": end}
            for number, (start, end) in sorted(segments.items())
        ],
        "events": outputs,
    }
    template = resources.files(__package__).joinpath("timeline.html").read_text(encoding="utf-8")
    # "<" never appears raw, so no text of a session can close the script element.
    script = orjson.dumps(data, default=str, option=orjson.OPT_SERIALIZE_NUMPY)
    page = template.replace("/*DATA*/null", script.decode().replace("<", "\\u003c"))
    path = folder / "timeline.html"
    try:
        path.write_text(page, encoding="utf-8")
    except OSError:
        path.unlink(missing_ok=True)  # half of a page shows nothing
        raise
    return path


def _track(path: Path, budget: float) -> tuple[dict[str, Any] | None, float]:
    """Peaks and, within the budget of seconds, the sound of a file."""
    if not path.is_file():
        return None, budget
    samples, rate = soundfile.read(path, dtype="float32")
    seconds = len(samples) / rate
    step = rate // _PEAKS_PER_SECOND
    whole = samples[: len(samples) // step * step].reshape(-1, step)
    peaks = np.abs(whole).max(axis=1).round(3) if len(whole) else np.zeros(0)
    track: dict[str, Any] = {"ms": seconds * 1000, "peaks": peaks.tolist(), "src": path.name}
    if seconds <= budget:
        packed = io.BytesIO()
        soundfile.write(packed, samples, rate, format="FLAC")
        track["src"] = "data:audio/flac;base64," + base64.b64encode(packed.getvalue()).decode()
        budget -= seconds
    return track, budget
