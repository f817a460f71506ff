"""Manifests, source audio, and the readers of public corpora."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from conftest import Evaluate
from toy_agents import speak
from typer.testing import CliRunner

from seamless_server.cli import app
from seamless_server.errors import AudioError, LanguageError
from seamless_server.evaluation.audio import (
    SAMPLE_RATE,
    AudioRef,
    Preparation,
    SilenceStripper,
    load,
    probe,
    standardize,
)
from seamless_server.evaluation.manifest import (
    Coverage,
    ManifestError,
    Selection,
    load_manifest,
    read_ids,
)

HUMAN = Path(__file__).parents[1] / "recordings" / "audio" / "human_short.flac"


def problems(path: Path, selection: Selection, coverage: Coverage | None = None) -> str:
    with pytest.raises(ManifestError) as caught:
        load_manifest(path, None, selection, coverage)
    return "\n".join(caught.value.problems)


def test_everything_that_is_wrong_is_named_at_once(tmp_path: Path) -> None:
    speak(tmp_path / "good.wav", "uno")
    (tmp_path / "noise.wav").write_bytes(b"this is no sound" * 50)
    soundfile.write(tmp_path / "empty.wav", np.zeros(0, dtype=np.float32), 16_000)
    path = tmp_path / "data.tsv"
    path.write_text(
        "id\taudio\tsrc_lang\ttgt_lang\ttgt_text\n"
        "a\tgood.wav\teng\tspa\tuno\n"
        "b\tmissing.wav\teng\tspa\tdos\n"
        "c\tnoise.wav\teng\tspa\ttres\n"
        "d\tempty.wav\teng\tspa\tcuatro\n"
        "e\tgood.wav\teng\txyz\tcinco\n"
        "f\tgood.wav\teng\tast\tseis\n"
        "g\tgood.wav\teng\tspa\t\n"
        "h\tgood.wav\teng\tspa\tocho\tmore\n"
        "i\tgood.wav\tcmn_Hant\tspa\tnueve\n",
        encoding="utf-8",
    )
    found = problems(path, Selection())
    assert "missing.wav: no such file" in found
    assert "noise.wav: cannot be read as audio" in found
    assert "empty.wav: holds no audio" in found
    assert "unknown language 'xyz'" in found
    assert "(ast) is not offered as translated text" in found
    assert "line 8 (g) has an empty reference" in found
    assert "line 9 has 6 fields where the header has 5" in found
    assert "(cmn_Hant) is not offered as source speech" in found
    assert len(found.splitlines()) == 8


def test_a_wrong_column_is_named_with_those_that_are_there(data: Path) -> None:
    found = problems(data, Selection(ref_field="translation"))
    assert "no column 'translation'" in found
    assert "tgt_text" in found
    assert "--ref-field" in found


def test_nothing_is_computed_when_the_data_is_bad(
    evaluate: Evaluate, data: Path, tmp_path: Path
) -> None:
    (tmp_path / "a.wav").unlink()
    (tmp_path / "c.wav").unlink()
    result = evaluate()
    assert result.exit_code != 0
    assert "a.wav" in str(result.exception)
    assert "c.wav" in str(result.exception)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("task", "lang", "reason"),
    [
        ("s2st", "swe", "speak 'swe'"),
        ("s2tt", "deu", "no line for 'deu'"),
        ("asr", "spa", "speech in 'eng' to be transcribed as 'spa'"),
    ],
)
def test_languages_that_do_not_fit(data: Path, task: str, lang: str, reason: str) -> None:
    if task == "s2st":
        data.write_text(data.read_text().replace("\tspa\t", "\tswe\t"))
    coverage = Coverage(source={"eng"}, target={"spa", "deu"})
    assert reason in problems(data, Selection(task=task, tgt_langs=(lang,)), coverage)


def test_a_system_that_offers_fewer_languages(data: Path) -> None:
    found = problems(data, Selection(), Coverage(source={"fra"}, target={"deu"}))
    assert "does not write 'spa'; it does: deu" in found
    assert "does not hear 'eng'; it does: fra" in found


def test_ranges_limits_and_ids(data: Path, tmp_path: Path) -> None:
    def ids(selection: Selection) -> list[str]:
        return [sentence.id for sentence in load_manifest(data, None, selection)]

    assert ids(Selection(start_index=1, end_index=3)) == ["b", "c"]
    assert ids(Selection(start_index=2)) == ["c", "d"]
    assert ids(Selection(limit=2)) == ["a", "b"]
    listed = tmp_path / "ids.txt"
    listed.write_text("d\na\n")
    assert ids(Selection(ids=read_ids(listed))) == ["a", "d"]
    listed.write_text("split\tid\ntest\tb\n")
    assert ids(Selection(ids=read_ids(listed))) == ["b"]
    with pytest.raises(ManifestError, match="no sentence is left"):
        ids(Selection(ids={"z"}))


def test_one_reference_column_a_language(tmp_path: Path) -> None:
    speak(tmp_path / "a.wav", "uno")
    path = tmp_path / "data.tsv"
    path.write_text("audio\ttext_spa\ttext_deu\na.wav\tuno\teins\n")
    selection = Selection(tgt_langs=("spa", "deu"), ref_field="text_{lang}")
    found = load_manifest(path, None, selection)
    assert [(one.tgt_lang, one.reference) for one in found] == [("spa", "uno"), ("deu", "eins")]


def test_text_is_not_quoted_and_may_hold_any_character(tmp_path: Path) -> None:
    speak(tmp_path / "a.wav", "uno")
    path = tmp_path / "data.tsv"
    text = 'he said "yes"\u2028and\u0085 left'
    path.write_text(f"\ufeffaudio\ttgt_text\r\na.wav\t{text}\r\n", encoding="utf-8", newline="")
    found = load_manifest(path, None, Selection(tgt_langs=("eng",)))
    assert [one.reference for one in found] == [text]


def write_sound(path: Path, samples: np.ndarray, rate: int) -> None:
    """Write stereo in the format of the suffix."""
    if path.suffix != ".m4a":
        soundfile.write(path, samples, rate)
        return
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=rate, layout="stereo")
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples.T, dtype=np.float32), format="fltp", layout="stereo"
        )
        frame.sample_rate = rate
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "m4a"])
def test_any_format_rate_and_channels(tmp_path: Path, suffix: str) -> None:
    time = np.arange(44_100) / 44_100
    tone = 0.5 * np.sin(2 * np.pi * 440 * time)
    path = tmp_path / f"tone.{suffix}"
    write_sound(path, np.stack([tone, tone], axis=1), 44_100)
    assert probe(AudioRef.parse(str(path))) is None
    heard = load(AudioRef.parse(str(path)))
    assert heard.dtype == np.float32
    assert abs(len(heard) - SAMPLE_RATE) < 2000  # lossy codecs pad
    crossings = np.sum(np.diff(np.signbit(heard[2000:14_000]).astype(int)) != 0)
    assert crossings / 2 / (12_000 / SAMPLE_RATE) == pytest.approx(440, abs=5)


def test_bytes_in_an_archive(tmp_path: Path) -> None:
    sound = speak(tmp_path / "a.wav", "uno dos").read_bytes()
    (tmp_path / "all.zip").write_bytes(b"x" * 100 + sound + b"y" * 50)
    ref = AudioRef.parse(f"all.zip:100:{len(sound)}", tmp_path)
    assert np.array_equal(load(ref), load(AudioRef.parse("a.wav", tmp_path)))


def test_silence_is_cut_at_both_ends_only() -> None:
    speech = load(AudioRef.parse(str(HUMAN)))
    quiet = np.zeros(SAMPLE_RATE, dtype=np.float32)
    start, end = SilenceStripper().bounds(np.concatenate([quiet, speech, quiet, speech, quiet]))
    assert SAMPLE_RATE * 0.9 <= start <= SAMPLE_RATE * 1.6
    total = 3 * SAMPLE_RATE + 2 * len(speech)
    assert total - 1.6 * SAMPLE_RATE <= end <= total - 0.5 * SAMPLE_RATE


def test_stripping_shortens_the_source_and_is_the_default(tmp_path: Path) -> None:
    speech = load(AudioRef.parse(str(HUMAN)))
    path = tmp_path / "padded.wav"
    quiet = np.zeros(SAMPLE_RATE, dtype=np.float32)
    soundfile.write(path, np.concatenate([quiet, speech, quiet]), SAMPLE_RATE)
    stripped = Preparation()(AudioRef.parse(str(path)), SilenceStripper())
    whole = Preparation(strip_silence=False)(AudioRef.parse(str(path)), SilenceStripper())
    assert stripped.trimmed_ms > 800
    assert whole.trimmed_ms == 0
    assert len(whole.samples) - len(stripped.samples) > 1.5 * SAMPLE_RATE


def test_audio_without_speech_is_left_as_it_is() -> None:
    noise = np.random.default_rng(0).normal(size=SAMPLE_RATE).astype(np.float32) / 1000
    assert SilenceStripper().bounds(noise) == (0, len(noise))


def test_standardized_audio_has_mean_0_and_variance_1() -> None:
    samples = np.linspace(0.2, 0.9, 1000, dtype=np.float32)
    scaled = standardize(samples)
    assert scaled.mean() == pytest.approx(0, abs=1e-6)
    assert scaled.var() == pytest.approx(1, abs=1e-3)


def test_unreadable_audio_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"nothing")
    with pytest.raises(AudioError, match="cannot be read as audio"):
        load(AudioRef.parse("a.wav", tmp_path))
    with pytest.raises(AudioError, match="no such file"):
        load(AudioRef.parse("b.wav", tmp_path))


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
