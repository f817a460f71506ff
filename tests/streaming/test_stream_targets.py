"""Languages that come and go within a stream, and what a model refuses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from seamless_server.errors import ConfigError, LanguageError, UsageError
from seamless_server.streaming import (
    Model,
    SpeechOutput,
    Target,
    TextOutput,
    load_model,
)
from tests.recorded import CHECKPOINT, audio
from tests.streaming.playing import (
    AT_THE_END,
    BOTH,
    PATIENT,
    TALKATIVE,
    TEXT,
    described,
    play,
    text,
)


def switch(
    model: Model, plan: Mapping[int, Mapping[str, Target]], whole: bool = True, **options: Any
) -> Any:
    """Outputs of each push of a recording, with changes of targets before some of them."""
    stream = model.open(plan[0], options)
    samples = audio("human_pauses")
    pushes = []
    states = []
    for number, start in enumerate(range(0, len(samples), 5120)):
        if number and number in plan:
            stream.set_targets(plan[number], whole)
        states.append(stream.state)
        pushes.append(list(stream.push(samples[start : start + 5120])))
    pushes.append(list(stream.finish()))
    return pushes, states


def flat(pushes: Any) -> Any:
    return [x for push in pushes for x in push]


def test_a_language_that_comes_gets_the_open_sentence_from_its_start(model: Model) -> None:
    always, states = switch(model, {0: {"spa": TEXT, "por": TEXT}}, **PATIENT)
    later, _ = switch(model, {0: {"spa": TEXT}, 5: {"spa": TEXT, "por": TEXT}}, **PATIENT)
    assert states[5] == "speech"
    assert described(flat(later), "spa") == described(flat(always), "spa")
    # Every sentence is there, the one that was being spoken too, from where it began.
    first = [x for x in flat(later) if x.lang == "por" and x.segment_id == 0]
    assert text(first).strip()
    assert first[0].start_ms == next(x.start_ms for x in flat(always) if x.lang == "por")
    rest = [x for x in flat(always) if x.segment_id > 0]
    assert described([x for x in flat(later) if x.segment_id > 0], "por") == described(rest, "por")


def test_a_language_that_comes_late_says_what_it_would_have_said_in_one_piece(
    model: Model,
) -> None:
    """The encoder's states are still there: only the decoder starts anew."""
    patient = {**PATIENT, "min_starting_wait": 10_000}
    always, _ = switch(model, {0: {"spa": TEXT, "por": TEXT}}, **patient)
    later, _ = switch(model, {0: {"spa": TEXT}, 8: {"spa": TEXT, "por": TEXT}}, **patient)
    assert text(flat(later), "por") == text(flat(always), "por") != ""


def test_a_language_that_comes_gets_the_longest_of_two_sentences(model: Model) -> None:
    """German has ended a sentence within the segment, Spanish has not."""
    options = {**PATIENT, "no_early_stop": False, "max_len_b": 5}
    plan = {0: {"spa": TEXT, "deu": TEXT}, 9: {"spa": TEXT, "deu": TEXT, "eng": TEXT}}
    pushes, states = switch(model, plan, **options)
    assert states[9] == "speech"
    begins = {
        lang: min(x.start_ms for x in flat(pushes[9:]) if (x.lang, x.segment_id) == (lang, 0))
        for lang in ("deu", "eng")
    }
    assert begins["eng"] == flat(pushes)[0].start_ms < begins["deu"]


def test_a_language_that_goes_ends_its_sentence(model: Model) -> None:
    always, states = switch(model, {0: {"spa": TEXT, "deu": TEXT}}, **PATIENT)
    plan = {0: {"spa": TEXT, "deu": TEXT}, 10: {"spa": TEXT}}
    pushes, _ = switch(model, plan, **PATIENT)
    assert states[10] == "speech"
    assert described(flat(pushes), "spa") == described(flat(always), "spa")
    segment = max(x.segment_id for x in flat(always[:10]))
    whole = [x for x in flat(always) if x.segment_id <= segment]
    assert described(flat(pushes), "deu") == described(whole, "deu")
    assert flat(pushes)[-1].segment_id > segment


def test_a_listener_of_one_language_at_a_time_hears_none_twice(model: Model) -> None:
    always, states = switch(model, {0: {"spa": BOTH}}, **PATIENT)
    alone, _ = switch(model, {0: {"por": BOTH}}, **PATIENT)
    pushes, _ = switch(model, {0: {"spa": BOTH}, 6: {"por": BOTH}}, whole=False, **PATIENT)
    assert states[6] == "speech"
    spanish = [x for x in flat(always) if x.segment_id == 0]
    assert described(flat(pushes), "spa") == described(spanish, "spa")
    rest = [x for x in flat(alone) if x.segment_id > 0]
    assert described(flat(pushes), "por") == described(rest, "por") != []


def test_no_language_is_lost_when_all_of_them_ended_early(model: Model) -> None:
    """The one that went has ended its sentence within the segment: the next begins right there."""
    options = {**PATIENT, "no_early_stop": False, "max_len_b": 3}
    always, states = switch(model, {0: {"spa": TEXT}}, **options)
    ended = next(n for n, push in enumerate(always) if any(x.finished for x in push))
    assert states[ended + 1] == "speech"
    pushes, _ = switch(model, {0: {"spa": TEXT}, ended: {"deu": TEXT}}, whole=False, **options)
    assert text(flat(pushes[: ended + 1]), "spa") == text(flat(always[: ended + 1]), "spa")
    assert {x.lang for x in flat(pushes[ended + 1 :])} == {"deu"}
    assert min(x.segment_id for x in flat(pushes) if x.lang == "deu") == 0


