"""How well and how soon a captioning model writes what people say, and how many it carries.

    apt-get install pocketsphinx-testdata asterisk-core-sounds-en-g722 asterisk-moh-opsound-g722
    python benchmarks/whisper.py --model Whisper-base --output benchmarks/whisper.json

Sets: people (PocketSphinx's recordings), digits (number prompts), prompts (sentences of a voice
actor), voices (Kokoro's held-out voices read sentences; needs espeak-ng and `training`'s packages).
Word error rates are of normalised text, in which digits are compared one by one: whether 33, 4 is
written 33-4 is no error of hearing. Delays are in processor time of this process, which other
programs disturb little.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
from whisper_normalizer.english import EnglishTextNormalizer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from seamless_server.audio.reader import SAMPLE_RATE, read_audio
from seamless_server.evaluation.latency import length_adaptive_average_lagging
from seamless_server.streaming import Model, Target, TextOutput, load_model
from training.real_voices import FOLDER, SPOKEN, read

SOUNDS = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
PROMPTS = Path("/usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz")
SPEAKERS = {
    lang: Path("/usr/share/asterisk/sounds") / name
    for lang, name in (
        ("eng", "en_US_f_Allison"),
        ("spa", "es_MX_f_Allison"),
        ("fra", "fr_CA_f_June"),
        ("ita", "it_IT_m_Carlo"),
        ("rus", "ru_RU_f_IvrvoiceRU"),
    )
}
MUSIC = Path("/usr/share/asterisk/moh")
CHUNK = 5120
_normalise = EnglishTextNormalizer()


@dataclass
class Sound:
    """A recording and what is said in it."""

    samples: Any
    text: str


def words(text: str) -> str:
    """Normalised, every digit a word."""
    plain = _normalise(text).replace("-", " ")
    return " ".join(re.sub(r"\d", lambda digit: f" {digit[0]} ", plain).split())


def hear(model: Model, samples: Any, lang: str = "eng") -> tuple[str, list[tuple[float, str]]]:
    """The text, and each piece with the time of its coming in ms if the processor does nothing
    else: audio that has come, and what computing took."""
    stream = model.open({lang: Target()})
    pieces: list[tuple[float, str]] = []
    free = 0.0
    for start in range(0, len(samples) + CHUNK, CHUNK):
        chunk = samples[start : start + CHUNK]
        last = start + CHUNK >= len(samples)
        came = min(len(samples), start + CHUNK) * 1000 / SAMPLE_RATE
        began = time.process_time()
        outputs = list(stream.push(chunk, last=last))
        free = max(free, came) + (time.process_time() - began) * 1000
        pieces += [(free, x.text) for x in outputs if isinstance(x, TextOutput) and x.text]
        if last:
            break
    return "".join(text for _, text in pieces).strip(), pieces


def people() -> Iterator[Sound]:
    """Recordings of real people."""
    for name, text in SPOKEN.items():
        yield Sound(read(FOLDER / name), text)


def digits() -> Iterator[Sound]:
    """0 to 20, 30 to 90, one word each, with silence around."""
    pause = np.zeros(SAMPLE_RATE // 2, np.float32)
    for number in [*range(21), *range(30, 100, 10)]:
        samples = read_audio(SOUNDS / "digits" / f"{number}.g722")
        yield Sound(np.concatenate([pause, samples, pause]), str(number))


def prompts(most: int) -> Iterator[Sound]:
    """Sentences of a voice actor, of at least five words."""
    lines = gzip.decompress(PROMPTS.read_bytes()).decode("utf-8", "replace").splitlines()
    count = 0
    for line in lines:
        name, _, text = line.partition(":")
        path = SOUNDS / f"{name.strip()}.g722"
        if len(text.split()) >= 5 and "[" not in text and path.is_file() and count < most:
            count += 1
            yield Sound(read_audio(path), text.strip())


def voices(most: int) -> Iterator[Sound]:
    """Kokoro's held-out voices read what people say in ordinary life."""
    import soxr

    from training.speech.engines import engine
    from training.speech.kokoro import HELD_OUT, RATE, Kokoro, english

    kokoro, espeak = Kokoro(), engine("espeak")
    for number in range(most):
        text, voice = SENTENCES[number % len(SENTENCES)], HELD_OUT[number % len(HELD_OUT)]
        phones = english(text, espeak.phonemes, british=voice.startswith("b"))
        samples = soxr.resample(kokoro.speak(phones, voice), RATE, SAMPLE_RATE)
        yield Sound(np.asarray(samples, np.float32), text)


