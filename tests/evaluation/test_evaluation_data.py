"""Manifests and source audio."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from seamless_server.errors import AudioError, UsageError
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
from tests.evaluation.toy_agents import speak
from tests.evaluation.toy_data import Evaluate

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


def test_a_wrong_column_hides_nothing_else(data: Path) -> None:
    (data.parent / "b.wav").unlink()
    found = problems(data, Selection(ref_field="translation", tgt_langs=("spa", "xxx")))
    assert "no column 'translation'" in found
    assert "b.wav: no such file" in found
    assert "unknown language 'xxx'" in found
    assert "empty reference" not in found
    data.write_text(data.read_text().replace("tgt_lang", "target"))
    found = problems(data, Selection())
    assert "no column 'tgt_lang'" in found
    assert "b.wav: no such file" in found
    assert len(found.splitlines()) == 2


def test_a_column_a_language_that_is_missing_is_said_once(data: Path) -> None:
    found = problems(data, Selection(ref_field="text_{lang}"))
    assert found.splitlines() == [
        "has no column 'text_spa' (its columns: id, audio, src_lang, tgt_lang, tgt_text)"
        "; choose the reference with --ref-field"
    ]


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
    for name in ("b", "b.wav"):
        assert ids(Selection(ids={name})) == ["b"]
    with pytest.raises(ManifestError, match="no sentence is left"):
        ids(Selection(ids={"z"}))
    with pytest.raises(UsageError, match=r"nowhere\.txt: no such file"):
        read_ids(tmp_path / "nowhere.txt")
    listed.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="is not UTF-8 text"):
        read_ids(listed)


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


def test_references_are_composed_and_repeated_ids_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    speak(tmp_path / "a.wav", "uno")
    path = tmp_path / "data.tsv"
    rows = "x\ta.wav\tcafe\u0301\ny\ta.wav\tuno\nx\ta.wav\tdos\n"
    path.write_text(f"id\taudio\ttgt_text\n{rows}", encoding="utf-8")
    found = load_manifest(path, None, Selection(tgt_langs=("spa",)))
    assert found[0].reference == "caf\u00e9"
    assert "1 references were not in Unicode's composed form" in caplog.text
    assert "not unique: x (lines 2, 4)" in caplog.text


def test_a_name_with_colons_is_a_file_where_there_is_one(tmp_path: Path) -> None:
    sound = speak(tmp_path / "rec_12:30:45.wav", "uno").rename(tmp_path / "rec_12:30:45")
    assert AudioRef.parse("rec_12:30:45", tmp_path) == AudioRef(sound)
    assert AudioRef.parse("other:30:45", tmp_path) == AudioRef(tmp_path / "other", 30, 45)


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
    noise = np.random.default_rng(0).normal(scale=0.001, size=SAMPLE_RATE).astype(np.float32)
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
