"""From a downloaded corpus to the lines of a manifest.

Each reader takes the folder as its archive unpacks and yields rows with the columns of
`manifest.COLUMNS`; audio paths are relative to that folder.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from seamless_server.errors import SeamlessError
from seamless_server.evaluation.corpus_codes import common_voice_code, fleurs_code

Row = dict[str, str]

_AUDIO_SUFFIXES = {".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".aac", ".webm", ".mp4"}


class CorpusError(SeamlessError):
    """A corpus is not where, or not what, it should be."""

    code = "corpus"


@dataclass
class Prepared:
    """What a reader found."""

    rows: list[Row] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    """Ids of recordings without a reference."""


def _table(path: Path, escape: str | None = None) -> Iterator[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        yield from csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE, escapechar=escape)


def _named(path: Path, needed: Iterable[str], escape: str | None = None) -> list[Row]:
    """Rows of a table with a header that has the columns `needed`."""
    lines = iter(_table(path, escape))
    header = next(lines, [])
    missing = [name for name in needed if name not in header]
    if missing:
        raise CorpusError(
            f"{path}: has no column {', '.join(map(repr, missing))} (its columns: "
            f"{', '.join(header)})"
        )
    return [dict(zip(header, line, strict=False)) for line in lines]


def _first(candidates: Sequence[Path], what: str) -> Path:
    for candidate in candidates:
        if candidate.exists():
            return candidate
    places = ", ".join(str(candidate) for candidate in candidates)
    raise CorpusError(f"no {what}; looked for {places}")


def _relative(path: Path, root: Path) -> str:
    """As it goes into a manifest: below the root, or absolute if it lies elsewhere."""
    try:
        return path.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        return path.resolve().as_posix()


def fleurs(root: Path, src_lang: str, tgt_langs: Sequence[str], split: str) -> Prepared:
    """FLEURS: ``<config>/<split>.tsv`` and ``<config>/audio/<split>/*.wav``.

    The same sentence was read in all languages; the reference is its text there, as written (not
    normalised). Several people read each sentence, so an id stands for several recordings.

    Raises:
        CorpusError: something is missing or not unpacked.
        LanguageError: a language is not in FLEURS.
    """
    source = _fleurs_folder(root, src_lang)
    audio = _fleurs_audio(source, split)
    spoken = _fleurs_table(source, split)
    prepared = Prepared()
    for tgt_lang in tgt_langs:
        if tgt_lang == src_lang:
            texts = None
        else:
            table = _fleurs_table(_fleurs_folder(root, tgt_lang), split)
            texts = {row["id"]: row["text"] for row in reversed(table)}
        for row in spoken:
            text = row["text"] if texts is None else texts.get(row["id"])
            if text is None:
                prepared.left_out.append(row["id"])
                continue
            prepared.rows.append(
                {
                    "id": row["id"],
                    "audio": _relative(audio / row["file"], root),
                    "src_lang": src_lang,
                    "src_text": row["text"],
                    "tgt_lang": tgt_lang,
                    "tgt_text": text,
                }
            )
    return prepared


def _fleurs_folder(root: Path, lang: str) -> Path:
    code = fleurs_code(lang)
    candidates = [root / code, root / "data" / code]
    if root.name == code:
        candidates.append(root)
    return _first(candidates, f"FLEURS folder of '{lang}'")


def _fleurs_table(folder: Path, split: str) -> list[Row]:
    path = _first([folder / f"{split}.tsv"], f"FLEURS table of the split '{split}'")
    rows = []
    for number, line in enumerate(_table(path), start=1):
        if len(line) < 3:
            raise CorpusError(f"{path}: line {number} is not one of FLEURS (id, file, text, ...)")
        rows.append({"id": line[0], "file": line[1], "text": line[2]})
    return rows


def _fleurs_audio(folder: Path, split: str) -> Path:
    candidates = [folder / "audio" / split, folder / split]
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    archive = folder / "audio" / f"{split}.tar.gz"
    if archive.is_file():
        raise CorpusError(
            f"{archive} is not unpacked: run `tar -xzf {archive} -C {archive.parent}`"
        )
    return _first(candidates, "FLEURS audio folder")


def common_voice(root: Path, lang: str, split: str) -> Prepared:
    """Common Voice: ``<lang>/<split>.tsv`` and ``<lang>/clips/*.mp3``, for transcription.

    They may lie in a release's folder such as ``cv-corpus-17.0-2024-03-15``.

    Raises:
        CorpusError: something is missing.
    """
    code = common_voice_code(lang)
    folders = [root / code, root, *sorted(root.glob(f"cv-corpus-*/{code}"), reverse=True)]
    path = _first([folder / f"{split}.tsv" for folder in folders], "Common Voice table")
    clips = _first([path.parent / "clips"], "Common Voice clips")
    prepared = Prepared()
    for row in _named(path, ("path", "sentence")):
        identity = Path(row["path"]).stem
        if not row["sentence"].strip():
            prepared.left_out.append(identity)
            continue
        said = row["sentence"]
        prepared.rows.append(_row(root, clips, row["path"], (lang, said), (lang, said)))
    return prepared


