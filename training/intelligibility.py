"""How well an independent recogniser understands the spoken output.

    python -m training.intelligibility --model models/SeamlessStreaming-mini --recognizer FOLDER

``--recognizer`` is a faster-whisper model folder (Whisper base, multilingual, was used). Compared
are the target voice as its engine speaks it, the same at a flat pitch (what the vocoder learns),
and the model's own speech made from the text.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from faster_whisper import WhisperModel

from seamless_server.streaming import SpeechOutput, Target, TextOutput, load_system
from training import config, metrics, units
from training.speech import engines
from training.text import grammar, sample

CODES = {"eng": "en", "spa": "es", "fra": "fr", "deu": "de"}


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
    parser.add_argument("--recognizer", type=Path, required=True)
    parser.add_argument("--sentences", type=int, default=20)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    recognizer = WhisperModel(
        str(args.recognizer), device="cpu", compute_type="int8", cpu_threads=1
    )
    system = load_system(args.model, device="cpu")
    stream = (s for s in sample.stream(515, held_out=True) if wordy(s))
    chosen = [next(stream) for _ in range(args.sentences)]
    silence = np.zeros(1600, np.float32)

    def understood(samples: Any, lang: str) -> str:
        segments, _ = recognizer.transcribe(
            np.asarray(samples, np.float32),
            language=CODES[lang],
            beam_size=1,
            without_timestamps=True,
            condition_on_previous_text=False,
        )
        return " ".join(segment.text for segment in segments)

    report: dict[str, dict[str, float]] = {}
    for lang in config.LANGUAGES:
        pairs: dict[str, list[tuple[str, str]]] = {"engine": [], "flat": [], "model": []}
        for sentence in chosen:
            text = sentence.text(lang)
            voice = engines.Voice("pico", units.VOICES[lang], units.RATE)
            spoken = engines.speak(units.speakable(text, lang), voice)
            pairs["engine"].append((text, understood(spoken, lang)))
            pairs["flat"].append((text, understood(units.analyse(spoken)[1], lang)))
            heard = engines.speak(sentence.text("eng"), engines.Voice("pico", "en-US", 0.95))
            live = system.open_stream({lang: Target(text=True, speech=True)}, vad=False)
            outputs = [*live.push(np.concatenate([silence, heard, silence])), *live.finish()]
            written = "".join(o.text for o in outputs if isinstance(o, TextOutput))
            speech = [o.samples for o in outputs if isinstance(o, SpeechOutput)]
            if speech and written.strip():
                # Against what the model wrote: the translation's own mistakes are not the voice's.
                pairs["model"].append((written, understood(np.concatenate(speech), lang)))
        report[lang] = {
            name: round(metrics.word_error_rate(rows), 1) for name, rows in pairs.items() if rows
        }
        print(lang, report[lang], pairs["model"][:2], flush=True)
    if args.out is not None:
        args.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
