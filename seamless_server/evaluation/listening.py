"""Hearing the translated speech of a run, so that an interruption loses one transcript at most."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from seamless_server.checkpoints.download import sha256
from seamless_server.evaluation import transcribe
from seamless_server.evaluation.provenance import RunFolderError
from seamless_server.evaluation.records import Record, repair_log
from seamless_server.evaluation.runner import RunProgress
from seamless_server.evaluation.transcribe import Transcriber

TRANSCRIPTS_NAME = "transcripts.log"

_Key = tuple[str, str, str]


class Listener:
    """Transcribes the records of one run and keeps every transcript beside its log.

    A transcript is used again only for the same sound (by hash), recogniser and language.

    Args:
        transcriber: the recogniser.
        folder: the run's folder.
        lang: what is spoken.
        on_heard: called after every sentence.
    """

    def __init__(
        self,
        transcriber: Transcriber,
        folder: Path,
        lang: str,
        on_heard: Callable[[RunProgress], None] | None = None,
    ) -> None:
        self._transcriber = transcriber
        self._folder = folder
        self._lang = lang
        self._on_heard = on_heard

    @property
    def signature(self) -> str:
        """What made the transcripts."""
        return transcribe.signature(self._transcriber)

    def __call__(self, records: Sequence[Record]) -> list[str]:
        """Transcripts of the records' speech, ``""`` where there is none.

        Raises:
            RunFolderError: translated speech is gone from the folder.
        """
        log = self._folder / TRANSCRIPTS_NAME
        repair_log(log)
        known = _read(log)
        texts: list[str] = []
        with log.open("a", encoding="utf-8") as file:
            for record in records:
                if not record.prediction:
                    texts.append("")
                else:
                    sound = self._folder / "wavs" / Path(record.prediction).name
                    if not sound.is_file():
                        raise RunFolderError(
                            f"{sound} is gone: translate again with --overwrite, or leave "
                            "ASR-BLEU out with --asr-model none"
                        )
                    key = (sha256(sound), self.signature, self._lang)
                    if key not in known:
                        known[key] = self._transcriber(sound, self._lang)
                        _append(file.fileno(), key, record, known[key])
                    texts.append(known[key])
                if self._on_heard is not None:
                    self._on_heard(RunProgress(len(texts), len(records), 0, record))
        return texts


def _append(descriptor: int, key: _Key, record: Record, text: str) -> None:
    line = {"index": record.index, "sha256": key[0], "asr": key[1], "lang": key[2], "text": text}
    os.write(descriptor, (json.dumps(line, ensure_ascii=False) + "\n").encode("utf-8"))
    os.fsync(descriptor)


def _read(log: Path) -> dict[_Key, str]:
    content = log.read_bytes() if log.exists() else b""
    lines = [json.loads(line) for line in content.split(b"\n") if line]
    return {(line["sha256"], line["asr"], line["lang"]): line["text"] for line in lines}
