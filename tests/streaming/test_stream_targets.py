"""Languages that come and go within a stream, and what a system refuses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from seamless_server.errors import ConfigError, LanguageError, UsageError
from seamless_server.streaming import (
    Model,
    Target,
    load_model,
)
from tests.recorded import CHECKPOINT, audio
from tests.streaming.playing import (
    BOTH,
    PATIENT,
    TEXT,
    described,
    play,
    text,
)


def switch(system: Model, plan: Mapping[int, Mapping[str, Target]], **options: Any) -> Any:
    """Outputs of each push of a recording, with changes of targets before some of them."""
    stream = system.open(plan[0], options)
    samples = audio("human_pauses")
    pushes = []
    states = []
    for number, start in enumerate(range(0, len(samples), 5120)):
        if number and number in plan:
            stream.set_targets(plan[number])
        states.append(stream.state)
        pushes.append(list(stream.push(samples[start : start + 5120])))
    pushes.append(list(stream.finish()))
    return pushes, states


def test_a_language_that_comes_begins_with_the_next_segment(system: Model) -> None:
    always, states = switch(system, {0: {"spa": TEXT, "por": TEXT}}, **PATIENT)
    later, _ = switch(system, {0: {"spa": TEXT}, 5: {"spa": TEXT, "por": TEXT}}, **PATIENT)
    assert states[5] == "speech"
    flat = [x for push in later for x in push]
    wanted = [x for push in always for x in push if x.lang == "spa" or x.segment_id > 0]
    assert described(flat, "spa") == described(wanted, "spa")
    assert described(flat, "por") == described(wanted, "por")
    assert text(flat, "por").strip()


def test_a_language_that_goes_is_finished_first(system: Model) -> None:
    always, states = switch(system, {0: {"spa": TEXT, "deu": TEXT}}, **PATIENT)
    plan = {0: {"spa": TEXT, "deu": TEXT}, 10: {"spa": TEXT}}
    pushes, _ = switch(system, plan, **PATIENT)
    assert states[10] == "speech"
    flat = [x for push in pushes for x in push]
    assert described(flat, "spa") == described([x for push in always for x in push], "spa")
    german = [x for x in pushes[10] if x.lang == "deu"]
    assert german
    assert german[-1].finished
    assert not any(x.lang == "deu" for push in pushes[11:] for x in push)


def test_another_language_at_once_when_all_go(system: Model) -> None:
    plan = {0: {"spa": BOTH}, 6: {"deu": BOTH}}
    pushes, states = switch(system, plan, **PATIENT)
    assert states[6] == "speech"
    spanish = [x for x in pushes[6] if x.lang == "spa"]
    assert text(spanish).strip()
    assert spanish[-1].finished
    after = [x for push in pushes[7:] for x in push]
    assert {x.lang for x in after} == {"deu"}
    # The German segment begins where the Spanish one ended, with all the audio behind it.
    stream = system.open({"deu": BOTH}, PATIENT)
    rest = play(stream, audio("human_pauses")[6 * 5120 :])
    assert text(after) == text(rest)


def test_targets_that_the_model_lacks_change_nothing(system: Model) -> None:
    stream = system.open({"spa": TEXT})
    with pytest.raises(LanguageError, match="'xxx' is not a target language"):
        stream.set_targets({"deu": TEXT, "xxx": TEXT})
    with pytest.raises(LanguageError, match="no speech output in 'kan'"):
        stream.set_targets({"kan": BOTH})
    assert text(play(stream, audio("human_short")), "spa").strip()


def test_targets_are_checked(system: Model) -> None:
    with pytest.raises(LanguageError, match="'xxx' is not a target language"):
        system.open({"xxx": TEXT})
    for lang in ("kan", "tam", "cmn_Hant"):
        assert lang in system.text_languages
        assert lang not in system.speech_languages
        with pytest.raises(LanguageError, match=f"no speech output in '{lang}'; it speaks: arb"):
            system.open({lang: BOTH})
    with pytest.raises(UsageError, match="neither text nor speech"):
        system.open({"spa": Target(text=False, speech=False)})


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
    system: Model, options: dict[str, Any], named: str
) -> None:
    with pytest.raises((ConfigError, UsageError), match=named) as error:
        system.open({"spa": TEXT}, options)
    assert "\n" not in str(error.value)


def test_a_system_tells_what_it_is(system: Model) -> None:
    assert system.name == "tiny"
    assert system.sample_rate == 16_000
    assert len(system.text_languages) == 98
    assert len(system.speech_languages) == 36
    assert "eng" in system.source_languages
    # The same folder is loaded once.
    assert load_model(str(CHECKPOINT), "cpu", "fp32").engine is system.engine


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
