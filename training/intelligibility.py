"""How well an independent recogniser understands the spoken output.

    python -m training.intelligibility --model models/SeamlessStreaming-mini --units WORK/units

The recogniser is Whisper base (multilingual), which ``training.recogniser`` fetches. Everything
that is compared says the same words, those that the model wrote: the target voice as its engine
speaks, the same at a flat pitch (the voice that the vocoder learns), that voice through units and
vocoder, and the model's own speech, made of a whole translation at once and piece by piece as it is
when somebody listens.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from faster_whisper import WhisperModel

from seamless_server.engine import VocodeRequest
from seamless_server.streaming import SpeechOutput, Target, TextOutput, load_system
from training import config, metrics, recogniser, units
from training.speech import engines
from training.text import grammar, sample

CODES = {"eng": "en", "spa": "es", "fra": "fr", "deu": "de"}
FORMS = ("engine", "flat", "units", "whole", "model")


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
    parser.add_argument("--units", type=Path, required=True, help="what training.units wrote")
    parser.add_argument("--sentences", type=int, default=20)
    parser.add_argument("--languages", nargs="+", default=config.LANGUAGES)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--verbose", action="store_true", help="print what was misunderstood")
    args = parser.parse_args()
    torch.set_num_threads(1)
    whisper = WhisperModel(str(args.recognizer), device="cpu", compute_type="int8", cpu_threads=1)
    system = load_system(args.model, device="cpu")
    stream = (s for s in sample.stream(515, held_out=True) if wordy(s))
    chosen = [next(stream) for _ in range(args.sentences)]
    silence = np.zeros(1600, np.float32)

    speakers = system.agents.checkpoint.config.vocoder_speakers

    def voiced(ids: Any, lang: str) -> Any:
        request = VocodeRequest(ids.tolist(), lang, speakers[lang][0])
        return system.agents.engine.vocode(request)

    def understood(samples: Any, lang: str) -> str:
        segments, _ = whisper.transcribe(
            np.asarray(samples, np.float32),
            language=CODES[lang],
            beam_size=1,
            temperature=0.0,  # others are tried by drawing, so that no two runs are alike
            without_timestamps=True,
            condition_on_previous_text=False,
        )
        return " ".join(segment.text for segment in segments)

    def translated(samples: Any, lang: str, **options: Any) -> tuple[str, Any]:
        live = system.open_stream({lang: Target(text=True, speech=True)}, vad=False, **options)
        outputs = [*live.push(samples), *live.finish()]
        speech = [o.samples for o in outputs if isinstance(o, SpeechOutput)]
        text = "".join(o.text for o in outputs if isinstance(o, TextOutput))
        return text, np.concatenate([np.zeros(0, np.float32), *speech])

    report: dict[str, dict[str, float]] = {}
    for number, lang in enumerate(config.LANGUAGES):
        if lang not in args.languages:
            continue
        centres = np.load(args.units / f"{lang}.npz")["centres"]
        pairs: dict[str, list[tuple[str, str]]] = {name: [] for name in FORMS}
        for sentence in chosen:
            heard = engines.speak(sentence.text("eng"), engines.Voice("pico", "en-US", 0.95))
            heard = np.concatenate([silence, heard, silence])
            # Against what the model wrote: the translation's own mistakes are not the voice's.
            text, said = translated(heard, lang)
            if not text.strip() or not len(said):
                continue
            pairs["model"].append((text, understood(said, lang)))
            text, said = translated(heard, lang, min_unit_chunk_size=10_000)
            pairs["whole"].append((text, understood(said, lang)))
            spoken = units.spoken(text, lang)
            pairs["engine"].append((text, understood(spoken, lang)))
            features, flat = units.analyse(spoken)
            pairs["flat"].append((text, understood(flat, lang)))
            known = units.assign(features, centres) + number * len(centres)
            pairs["units"].append((text, understood(voiced(known, lang), lang)))
        report[lang] = {
            name: round(metrics.word_error_rate(rows), 1) for name, rows in pairs.items() if rows
        }
        print(lang, report[lang], flush=True)
        if args.verbose:
            for name, rows in pairs.items():
                for said, found in rows:
                    if metrics.plain(said) != metrics.plain(found):
                        print(f"  {name}: {said} -> {found}")
    if args.out is not None:
        args.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
