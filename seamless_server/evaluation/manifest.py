"""Manifests: tab-separated tables with a header, one sentence a line.

Columns: ``audio`` (path below the audio root), the reference (``tgt_text`` unless said otherwise),
and if they are there ``id``, ``tgt_lang``, ``src_lang`` and ``src_text``. Fields are separated by
tabs and never quoted.
"""

from __future__ import annotations

import logging
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from seamless_server.errors import LanguageError, SeamlessError, UsageError
from seamless_server.evaluation.audio import AudioRef, probe
from seamless_server.languages import Direction, lookup

logger = logging.getLogger(__name__)

TASKS: Mapping[str, Direction] = {"s2tt": "text", "asr": "text", "s2st": "speech"}
"""The tasks, and what each wants of a target language."""

COLUMNS = ("id", "audio", "src_lang", "src_text", "tgt_lang", "tgt_text")
"""What the readers of downloaded corpora write."""


class ManifestError(SeamlessError):
    """A manifest cannot be evaluated; `problems` names every reason, one sentence each."""

    code = "manifest"

    def __init__(self, path: Path, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        if len(problems) == 1:
            message = f"{path}: {problems[0]}"
        else:
            listed = "".join(f"\n  - {problem}" for problem in problems)
            message = f"{path}: {len(problems)} problems, nothing was computed:{listed}"
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Sentence:
    """One line of a manifest."""

    index: int
    """Position in the file, from 0."""
    id: str
    audio: AudioRef
    audio_field: str
    """The path as the manifest spells it."""
    reference: str
    tgt_lang: str
    src_lang: str | None = None
    src_text: str | None = None


@dataclass(frozen=True)
class Selection:
    """Which lines of a manifest to use, and how."""

    task: str = "s2tt"
    tgt_langs: Sequence[str] = ()
    """Target languages; empty means those in the column ``tgt_lang``."""
    ref_field: str = "tgt_text"
    """Column of the reference; ``{lang}`` in it stands for the target language."""
    start_index: int = 0
    end_index: int = -1
    """First line not to use; negative means no end."""
    limit: int | None = None
    """At most so many sentences a language, after all else."""
    ids: Collection[str] = field(default_factory=frozenset)
    """Ids (or names of audio files) to keep; empty keeps all."""


@dataclass(frozen=True)
class Coverage:
    """Languages that the system at hand offers; `None` where only the model's table counts."""

    source: Collection[str] | None = None
    target: Collection[str] | None = None


def _lines(path: Path) -> list[str]:
    # Not str.splitlines, which also breaks at characters that texts may hold (U+2028 and others).
    text = path.read_text(encoding="utf-8-sig")
    return text.removesuffix("\n").split("\n") if text else []


def read_ids(path: Path) -> frozenset[str]:
    """Read an id list: one id a line, or a table with a column ``id``.

    Raises:
        UsageError: there is no such list, or it is no text.
    """
    try:
        lines = _lines(path)
    except OSError as error:
        raise UsageError(f"--ids {path}: {(error.strerror or str(error)).lower()}") from None
    except UnicodeDecodeError:
        raise UsageError(f"--ids {path}: is not UTF-8 text") from None
    header = lines[0].rstrip().split("\t") if lines else []
    if "id" in header:
        column = header.index("id")
        rows = (line.split("\t") for line in lines[1:])
        return frozenset(row[column].strip() for row in rows if len(row) > column)
    return frozenset(line.split("\t")[0].strip() for line in lines if line.strip())


def names_of(identity: str, audio: str) -> set[str]:
    """What a list of ids may call a sentence: its id, or its audio's path, file name or stem."""
    path = Path(audio)
    return {identity, audio, path.name, path.stem}


def write_manifest(path: Path, rows: Iterable[Mapping[str, str]]) -> int:
    """Write a manifest with the columns `COLUMNS`; returns the number of sentences."""
    count = 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write("\t".join(COLUMNS) + "\n")
        for row in rows:
            cells = (" ".join(row.get(column, "").split()) for column in COLUMNS)
            file.write("\t".join(cells) + "\n")
            count += 1
    return count


def load_manifest(
    path: Path,
    audio_root: Path | None,
    selection: Selection,
    coverage: Coverage | None = None,
) -> list[Sentence]:
    """Read and check a manifest; on return every sentence can be evaluated, as far as one can see.

    Args:
        path: the table.
        audio_root: what its audio paths are relative to; the table's folder by default.
        selection: which lines, and for which task.
        coverage: languages that the loaded system offers.

    Raises:
        ManifestError: with everything that is wrong, at once.
    """
    if not path.is_file():
        raise ManifestError(path, ["no such file"])
    try:
        lines = _lines(path)
    except UnicodeDecodeError:
        raise ManifestError(path, ["is not UTF-8 text"]) from None
    reader = _Reader(lines, audio_root or path.parent, selection, coverage or Coverage())
    sentences = reader.read()
    if not sentences and not reader.problems:
        reader.problems.append("no sentence is left to evaluate")
    if reader.problems:
        raise ManifestError(path, reader.problems)
    _notice(path, sentences, reader.changed)
    return sentences


def _notice(path: Path, sentences: Sequence[Sentence], changed: int) -> None:
    if changed:
        logger.warning(
            "%s: %d references were not in Unicode's composed form (NFC); they are used in it",
            path,
            changed,
        )
    seen: dict[tuple[str, str], list[str]] = {}
    for sentence in sentences:
        lines = seen.setdefault((sentence.id, sentence.tgt_lang), [])
        lines.append(str(sentence.index + 2))
    repeated = [f"{key[0]} (lines {', '.join(at)})" for key, at in seen.items() if len(at) > 1]
    if repeated:
        more = "" if len(repeated) <= 10 else f" and {len(repeated) - 10} more"
        logger.warning("%s: ids that are not unique: %s%s", path, "; ".join(repeated[:10]), more)


class _Reader:
    """Goes through the lines of one manifest and gathers sentences and problems."""

    def __init__(
        self, lines: list[str], root: Path, selection: Selection, coverage: Coverage
    ) -> None:
        self.problems: list[str] = []
        self.changed = 0
        """References that were brought into composed form."""
        self._lines = lines
        self._root = root
        self._selection = selection
        self._coverage = coverage
        self._own_languages: set[str] = set()
        self._lacking: set[str] = set()
        """Columns that are wanted and not there."""

    def read(self) -> list[Sentence]:
        header = self._lines[0].rstrip().split("\t") if self._lines else []
        self._check_header(header)
        if "audio" not in header:
            return self._checked([])
        chosen = self._selection
        end = len(self._lines) - 1 if chosen.end_index < 0 else chosen.end_index
        found: list[Sentence] = []
        for index, line in enumerate(self._lines[1:]):
            if not line.strip() or not chosen.start_index <= index < end:
                continue
            cells = line.rstrip("\r\n").split("\t")
            if len(cells) > len(header):
                self.problems.append(
                    f"line {index + 2} has {len(cells)} fields where the header has {len(header)}"
                )
                continue
            row = dict(zip(header, cells + [""] * (len(header) - len(cells)), strict=True))
            found.extend(self._sentences(index, row))
        return self._checked(found)

    def _check_header(self, header: list[str]) -> None:
        if not header:
            self.problems.append("is empty: a header and one line a sentence are needed")
            return
        langs = self._selection.tgt_langs
        if not langs and "tgt_lang" not in header:
            self.problems.append("has no column 'tgt_lang': say the language with --tgt-lang")
        wanted = ["audio"]
        template = self._selection.ref_field
        wanted += [template.replace("{lang}", lang) for lang in langs or ("",)]
        if "{lang}" in template and not langs:
            wanted.pop()
        for name in dict.fromkeys(wanted):
            if name not in header:
                hint = "" if name == "audio" else "; choose the reference with --ref-field"
                self.problems.append(
                    f"has no column '{name}' (its columns: {', '.join(header)}){hint}"
                )
        repeated = [name for name, times in Counter(header).items() if times > 1]
        if repeated:
            self.problems.append(f"has the column {', '.join(map(repr, repeated))} twice")
        # What is said once of the whole column is not said again of every line.
        self._lacking = {name for name in (*wanted, "tgt_lang") if name not in header}

    def _sentences(self, index: int, row: dict[str, str]) -> list[Sentence]:
        chosen = self._selection
        name = row["audio"]
        identity = row.get("id") or str(index)
        if chosen.ids and not names_of(identity, name) & set(chosen.ids):
            return []
        own = row.get("tgt_lang") or None
        if not chosen.tgt_langs and own is None and "tgt_lang" not in self._lacking:
            self.problems.append(f"line {index + 2} ({identity}) names no language in 'tgt_lang'")
            return []
        if own is not None:
            self._own_languages.add(own)
        langs = chosen.tgt_langs or (own or "",)
        sentences = []
        for lang in langs:
            if own is not None and own != lang:
                continue
            column = chosen.ref_field.replace("{lang}", lang)
            reference = row.get(column, "")
            if column not in row and column not in self._lacking:
                self._lacking.add(column)
                self.problems.append(
                    f"has no column '{column}' (its columns: {', '.join(row)})"
                    "; choose the reference with --ref-field"
                )
            if not reference.strip() and column not in self._lacking:
                self.problems.append(f"line {index + 2} ({identity}) has an empty reference")
            if not name:
                self.problems.append(f"line {index + 2} ({identity}) names no audio file")
                continue
            sentences.append(
                Sentence(
                    index=index,
                    id=identity,
                    audio=AudioRef.parse(name, self._root),
                    audio_field=name,
                    reference=self._composed(reference),
                    tgt_lang=lang,
                    src_lang=row.get("src_lang") or None,
                    src_text=row.get("src_text") or None,
                )
            )
        return sentences

    def _composed(self, reference: str) -> str:
        composed = unicodedata.normalize("NFC", reference)
        self.changed += composed != reference
        return composed

    def _checked(self, found: list[Sentence]) -> list[Sentence]:
        kept: list[Sentence] = []
        taken: Counter[str] = Counter()
        for sentence in found:
            if self._selection.limit is None or taken[sentence.tgt_lang] < self._selection.limit:
                taken[sentence.tgt_lang] += 1
                kept.append(sentence)
        others = ", ".join(sorted(self._own_languages))
        for lang in self._selection.tgt_langs:
            if others and not taken[lang]:
                self.problems.append(f"has no line for '{lang}' (it has: {others})")
        self._check_languages(kept)
        for ref in dict.fromkeys(sentence.audio for sentence in kept):
            reason = probe(ref)
            if reason is not None:
                self.problems.append(f"{ref}: {reason}")
        return kept

    def _check_languages(self, sentences: Sequence[Sentence]) -> None:
        task = self._selection.task
        targets = dict.fromkeys(sentence.tgt_lang for sentence in sentences)
        targets.update(dict.fromkeys(self._selection.tgt_langs))
        for lang in filter(None, targets):
            self._check_language(lang, TASKS[task], self._coverage.target)
        for source in dict.fromkeys(sentence.src_lang for sentence in sentences):
            if source is not None:
                self._check_language(source, "source", self._coverage.source)
        if task == "asr":
            for src, tgt in dict.fromkeys((s.src_lang, s.tgt_lang) for s in sentences):
                if tgt and src not in (None, tgt):
                    self.problems.append(
                        f"has speech in '{src}' to be transcribed as '{tgt}': the task asr needs "
                        "the same language on both sides"
                    )

    def _check_language(
        self, lang: str, direction: Direction, offered: Collection[str] | None
    ) -> None:
        try:
            lookup(lang, direction)
        except LanguageError as error:
            self.problems.append(str(error))
            return
        if offered is not None and lang not in offered:
            what = {"source": "hear", "text": "write", "speech": "speak"}[direction]
            self.problems.append(
                f"this system does not {what} '{lang}'; it does: {', '.join(sorted(offered))}"
            )
