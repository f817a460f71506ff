"""How well an independent recogniser understands the spoken output.

    python -m training.intelligibility --model models/SeamlessStreaming-mini --units WORK/units

The recogniser is Whisper base (multilingual), which ``training.recogniser`` fetches. Everything
that is compared says the same words, those that the model wrote: the target voice as its engine
speaks, the same at a flat pitch (the voice that the vocoder learns), that voice through units and
vocoder, and the model's own speech, made piece by piece as it is when somebody listens.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import torch
from faster_whisper import WhisperModel

from seamless_server.engine import VocodeRequest
from seamless_server.streaming import SpeechOutput, Target, TextOutput, load_model
from seamless_server.streaming.seamless_model import SeamlessModel
from training import config, metrics, recogniser, units
from training.text import grammar, sample

CODES = {"eng": "en", "spa": "es", "fra": "fr", "deu": "de"}
FORMS = ("engine", "flat", "units", "model")


def wordy(sentence: sample.Sentence) -> bool:
    """Whether it has no numbers, which a recogniser writes in figures."""
    for number in sentence.template.split("+"):
        for piece in grammar.sentences()[int(number)].lines["eng"]:
            if piece.slot.startswith(("num", "time", "digits", "floor")):
                return False
    text = sentence.text("eng")
    return not any(word in text for word in ("o'clock", "past", "quarter", " to ", "rooms", "Two"))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument(
        "--recognizer",
        type=Path,
        default=recogniser.FOLDER,
        help="folder of a faster-whisper model",
    )
    parser.add_argument(
        "--units", type=Path, required=True, help="units' centres, by training.units or .restore"
    )
    parser.add_argument("--sentences", type=int, default=20)
    parser.add_argument("--languages", nargs="+", default=config.LANGUAGES)
    parser.add_argument(
        "--forms",
        nargs="+",
        choices=FORMS,
        default=FORMS,
        metavar="FORM",
        help=f"which of {', '.join(FORMS)}",
    )
    parser.add_argument("--out", type=Path, help="JSON file; what else is in it stays")
    parser.add_argument("--verbose", action="store_true", help="print what was misunderstood")
    args = parser.parse_args()
    torch.set_num_threads(1)
    # In int8 it hears the same sound differently from one process to the next; and where it begins
    # to repeat itself it draws words, from this seed.
    ctranslate2.set_random_seed(9)
    whisper = WhisperModel(
        str(args.recognizer), device="cpu", compute_type="float32", cpu_threads=1
    )
    system = load_model(args.model, device="cpu")
    assert isinstance(system, SeamlessModel)
    chosen: dict[str, None] = {}
    for sentence in sample.stream(515, held_out=True):
        if len(chosen) == args.sentences:
            break
        if wordy(sentence):
            chosen[sentence.text("eng")] = None
    silence = np.zeros(1600, np.float32)
    # A recogniser mishears speech that begins with the file, which nobody hears like that.
    pause = np.zeros(8000, np.float32)
    engine, speakers = system.agents.engine, system.agents.checkpoint.config.vocoder_speakers

    def understood(samples: Any, lang: str) -> str:
        segments, _ = whisper.transcribe(
            np.concatenate([pause, np.asarray(samples, np.float32), pause]),
            language=CODES[lang],
            beam_size=1,
            without_timestamps=True,
            condition_on_previous_text=False,
        )
        return " ".join(segment.text for segment in segments)

    def translated(samples: Any, lang: str) -> tuple[str, Any]:
        live = system.open({lang: Target(text=True, speech=True)}, vad=False)
        outputs = [*live.push(samples), *live.finish()]
        speech = [o.samples for o in outputs if isinstance(o, SpeechOutput)]
        text = "".join(o.text for o in outputs if isinstance(o, TextOutput))
        return text, np.concatenate([np.zeros(0, np.float32), *speech])

    def voiced(form: str, text: str, said: Any, lang: str) -> Any:
        """Samples of the ``text`` that the model wrote and ``said``."""
        if form == "model":
            return said
        voice = units.spoken(text, lang)
        if form == "engine":
            return voice
        features, flat = units.analyse(voice)
        if form == "flat":
            return flat
        centres = np.load(units.centre_file(args.units, lang))
        ids = units.assign(features, centres) + config.LANGUAGES.index(lang) * len(centres)
        (wave,) = engine.vocode([VocodeRequest(ids.tolist(), lang, speakers[lang][0])])
        return wave

    report: dict[str, dict[str, Any]] = {}
    if args.out is not None and args.out.exists():
        report = json.loads(args.out.read_text())
    for lang in args.languages:
        pairs: dict[str, list[tuple[str, str]]] = {name: [] for name in args.forms}
        for number, english in enumerate(chosen):
            if number % 20 == 0:
                print(lang, number, "of", len(chosen), "sentences", flush=True)
            heard = np.concatenate([silence, units.spoken(english, "eng"), silence])
            # Against what the model wrote: the translation's own mistakes are not the voice's.
            text, said = translated(heard, lang)
            if not text.strip() or not len(said):
                continue
            for form in args.forms:
                samples = voiced(form, text, said, lang)
                pairs[form].append((text, understood(samples, lang)))
        # A model that says nothing at all has no rows.
        errors = {
            form: round(metrics.word_error_rate(rows), 1) for form, rows in pairs.items() if rows
        }
        report.setdefault(lang, {}).update(errors, sentences=len(pairs[args.forms[0]]))
        print(lang, report[lang], flush=True)
        if args.verbose:
            for name, rows in pairs.items():
                for wanted, found in rows:
                    if metrics.plain(wanted) != metrics.plain(found):
                        print(f"  {name}: {wanted} -> {found}")
    if args.out is not None:
        args.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