def test_what_is_not_understood_is_not_said(model: Model) -> None:
    sure = play(model.open({"spa": BOTH}, TALKATIVE), audio("human_pauses"))
    values = [x.confidence for x in sure if isinstance(x, TextOutput) and x.confidence]
    between = sorted(values)[len(values) // 2]
    outputs = play(
        model.open({"spa": BOTH}, {**TALKATIVE, "min_confidence": between}), audio("human_pauses")
    )
    lost = [x for x in outputs if isinstance(x, TextOutput) and not x.understood]
    assert lost
    for given_up in lost:
        assert given_up.text == ""
        assert given_up.finished
        assert given_up.confidence is not None
        assert given_up.confidence < between
    said = [x for x in outputs if isinstance(x, TextOutput) and x.text]
    assert all(x.confidence is not None and x.confidence >= between for x in said)
    assert len(text(outputs)) < len(text(sure))
    # Nor is it spoken: less sound, and every sentence of it has its end.
    samples = [
        sum(len(x.samples) for x in all if isinstance(x, SpeechOutput)) for all in (outputs, sure)
    ]
    assert samples[0] < samples[1]


def test_the_official_behaviour_too_knows_several_languages() -> None:
    official = load_model(CHECKPOINT, "cpu", "fp32", compat="official")
    samples = audio("human_pauses")[: 6 * 16_000]
    both = play(official.open({"spa": TEXT, "deu": TEXT}, AT_THE_END), samples)
    for lang in ("spa", "deu"):
        alone = play(official.open({lang: TEXT}, AT_THE_END), samples)
        assert text(both, lang) == text(alone, lang) != ""


def test_targets_that_the_model_lacks_change_nothing(model: Model) -> None:
    stream = model.open({"spa": TEXT})
    with pytest.raises(LanguageError, match="'xxx' is not a target language"):
        stream.set_targets({"deu": TEXT, "xxx": TEXT})
    with pytest.raises(LanguageError, match="no speech output in 'kan'"):
        stream.set_targets({"kan": BOTH})
    assert text(play(stream, audio("human_short")), "spa").strip()


def test_each_language_is_spoken_by_the_chosen_one_of_its_voices(model: Model) -> None:
    def heard(**options: Any) -> dict[str, Any]:
        stream = model.open({"est": BOTH, "cmn": BOTH, "deu": BOTH}, {**TALKATIVE, **options})
        outputs = play(stream, audio("human_short")[:40_000])
        spoken = [x for x in outputs if isinstance(x, SpeechOutput)]
        return {
            lang: [x.samples.tolist() for x in spoken if x.lang == lang]
            for lang in ("est", "cmn", "deu")
        }

    usual, second, third, named = (
        heard(),
        heard(voice_number=2),
        heard(voice_number=3),
        heard(voice_number=2, vocoder_speaker_id=9),
    )
    assert all(usual.values())
    assert usual == heard(voice_number=1)
    assert usual["est"] != second["est"] != third["est"] != usual["est"]
    # A language that has fewer takes its last.
    assert usual["cmn"] != second["cmn"] == third["cmn"]
    assert usual["deu"] == second["deu"] == third["deu"]
    # An operator's own row stays what it is.
    assert named["deu"] == usual["deu"]
    assert named["est"] not in (usual["est"], second["est"])


def test_targets_are_checked(model: Model) -> None:
    with pytest.raises(LanguageError, match="'xxx' is not a target language"):
        model.open({"xxx": TEXT})
    for lang in ("kan", "tam", "cmn_Hant"):
        assert lang in model.text_languages
        assert lang not in model.speech_languages
        with pytest.raises(LanguageError, match=f"no speech output in '{lang}'; it speaks: arb"):
            model.open({lang: BOTH})
    with pytest.raises(UsageError, match="neither text nor speech"):
        model.open({"spa": Target(text=False, speech=False)})


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"colour": "red"}, "colour"),
        ({"decision_threshhold": 0.5}, "decision_threshhold"),
        ({"decision_threshold": 1.5}, "decision_threshold"),
        ({"decision_threshold": "high"}, "decision_threshold"),
        ({"decision_method": "mode"}, "decision_method"),
        ({"max_len_b": -1}, "max_len_b"),
        ({"p_choose_start_layer": 99}, "p-choose-start-layer"),
        ({"vocoder_speaker_id": 10_000}, "vocoder-speaker-id"),
        ({"window_size_samples": 300}, "window_size_samples"),
    ],
)
def test_an_option_that_is_wrong_is_named(
    model: Model, options: dict[str, Any], named: str
) -> None:
    with pytest.raises((ConfigError, UsageError), match=named) as error:
        model.open({"spa": TEXT}, options)
    assert "\n" not in str(error.value)


def test_a_system_tells_what_it_is(model: Model) -> None:
    assert model.name == "tiny"
    assert model.sample_rate == 16_000
    assert len(model.text_languages) == 98
    assert len(model.speech_languages) == 36
    assert "eng" in model.source_languages
    # Voices are counted where there are several.
    assert {"ces", "deu"}.isdisjoint(model.voices)
    assert (model.voices["cmn"], model.voices["est"]) == (2, 3)
    # The same folder is loaded once.
    assert load_model(str(CHECKPOINT), "cpu", "fp32").engine is model.engine


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"device": "abacus"}, "device"),
        ({"device": "cuda:99"}, "device"),
        ({"dtype": "fp8"}, "dtype"),
        ({"compat": "unofficial"}, "compat"),
    ],
)
def test_a_system_that_cannot_be_is_named(options: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_model(CHECKPOINT, **{"device": "cpu", **options})  # type: ignore[arg-type]
    assert error.value.field == named