SENTENCES = (
    "The committee will publish its report at the end of the month.",
    "We walked along the river until it was too dark to see the path.",
    "Could you please send me the documents before the meeting starts?",
    "Most of the students had never visited a museum of natural history.",
    "The new railway line connects the harbour with the old market square.",
    "She told him that the garden needed water every evening in summer.",
    "Scientists have found that birds remember the faces of people.",
    "If the weather stays like this we should postpone the concert.",
    "My grandmother used to bake bread in an oven made of clay.",
    "The company apologised for the delay and offered a full refund.",
    "Nobody knew why the lights in the library went out last night.",
    "He opened the window and listened to the rain on the roof.",
    "The doctor said that it was nothing serious and that I should rest.",
    "There is a small island behind the lighthouse where seals live.",
    "They are building a school next to the hospital in our street.",
    "I would rather stay at home and read a good book tonight.",
)


def measure(model: Model, sounds: list[Sound]) -> dict[str, Any]:
    """Errors, delays and cost of a set."""
    heard, lags, began, seconds = [], [], time.process_time(), 0.0
    for sound in sounds:
        text, pieces = hear(model, sound.samples)
        heard.append(text)
        seconds += len(sound.samples) / SAMPLE_RATE
        delays = [at for at, piece in pieces for _ in piece.split()]
        if delays:
            length = len(sound.samples) * 1000 / SAMPLE_RATE
            lags.append(length_adaptive_average_lagging(delays, length, len(sound.text.split())))
    spent = time.process_time() - began
    for sound, text in zip(sounds, heard, strict=True):
        if words(sound.text) != words(text):
            print(f"    {sound.text}\n  = {text}", flush=True)
    return {
        "sounds": len(sounds),
        "seconds": round(seconds, 1),
        "wer": round(
            100 * jiwer.wer([words(x.text) for x in sounds], [words(x) for x in heard]), 1
        ),
        "exact": sum(words(x.text) == words(y) for x, y in zip(sounds, heard, strict=True)),
        "laal_ca_ms": {
            "median": round(float(np.median(lags))),
            "p90": round(float(np.quantile(lags, 0.9))),
        },
        "cpu_seconds_per_second": round(spent / seconds, 3),
    }


