"""Scores against figures worked out by hand, and the parts around recognisers."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from seamless_server.cli import app
from seamless_server.errors import LanguageError
from seamless_server.evaluation import longform, quality
from seamless_server.evaluation.quality import (
    error_counts,
    sentence_scores,
    speech_scores,
    transcription_scores,
    translation_scores,
)
from seamless_server.evaluation.records import Record
from seamless_server.evaluation.transcribe import whisper_code
from seamless_server.evaluation.units import Fragment
from seamless_server.languages import codes
from tests.evaluation.toy_data import SENTENCES, Evaluate


def test_bleu_of_unnormalised_text_by_13a() -> None:
    # 5 words and the full stop that 13a splits off, one word wrong: precisions 5/6, 3/5, 1/4 and
    # none of 3, which sacrebleu's exponential smoothing makes 1/(2*3).
    bleu, chrf = translation_scores(["the cat sat on mats."], ["the cat lay on mats."], "eng")
    expected = 100 * (5 / 6 * 3 / 5 * 1 / 4 * 1 / 6) ** 0.25
    assert bleu.value == pytest.approx(expected, abs=1e-6)
    assert "tok:13a" in bleu.signature
    assert "case:mixed" in bleu.signature
    assert translation_scores(["A b"], ["a b"], "eng")[0].value < 100
    assert chrf.name == "chrF++"


@pytest.mark.parametrize("lang", ["cmn", "jpn", "tha", "lao", "mya", "yue", "khm", "bod"])
def test_languages_without_spaces_are_scored_by_characters(lang: str) -> None:
    bleu = translation_scores(["一二三四五"], ["一二 三四五"], lang)[0]
    assert bleu.value == pytest.approx(100)
    assert "tok:char" in bleu.signature
    assert error_counts("一二三", "一二四", lang) == (1, 3)
    assert transcription_scores(["一二三"], ["一二四"], lang)[0].name == "CER"


def test_word_error_rate_is_in_percent_of_the_reference() -> None:
    rate, swapped = transcription_scores(["Hello, THE world"], ["hello world"], "eng")
    assert (rate.name, rate.value) == ("WER", 50.0)
    assert swapped.value == pytest.approx(100 / 3)
    assert "swapped" in swapped.signature
    assert not rate.higher_is_better


def test_transcripts_are_normalised_as_whisper_does() -> None:
    assert error_counts("He doesn't have twenty dollars.", "he does not have $20", "eng")[0] == 0
    # The basic normaliser leaves numbers alone and removes punctuation and what is in brackets.
    assert error_counts("¿Qué tal (risas)?", "qué tal", "spa") == (0, 2)


def test_errors_of_a_corpus_are_added_up_before_dividing() -> None:
    hypotheses, references = ["a b c", "x"], ["a b d", "y"]
    assert transcription_scores(hypotheses, references, "spa")[0].value == pytest.approx(50)
    assert transcription_scores(["a"], [""], "spa")[0].value == 100
    assert transcription_scores([""], [""], "spa")[0].value == 0


def test_asr_bleu_ignores_case_and_punctuation() -> None:
    scores = speech_scores(["Hola, buenos días a todos"], ["hola buenos días a todos."], "spa", "x")
    assert scores[0].value == pytest.approx(100)
    assert scores[0].signature.endswith("norm:whisper|asr:x")
    assert "case:lc" in scores[0].signature


def test_asr_bleu_normalises_as_the_language_wants() -> None:
    # English's normaliser takes "um" for a filler; in Portuguese it is an article.
    heard, said = ["um carro azul que eu vi ontem"], ["carro azul que eu vi ontem"]
    assert speech_scores(heard, said, "por", "x")[0].value < 100
    assert speech_scores(heard, said, "eng", "x")[0].value == pytest.approx(100)


def test_scores_of_one_sentence_name_the_right_metric() -> None:
    assert set(sentence_scores("a", "a", "spa", "asr")) == {"WER"}
    assert set(sentence_scores("a", "a", "cmn", "asr")) == {"CER"}
    assert sentence_scores("HOLA!", "hola", "spa", "s2st")["chrF++"] == pytest.approx(100)


def test_whisper_hears_every_language_that_the_model_speaks() -> None:
    for lang in codes("speech"):
        assert len(whisper_code(lang)) == 2
    with pytest.raises(LanguageError, match="--asr-model none"):
        whisper_code("zul")


def test_a_missing_recogniser_is_known_before_anything_is_computed(
    evaluate: Evaluate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    result = evaluate(task="s2st", agent="ToneAgent")
    assert "pip install 'seamless-server[asr]'" in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_a_recogniser_that_is_no_model_is_known_before_anything_is_computed(
    evaluate: Evaluate, tmp_path: Path
) -> None:
    (tmp_path / "whisper").mkdir()
    result = evaluate("--asr-model", tmp_path / "whisper", task="s2st", agent="ToneAgent")
    assert "cannot be loaded" in str(result.exception)
    assert "--asr-model none" in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_signatures_say_which_normaliser() -> None:
    assert "norm:whisper-english" in transcription_scores(["a"], ["a"], "eng")[0].signature
    assert "norm:whisper-basic" in transcription_scores(["a"], ["a"], "deu")[0].signature
    assert quality.bleu_tokenizer("cmn_Hant") == "char"
    for lang, tokenizer in (("cmn", "char"), ("jpn", "char"), ("deu", "13a"), ("eng", "13a")):
        (score,) = quality.speech_scores(["a b"], ["a b"], lang, asr="tiny")
        assert f"tok:{tokenizer}|" in score.signature
        assert "case:lc|" in score.signature
    # Where words are not separated, half of the letters are half of the way.
    (half,) = quality.speech_scores(["一二三四五六七八"], ["一二三四九六七八"], "cmn", asr="tiny")
    assert 0 < half.value < 100


def recording(lang: str, *words: tuple[str, float]) -> Record:
    return Record(
        index=0,
        id="talk",
        audio="talks/talk.wav",
        tgt_lang=lang,
        reference="",
        prediction="".join(word for word, _ in words).strip(),
        source_ms=9000.0,
        trimmed_ms=1000.0,
        delays=[],
        elapsed=[],
        available=[],
        steps=[],
        fragments=[Fragment(word, time, time + 99, time + 50) for word, time in words],
    )


def test_long_recordings_are_scored_by_omnisteval(tmp_path: Path) -> None:
    talk = recording(
        "spa", (" hola", 1000.0), (" mundo", 2000.0), (" adiós", 6000.0), (" mundo", 7000.0)
    )
    log, segments, references = tmp_path / "log", tmp_path / "s.yaml", tmp_path / "refs"
    longform.export(log, [talk], "spa")
    segments.write_text(
        "- {wav: talk.wav, offset: 1.0, duration: 3.0}\n"
        "- {wav: talk.wav, offset: 6.0, duration: 3.0}\n"
    )
    references.write_text("hola mundo\nadiós mundo\n")
    figures = longform.evaluate(log, segments, references, "spa", tmp_path / "out")
    assert figures["chrF"] == pytest.approx(100)
    # Delays from the start of each sentence: 1000 2000 | 1000 2000 of 3000 ms, two words each, so
    # that an ideal writer writes every 1500 ms. The second of stripped silence is counted in.
    assert figures["LongYAAL (CU)"] == pytest.approx((1000 + 500) / 2)
    assert figures["LongLAAL (CU)"] == pytest.approx((1000 + 500) / 2)
    assert figures["LongYAAL (CA)"] == pytest.approx(figures["LongYAAL (CU)"] + 50)


def test_long_recordings_in_characters(tmp_path: Path) -> None:
    talk = recording("cmn", ("你好", 1000.0), ("世界", 2000.0))
    log, segments, references = tmp_path / "log", tmp_path / "s.yaml", tmp_path / "refs"
    longform.export(log, [talk], "cmn")
    segments.write_text("- {wav: talk.wav, offset: 1.0, duration: 4.0}\n")
    references.write_text("你好世界\n")
    figures = longform.evaluate(log, segments, references, "cmn", tmp_path / "out")
    assert figures["LongLAAL (CU)"] == pytest.approx((1000 + 0 + 0 - 1000) / 4)


def test_a_run_over_long_recordings_is_scored(evaluate: Evaluate, tmp_path: Path) -> None:
    def longform_command(folder: Path) -> Result:
        options = ["--segmentation", tmp_path / "s.yaml", "--references", tmp_path / "refs"]
        words = ["evaluate", "longform", folder, *options]
        return CliRunner().invoke(app, [str(word) for word in words])

    evaluate("--limit", 2)
    # Each recording is cut in the middle: two words, and the rest.
    segments, references = [], []
    for name, words in list(SENTENCES.items())[:2]:
        count = len(words.split())
        for start, end in ((0, 2), (2, count)):
            seconds = f"offset: {start * 0.4:.1f}, duration: {(end - start) * 0.4:.1f}"
            segments.append(f"- {{wav: {name}.wav, {seconds}}}\n")
            references.append(" ".join(words.split()[start:end]) + "\n")
    (tmp_path / "s.yaml").write_text("".join(segments))
    (tmp_path / "refs").write_text("".join(references))
    result = longform_command(tmp_path / "out")
    assert result.exit_code == 0, result.output
    figures = dict(line.split("\t") for line in result.output.splitlines() if "\t" in line)
    assert float(figures["chrF"]) == pytest.approx(100)
    assert 0 < float(figures["LongYAAL (CU)"]) < float(figures["LongYAAL (CA)"]) < 1000
    evaluate("--asr-model", "none", "--output", tmp_path / "s", task="s2st", agent="ToneAgent")
    result = longform_command(tmp_path / "s")
    assert "scored on text, and this run gave speech" in str(result.exception)


def test_omnisteval_says_what_is_wrong(tmp_path: Path) -> None:
    longform.export(tmp_path / "log", [recording("spa", (" hola", 1000.0))], "spa")
    (tmp_path / "s.yaml").write_text("- {wav: other.wav, offset: 1.0, duration: 4.0}\n")
    (tmp_path / "refs").write_text("hola\n")
    with pytest.raises(longform.LongformError, match="talk"):
        longform.evaluate(
            tmp_path / "log", tmp_path / "s.yaml", tmp_path / "refs", "spa", tmp_path / "out"
        )
    with pytest.raises(longform.LongformError, match="no such file"):
        longform.evaluate(tmp_path / "log", tmp_path / "no", tmp_path / "refs", "spa", tmp_path)


@pytest.mark.parametrize("lang", ["yue", "khm", "mya", "lao", "tha", "jpn", "cmn", "bod"])
def test_the_official_list_of_languages_without_spaces_is_shorter(lang: str) -> None:
    official = translation_scores(["a b"], ["a b"], lang, official=True)[0]
    tokenizer = "13a" if lang in ("yue", "khm", "bod") else "char"
    assert f"tok:{tokenizer}|" in official.signature
    assert "tok:char|" in translation_scores(["a b"], ["a b"], lang)[0].signature


def test_texts_that_look_equal_are_equal() -> None:
    assert quality.composed(["cafe\u0301"]) == ["caf\u00e9"]
