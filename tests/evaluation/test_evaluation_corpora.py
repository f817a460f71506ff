"""The readers of public corpora, on small folders laid out as the downloads are."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from seamless_server.cli import app
from seamless_server.errors import LanguageError
from seamless_server.evaluation.manifest import (
    Selection,
    load_manifest,
)
from tests.evaluation.toy_agents import speak


def prepare(*arguments: object) -> str:
    words = ["evaluate", "prepare", *(str(argument) for argument in arguments)]
    result = CliRunner().invoke(app, words)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stderr


def rows(path: Path) -> list[dict[str, str]]:
    header, *lines = (line.split("\t") for line in path.read_text().splitlines())
    return [dict(zip(header, line, strict=True)) for line in lines]


@pytest.fixture
def fleurs(tmp_path: Path) -> Path:
    root = tmp_path / "fleurs"
    for code, texts in {
        "en_us": {"1": "One.", "2": "Two.", "3": "Three."},
        "es_419": {"1": "Uno.", "2": "Dos."},
        "de_de": {"1": "Eins.", "2": "Zwei.", "3": "Drei."},
    }.items():
        audio = root / code / "audio" / "test"
        audio.mkdir(parents=True)
        lines = []
        for number, text in texts.items():
            for speaker in "ab":
                speak(audio / f"{number}{speaker}.wav", "uno")
                words = [number, f"{number}{speaker}.wav", text, text.lower(), "x", "6400", "MALE"]
                lines.append("\t".join(words))
        (root / code / "test.tsv").write_text("\n".join(lines) + "\n")
    return root


def test_fleurs_in_several_languages(fleurs: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.tsv"
    said = prepare("fleurs", fleurs, "--src-lang", "eng", "--tgt-lang", "spa,deu", "--output", out)
    assert "2 recordings have no reference" in said
    found = rows(out)
    assert len(found) == 4 + 6
    assert found[0] == {
        "id": "1",
        "audio": "en_us/audio/test/1a.wav",
        "src_lang": "eng",
        "src_text": "One.",
        "tgt_lang": "spa",
        "tgt_text": "Uno.",
    }
    assert len(load_manifest(out, fleurs, Selection())) == 10


def test_fleurs_for_transcription_with_an_id_list(fleurs: Path, tmp_path: Path) -> None:
    out, ids = tmp_path / "m.tsv", tmp_path / "ids"
    ids.write_text("3\n9\n")
    said = prepare("fleurs", fleurs, "--src-lang", "eng", "--output", out, "--ids", ids)
    assert "1 of 2 ids are not in this corpus" in said
    assert [(row["audio"], row["tgt_text"]) for row in rows(out)] == [
        ("en_us/audio/test/3a.wav", "Three."),
        ("en_us/audio/test/3b.wav", "Three."),
    ]


def test_fleurs_that_is_not_unpacked(fleurs: Path, tmp_path: Path) -> None:
    audio = fleurs / "en_us/audio/test"
    for file in audio.iterdir():
        file.unlink()
    audio.rmdir()
    with tarfile.open(fileobj=io.BytesIO(), mode="w") as archive:
        (fleurs / "en_us/audio/test.tar.gz").write_bytes(gzip.compress(bytes(archive.offset)))
    with pytest.raises(Exception, match=r"not unpacked: run `tar -xzf .*test\.tar\.gz"):
        prepare("fleurs", fleurs, "--src-lang", "eng", "--output", tmp_path / "m.tsv")


def test_fleurs_without_the_language(fleurs: Path, tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"no FLEURS folder of 'fra'; looked for .*fr_fr"):
        prepare("fleurs", fleurs, "--src-lang", "fra", "--output", tmp_path / "m.tsv")
    with pytest.raises(LanguageError, match="FLEURS has no recordings in 'eus'"):
        prepare("fleurs", fleurs, "--src-lang", "eus", "--output", tmp_path / "m.tsv")


@pytest.fixture
def common_voice(tmp_path: Path) -> Path:
    root = tmp_path / "cv" / "fr"
    (root / "clips").mkdir(parents=True)
    names = [f"common_voice_fr_{number}.mp3" for number in (1, 2, 3)]
    for name in names:
        soundfile.write(root / "clips" / name, np.zeros(8000), 16_000)
    lines = ["client_id\tpath\tsentence\tup_votes"]
    lines += [f'x\t{name}\tPhrase "{n}".\t2' for n, name in enumerate(names, 1)]
    (root / "test.tsv").write_text("\n".join(lines) + "\n")
    (root / "validated.tsv").write_text("\n".join(lines) + "\n")
    return root.parent


def test_common_voice(common_voice: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.tsv"
    prepare("common-voice", common_voice, "--lang", "fra", "--output", out)
    assert rows(out)[1] == {
        "id": "common_voice_fr_2",
        "audio": "fr/clips/common_voice_fr_2.mp3",
        "src_lang": "fra",
        "src_text": 'Phrase "2".',
        "tgt_lang": "fra",
        "tgt_text": 'Phrase "2".',
    }
    assert len(load_manifest(out, common_voice, Selection(task="asr"))) == 3


def test_covost_as_downloaded_and_as_split(common_voice: Path, tmp_path: Path) -> None:
    root, out = common_voice / "fr", tmp_path / "m.tsv"
    names = [f"common_voice_fr_{number}.mp3" for number in (1, 2, 3)]
    table = root / "covost_v2.fr_en.tsv"
    table.write_text(
        "path\ttranslation\tsplit\n"
        f"{names[0]}\tOne.\ttest\n{names[1]}\tTwo.\ttrain\n{names[2]}\tThree.\ttest\n"
    )
    options = ["--src-lang", "fra", "--tgt-lang", "eng", "--output", out]
    prepare("covost2", root, *options)
    assert [(row["src_text"], row["tgt_text"]) for row in rows(out)] == [
        ('Phrase "1".', "One."),
        ('Phrase "3".', "Three."),
    ]
    (root / "covost_v2.fr_en.test.tsv").write_text(
        f"path\tsentence\ttranslation\tclient_id\n{names[1]}\tDeux.\tTwo.\tx\n"
    )
    prepare("covost2", root, *options)
    assert [(row["audio"], row["src_text"]) for row in rows(out)] == [
        ("clips/common_voice_fr_2.mp3", "Deux.")
    ]
    assert len(load_manifest(out, root, Selection())) == 1


def test_cvss_with_clips_elsewhere(common_voice: Path, tmp_path: Path) -> None:
    root, out = tmp_path / "cvss", tmp_path / "m.tsv"
    folder = root / "cvss_c_fr_en_v1.0"
    folder.mkdir(parents=True)
    (folder / "test.tsv").write_text("common_voice_fr_3.mp3\tthree\n")
    clips = common_voice / "fr" / "clips"
    prepare("cvss-c", root, "--src-lang", "fra", "--clips", clips, "--output", out)
    found = rows(out)
    assert [(row["tgt_lang"], row["tgt_text"]) for row in found] == [("eng", "three")]
    assert found[0]["src_text"] == 'Phrase "3".'
    assert len(load_manifest(out, root, Selection(task="s2st"))) == 1


def test_recordings_of_ones_own(tmp_path: Path) -> None:
    root, out = tmp_path / "mine", tmp_path / "m.tsv"
    (root / "day").mkdir(parents=True)
    for name in ("a.wav", "day/b.flac", "c.wav"):
        speak(root / name, "uno")
    (root / "a.spa.txt").write_text("Uno.\n")
    (root / "a.deu.txt").write_text("Eins.\n")
    (root / "day/b.txt").write_text("Dos\ntres.\n")
    options = ["folder", root, "--src-lang", "eng", "--output", out, "--tgt-lang"]
    assert "1 recordings have no reference" in prepare(*options, "spa")
    assert [(row["id"], row["tgt_text"]) for row in rows(out)] == [
        ("a", "Uno."),
        ("day/b", "Dos tres."),
    ]
    prepare(*options, "spa,deu")
    assert [row["tgt_lang"] for row in rows(out)] == ["spa", "deu"]


def test_a_table_of_another_kind_is_named(common_voice: Path, tmp_path: Path) -> None:
    (common_voice / "fr/test.tsv").write_text("file\ttext\na\tb\n")
    with pytest.raises(Exception, match="no column 'path', 'sentence'"):
        prepare("common-voice", common_voice, "--lang", "fra", "--output", tmp_path / "m.tsv")


def test_cvss_spells_chinese_and_swedish_its_own_way(tmp_path: Path) -> None:
    # cvss_c_zh_en_v1.0.tar.gz with Common Voice's zh-CN.tar.gz, both as they unpack.
    root, out = tmp_path / "cvss", tmp_path / "m.tsv"
    (root / "cvss_c_zh_en_v1.0/test").mkdir(parents=True)
    name = "common_voice_zh-CN_18885718.mp3"
    speak(root / f"cvss_c_zh_en_v1.0/test/{name}.wav", "uno")
    (root / "cvss_c_zh_en_v1.0/test.tsv").write_text(f"{name}\tprior to this\n")
    clips = root / "cv-corpus-4-2019-12-10/zh-CN/clips"
    clips.mkdir(parents=True)
    soundfile.write(clips / name, np.zeros(8000), 16_000)
    (clips.parent / "validated.tsv").write_text(
        f"client_id\tpath\tsentence\tup_votes\nx\t{name}\t在这之前\t2\n"
    )
    prepare("cvss-c", root, "--src-lang", "cmn", "--output", out)
    (row,) = rows(out)
    assert row["audio"] == f"cv-corpus-4-2019-12-10/zh-CN/clips/{name}"
    assert (row["src_text"], row["tgt_text"]) == ("在这之前", "prior to this")
    ids = tmp_path / "ids"
    ids.write_text(f"{name}\n")
    assert prepare("cvss-c", root, "--src-lang", "cmn", "--output", out, "--ids", ids) == ""
    with pytest.raises(Exception, match="CVSS-C table"):
        prepare("cvss-c", root, "--src-lang", "swe", "--output", out)


def test_a_release_of_common_voice_as_it_unpacks(common_voice: Path, tmp_path: Path) -> None:
    (tmp_path / "download").mkdir()
    common_voice.rename(tmp_path / "download/cv-corpus-17.0-2024-03-15")
    out = tmp_path / "m.tsv"
    prepare("common-voice", tmp_path / "download", "--lang", "fra", "--output", out)
    assert rows(out)[0]["audio"] == "cv-corpus-17.0-2024-03-15/fr/clips/common_voice_fr_1.mp3"


def test_clips_that_are_elsewhere_than_said(common_voice: Path, tmp_path: Path) -> None:
    (common_voice / "fr/covost_v2.fr_en.tsv").write_text("path\ttranslation\tsplit\n")
    options = ["--src-lang", "fra", "--tgt-lang", "eng", "--output", tmp_path / "m.tsv"]
    with pytest.raises(Exception, match=r"no Common Voice clips; looked for .*nowhere"):
        prepare("covost2", common_voice / "fr", *options, "--clips", tmp_path / "nowhere")