def talk(model: Model, sounds: list[Sound], minutes: float) -> dict[str, Any]:
    """Sentences joined, half a second apart, until they are so long."""
    pause = np.zeros(SAMPLE_RATE // 2, np.float32)
    parts: list[Any] = []
    said: list[str] = []
    length = 0
    while length < minutes * 60 * SAMPLE_RATE:
        sound = sounds[len(said) % len(sounds)]
        parts += [sound.samples, pause]
        said.append(sound.text)
        length += len(sound.samples) + len(pause)
    began = time.process_time()
    text, _ = hear(model, np.concatenate(parts))
    seconds = length / SAMPLE_RATE
    return {
        "minutes": round(seconds / 60, 1),
        "wer": round(100 * jiwer.wer(words(" ".join(said)), words(text)), 1),
        "words_said": len(words(" ".join(said)).split()),
        "words_written": len(words(text).split()),
        "cpu_seconds_per_second": round((time.process_time() - began) / seconds, 3),
    }


def recognised(model: Model, most: int) -> dict[str, Any]:
    """Of telephone prompts of 1.5 s or more: how many are recognised from their beginning."""
    found: dict[str, Any] = {}
    for lang, folder in SPEAKERS.items():
        sounds = []
        for path in sorted(folder.glob("*.g722")):
            if not path.stat().st_size:
                continue
            samples = read_audio(path)
            loud = np.flatnonzero(np.abs(samples) > 0.02)
            if len(loud) and loud[-1] - loud[0] >= 1.5 * SAMPLE_RATE:
                sounds.append(samples[loud[0] :])
        sounds = sounds[:: max(1, len(sounds) // most)][:most]
        counts = {}
        for seconds in (1.0, 2.0, 30.0):
            heard = []
            for samples in sounds:
                stream = model.open({lang: Target()}, vad=False)
                list(stream.push(samples[: int(seconds * SAMPLE_RATE)], last=True))
                heard.append(stream.source_lang)
            counts["whole" if seconds == 30 else f"{seconds:.0f} s"] = heard.count(lang)
        found[lang] = {"prompts": len(sounds), **counts}
    return found


def silent(model: Model, seconds: float) -> dict[str, Any]:
    """What is written where nobody speaks."""
    noise = np.random.default_rng(1).standard_normal(int(seconds * SAMPLE_RATE))
    found = {
        "silence": hear(model, np.zeros(int(seconds * SAMPLE_RATE), np.float32))[0],
        "noise": hear(model, (0.05 * noise).astype(np.float32))[0],
    }
    for path in sorted(MUSIC.glob("*.g722")):
        found[path.stem] = hear(model, read_audio(path)[: int(seconds * SAMPLE_RATE)])[0]
    return found


def speakers(model: Model, sounds: list[Sound], count: int) -> dict[str, Any]:
    """So many speakers in real time: how late their audio is taken."""
    lags: list[float] = []

    def speak(number: int) -> None:
        order = sounds[number:] + sounds[:number]
        samples = np.concatenate([sound.samples for sound in order])[: 30 * SAMPLE_RATE]
        stream, began = model.open({"eng": Target()}), time.monotonic()
        for start in range(0, len(samples), CHUNK):
            due = began + (start + CHUNK) / SAMPLE_RATE
            time.sleep(max(0.0, due - time.monotonic()))
            list(stream.push(samples[start : start + CHUNK]))
            lags.append(time.monotonic() - due)
        list(stream.finish())

    began = time.process_time()
    threads = [threading.Thread(target=speak, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {
        "speakers": count,
        "lag_p95_s": round(float(np.quantile(lags, 0.95)), 2),
        "lag_last_s": round(max(lags[-count:]), 2),
        "cpu_seconds_per_second": round((time.process_time() - began) / 30 / count, 3),
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="Whisper-base")
    parser.add_argument("--sets", nargs="*", default=["people", "digits", "prompts", "voices"])
    parser.add_argument("--most", type=int, default=64, help="sounds of prompts and of voices")
    parser.add_argument("--recognise", type=int, default=40, help="prompts a language; 0: none")
    parser.add_argument("--minutes", type=float, default=10.0, help="of the talk; 0: none")
    parser.add_argument("--speakers", type=int, nargs="*", default=[1, 4])
    parser.add_argument("--silent", type=float, default=60.0, help="seconds of each; 0: none")
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    model = load_model(args.model, "cpu")
    made: dict[str, list[Sound]] = {}
    makers = {"people": people, "digits": digits}
    report: dict[str, Any] = {"model": args.model}
    for name in args.sets:
        counted = {"prompts": prompts, "voices": voices}.get(name)
        made[name] = list(counted(args.most) if counted else makers[name]())
        report[name] = measure(model, made[name])
        print(name, json.dumps(report[name]), flush=True)
    sounds = made.get("voices") or next(iter(made.values()), [])
    if args.recognise:
        report["recognised"] = recognised(model, args.recognise)
        print(json.dumps(report["recognised"]), flush=True)
    if args.silent:
        report["silent"] = silent(model, args.silent)
        print(json.dumps(report["silent"]), flush=True)
    if args.minutes:
        report["talk"] = talk(model, sounds, args.minutes)
        print(json.dumps(report["talk"]), flush=True)
    report["at_once"] = [speakers(model, sounds, count) for count in args.speakers]
    print(json.dumps(report["at_once"]), flush=True)
    if args.output is not None:
        args.output.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
