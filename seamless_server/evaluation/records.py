"""What a run leaves of each sentence: lines of ``instances.log``, in SimulEval's format and more.

The keys that SimulEval reads have its meaning (delays and ``elapsed`` in the unit of the run);
ours beside them keep what is needed to count in another unit or draw a timeline later.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seamless_server.evaluation.units import Fragment

LOG_NAME = "instances.log"


@dataclass(slots=True)
class Record:
    """One evaluated sentence. Times are milliseconds from the start of its (stripped) audio."""

    index: int
    id: str
    audio: str
    tgt_lang: str
    reference: str
    prediction: str
    """The translation: text, or the path of a WAV file relative to the run's folder."""
    source_ms: float
    trimmed_ms: float
    delays: list[float]
    """Source read when each unit (text) or chunk (speech) was written."""
    elapsed: list[float]
    """SimulEval's computation-aware delays: `delays` plus all computing so far."""
    available: list[float]
    """When each would have come out with the source arriving in real time."""
    steps: list[tuple[float, float]]
    """Every step of the agent: source read by then, and how long it computed."""
    fragments: list[Fragment] = field(default_factory=list)
    """Text as the agent wrote it; empty for speech."""
    units: list[str] = field(default_factory=list)
    """The text that each of `delays` belongs to; empty for speech."""
    durations: list[float] | None = None
    """Lengths of the chunks for speech, `None` for text."""
    intervals: list[tuple[float, float]] | None = None
    """When each chunk of speech is heard, CU: start and length."""
    prediction_ms: float = 0.0
    """Length of the translated speech, with the pauses in it."""
    src_text: str = ""
    """What was said, if the manifest tells."""

    @property
    def computing_ms(self) -> float:
        """Time that the agent computed."""
        return sum(step[1] for step in self.steps)

    def to_json(self) -> str:
        """One line of the log."""
        info: dict[str, Any] = {
            "index": self.index,
            "prediction": self.prediction,
            "delays": self.delays,
            "elapsed": self.elapsed,
            "prediction_length": len(self.units),
            "reference": self.reference,
            "source": [self.audio, "samplerate: 16000"],
            "source_length": self.source_ms,
        }
        if self.durations is None:
            info["prediction_spm"] = self.units
        else:
            info |= {
                "source": self.audio,
                "durations": self.durations,
                "intervals": self.intervals,
                "prediction_offset": self.delays[0] if self.delays else self.source_ms,
                "prediction_length": self.prediction_ms / 1000.0,
            }
        info |= {
            "id": self.id,
            "tgt_lang": self.tgt_lang,
            "trimmed_ms": self.trimmed_ms,
            "available": self.available,
            "steps": self.steps,
            "fragments": [[f.text, f.delay, f.elapsed, f.available] for f in self.fragments],
        }
        if self.src_text:
            info["src_text"] = self.src_text
        return json.dumps(info, ensure_ascii=False)

    @classmethod
    def from_json(cls, line: str) -> Record:
        """Read back what `to_json` wrote.

        Raises:
            ValueError: it is no such line.
        """
        try:
            info = json.loads(line)
            source = info["source"]
            speech = "durations" in info
            return cls(
                index=info["index"],
                id=info["id"],
                audio=source if isinstance(source, str) else source[0],
                tgt_lang=info["tgt_lang"],
                reference=info["reference"],
                prediction=info["prediction"],
                source_ms=info["source_length"],
                trimmed_ms=info["trimmed_ms"],
                delays=info["delays"],
                elapsed=info["elapsed"],
                available=info["available"],
                steps=[(read, computing) for read, computing in info["steps"]],
                fragments=[Fragment(*values) for values in info["fragments"]],
                units=info.get("prediction_spm", []),
                durations=info["durations"] if speech else None,
                intervals=[(start, size) for start, size in info["intervals"]] if speech else None,
                prediction_ms=1000.0 * info["prediction_length"] if speech else 0.0,
                src_text=info.get("src_text", ""),
            )
        except (KeyError, TypeError, IndexError) as error:
            raise ValueError(f"not a line of this program's log: {error!r}") from None


class LogWriter:
    """Appends records; each is on disk when `append` returns, from any thread."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._lock = threading.Lock()

    def append(self, record: Record) -> None:
        """Write one line, durably."""
        line = record.to_json() + "\n"
        with self._lock:
            self._file.write(line)
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> LogWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_log(path: Path) -> list[Record]:
    """The records of a log in the order of their indices; none if there is no log.

    What a crash left of a last line is no record.
    """
    if not path.exists():
        return []
    records: dict[int, Record] = {}
    for line in path.read_bytes().split(b"\n")[:-1]:
        record = Record.from_json(line.decode("utf-8"))
        records[record.index] = record
    return [records[index] for index in sorted(records)]


def repair_log(path: Path) -> None:
    """Cut off an incomplete last line, so that appending goes on cleanly."""
    if not path.exists():
        return
    data = path.read_bytes()
    end = data.rfind(b"\n") + 1
    if end < len(data):
        with path.open("r+b") as file:
            file.truncate(end)


def write_log(path: Path, records: Iterable[Record]) -> None:
    """Replace a log as a whole: all of it or nothing."""
    temporary = path.with_suffix(".tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.writelines(record.to_json() + "\n" for record in records)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