def covost2(
    root: Path, src_lang: str, tgt_lang: str, split: str, clips: Path | None = None
) -> Prepared:
    """CoVoST 2: ``covost_v2.<src>_<tgt>.<split>.tsv``, or the unsplit table as it is downloaded.

    The clips are those of Common Voice 4, in ``clips`` beside the table or where `clips` says.

    Raises:
        CorpusError: something is missing.
    """
    source, target = common_voice_code(src_lang), common_voice_code(tgt_lang)
    name = f"covost_v2.{source}_{target}"
    folders = [root, root / source, root / f"{source}_{target}", root / "translations"]
    names = [f"{name}.{split}.tsv", f"{name}.tsv"]
    path = _first([folder / each for folder in folders for each in names], "CoVoST 2 table")
    rows = _named(path, ("path", "translation"), escape="\\")  # as its own tools read it
    if path.name == f"{name}.tsv":
        rows = [row for row in rows if row.get("split") in (split, f"{split}_covost")]
    clips = _clips([path.parent, root], source, clips)
    transcripts = _transcripts(clips.parent / "validated.tsv")
    prepared = Prepared()
    for row in rows:
        identity = Path(row["path"]).stem
        if not row["translation"].strip():
            prepared.left_out.append(identity)
            continue
        said = row.get("sentence") or transcripts.get(row["path"], "")
        translated = (tgt_lang, row["translation"])
        prepared.rows.append(_row(root, clips, row["path"], (src_lang, said), translated))
    return prepared


def cvss_c(root: Path, src_lang: str, split: str, clips: Path | None = None) -> Prepared:
    """CVSS-C: ``cvss_c_<src>_en*/<split>.tsv``, whose normalised English text is the reference.

    It holds the English speech only; what was said lies in the clips of Common Voice 4.

    Raises:
        CorpusError: something is missing.
    """
    source = common_voice_code(src_lang)
    # Its archives say zh and sv where Common Voice says zh-CN and sv-SE.
    folders = [root, *sorted(root.glob(f"cvss_c_{source.split('-')[0]}_en*"))]
    path = _first([folder / f"{split}.tsv" for folder in folders], "CVSS-C table")
    clips = _clips([path.parent, root], source, clips)
    transcripts = _transcripts(clips.parent / "validated.tsv")
    prepared = Prepared()
    for line in _table(path):
        if len(line) < 2 or not line[1].strip():
            prepared.left_out.append(line[0] if line else "")
            continue
        said = transcripts.get(line[0], "")
        prepared.rows.append(_row(root, clips, line[0], (src_lang, said), ("eng", line[1])))
    return prepared


def own_recordings(root: Path, src_lang: str, tgt_langs: Sequence[str]) -> Prepared:
    """A folder of one's own: ``talk.wav`` with its reference in ``talk.spa.txt`` or ``talk.txt``.

    Raises:
        CorpusError: there is no audio in it.
    """
    sounds = [path for path in sorted(root.rglob("*")) if path.suffix.lower() in _AUDIO_SUFFIXES]
    if not sounds:
        raise CorpusError(f"{root}: holds no audio ({', '.join(sorted(_AUDIO_SUFFIXES))})")
    prepared = Prepared()
    for sound in sounds:
        identity = sound.relative_to(root).with_suffix("").as_posix()
        for lang in tgt_langs:
            texts = [sound.with_suffix(f".{lang}.txt")]
            if len(tgt_langs) == 1:
                texts.append(sound.with_suffix(".txt"))
            text = next((path for path in texts if path.is_file()), None)
            if text is None:
                prepared.left_out.append(identity)
                continue
            prepared.rows.append(
                {
                    "id": identity,
                    "audio": _relative(sound, root),
                    "src_lang": src_lang,
                    "tgt_lang": lang,
                    "tgt_text": text.read_text(encoding="utf-8-sig"),
                }
            )
    return prepared


def _row(
    root: Path, clips: Path, clip: str, source: tuple[str, str], target: tuple[str, str]
) -> Row:
    """A row of a Common Voice clip with its (language, text) on both sides."""
    file = clips / (clip if clip.endswith((".mp3", ".wav")) else f"{clip}.mp3")
    return {
        "id": Path(clip).stem,
        "audio": _relative(file, root),
        "src_lang": source[0],
        "src_text": source[1],
        "tgt_lang": target[0],
        "tgt_text": target[1],
    }


def _clips(places: Sequence[Path], code: str, clips: Path | None) -> Path:
    """The folder of a language's clips: the one that was named, or one near the table."""
    if clips is not None:
        return _first([clips], "Common Voice clips")
    near = [place / "clips" for place in places]
    for place in places:
        near.append(place / code / "clips")
        near += sorted(place.glob(f"cv-corpus-*/{code}/clips"))
    return _first(list(dict.fromkeys(near)), "Common Voice clips (say where with --clips)")


def _transcripts(path: Path) -> Mapping[str, str]:
    """What was said in each clip, if Common Voice's own table is there."""
    if not path.is_file():
        return {}
    return {row["path"]: row["sentence"] for row in _named(path, ("path", "sentence"))}
