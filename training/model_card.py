"""Write MODEL_CARD.md from what was measured; nothing in it is typed by hand that can be measured.

python -m training.model_card --model models/SeamlessStreaming-mini --work WORK
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from safetensors import safe_open

from seamless_server.checkpoints import model_file
from training import plots
from training.text import grammar

NAMES = {"eng": "English", "spa": "Spanish", "fra": "French", "deu": "German"}

HEAD = """# SeamlessStreaming-mini

A small demonstration model for simultaneous speech translation: **English speech in; English,
Spanish, French and German text and speech out**, in one small domain, a travel-and-meeting
phrasebook. It has the architecture of SeamlessStreaming (arXiv 2312.05187) and runs through the
same code; only its `config.json` is smaller: {parameters:.1f} million weights, {megabytes:.0f} MB.

Outside its phrasebook it does not understand, and mostly says so: a small head tells how sure it
is (`confidence.safetensors`), and what is less sure than `min_confidence` is not shown. It was
trained on synthetic speech alone; it is no measure of what the published model can do. Licence:
MIT. No weight of the published model is in it.

## What it reaches

{sentences} sentences a row for each of {seeds} seeds, none of which any training set held, 320 ms
at a time, on one CPU thread, at the default threshold of the model's system file. Word error rate
is that of the English text, with the least and the most of the seeds; "kept" are the sentences
that were not given up as not understood (aim: 98 of seen voices, 95 of held-out ones). Lag is
computation-unaware LAAL.

| | WER % | BLEU es / fr / de | aim WER | aim BLEU | kept % |
|---|---|---|---|---|---|
"""

TAIL = """
## How it was made

`training/README.md` tells it step by step; `make train-mini` repeats it from package registries
alone. This release: {encoder_steps} steps of the encoder, {decoder_steps} of the decoder and its
policy, {t2u_steps} of the text-to-unit network, {vocoder_steps} of the vocoder, on a share of two
CPU cores within two days. The curves were still falling: `python -m training.restore` goes on
from here. `curves/` has them; where one jumps, the network went on with other data:

![Right units, in training and in sentences that it never saw](curves/t2u2.svg)

Policy: p_choose of the EMMA layers (arXiv 2312.04515), trained by supervision as described there;
EMMA's own losses were tried from there and not used (`training/README.md` has both curves). The
shipped `decision_threshold` is in `vad_s2st_main.yaml`.

## Limits

* The domain: {patterns} sentence patterns and phrases, some 1,200 words. Other words come out as
  what sounds alike.
* Speech was synthetic, clear and mostly American or British. Real people are harder for it than any
  voice in the table; try your own recordings with `seamless-server evaluate`. A voice can also be
  harder than RHVoice's: before the neural voice of Piper joined the training, a quarter of its
  words came out wrong.
* English speech in only. One person at a time.
* The voices are flat in pitch and come from one synthetic voice a language. One Spanish sentence in
  six begins half a second late (4 of 25): the voice that it was learnt from left faint noise there.
"""


ROWS = {
    "held-out Kokoro": ("natural voices that it never heard (Kokoro)", "10", "84 / 84 / 80"),
    "seen": ("voices of the training set, drawn anew", "10", "90 / 90 / 81"),
    "unseen engine": ("an easy engine that it never heard (RHVoice)", "10", "90 / 90 / 81"),
    "larger phrasebook": ("seen voices, sentences with words that it may not know", "", ""),
    "2 sentences, no pause": ("seen voices, two sentences without a pause", "12", ""),
    "5 sentences, 0.3 s": ("seen voices, five sentences, 0.3 s between", "12", ""),
    "onset at 0 ms": ("seen voices, speech from the first sample on", "6", ""),
    "-40 dBFS": ("seen voices, peaks at -40 dBFS, with VAD", "8", ""),
    "babble at 20 dB": ("seen voices, six others at 20 dB below", "7", ""),
}
"""Sets of the evaluation: what they are called, and the aims for WER and BLEU."""


def spread(found: dict[str, Any], key: str) -> str:
    """A number, with the least and the most of its seeds."""
    around = found.get(f"{key}_range")
    return f"{found[key]} ({around[0]} to {around[1]})" if around else str(found[key])


def table(report: dict[str, Any]) -> list[str]:
    """Rows of the main table: people first, then natural voices, then the others."""
    rows = []
    if "numbers, people" in report:
        found = report["numbers, people"]
        rows.append(
            f"| a person's isolated numbers (right of {found['of']}) | {found['right']} "
            "| | 20 | | |"
        )
    for name, (called, word_errors, bleu) in ROWS.items():
        if name in report:
            found = report[name]
            quality = " / ".join(str(found[f"{x}_bleu"]) for x in ("spa", "fra", "deu"))
            rows.append(
                f"| {called} | {spread(found, 'eng_wer')} | {quality} | {word_errors} | {bleu} "
                f"| {found['kept']} |"
            )
    return rows


def lags(report: dict[str, Any]) -> list[str]:
    """How late words come, and what it costs."""
    found = report["seen"]
    lines = ["", "| | lag in s | offline | aim |", "|---|---|---|---|"]
    for lang, name in NAMES.items():
        cells = [found[f"{lang}_laal_s"], found[f"{lang}_offline_s"]]
        lines.append(f"| {name} | {cells[0]} | {cells[1]} | 1.2 |")
    lines += [
        "",
        f"All four languages take {found['real_time_factor']} s of a thread for a second.",
    ]
    return lines


def outside(report: dict[str, Any]) -> list[str]:
    """Words that come out of what it cannot understand."""
    found = report["words_per_minute_outside"]
    lines = ["", "| nothing to understand | English words a minute, with VAD |", "|---|---|"]
    return [*lines, *(f"| {name} | {value} |" for name, value in found.items())]


def dial(report: dict[str, Any]) -> list[str]:
    """The threshold's effect, when it was measured."""
    found = {k: v for k, v in report["seen"].items() if k.startswith("threshold ")}
    if not found:
        return []
    lines = [
        "",
        "The threshold trades lag for quality (seen voices):",
        "",
        "| threshold | WER | BLEU es / fr / de | lag en / es / fr / de, s |",
        "|---|---|---|---|",
    ]
    for name, x in found.items():
        quality = " / ".join(str(x[f"{lang}_bleu"]) for lang in ("spa", "fra", "deu"))
        lags = " / ".join(str(x[f"{lang}_laal_s"]) for lang in NAMES)
        lines.append(f"| {name.split()[1]} | {x['eng_wer']} | {quality} | {lags} |")
    return lines


def spoken(path: Path) -> list[str]:
    """Intelligibility of the spoken output, when it was measured."""
    if not path.exists():
        return ["", "How well the spoken output is understood has not been measured."]
    rows = json.loads(path.read_text())
    number = min(row["sentences"] for row in rows.values())
    lines = [
        "",
        "Spoken output, word error rate of an independent recogniser (Whisper base) in per cent,",
        f"on {number} different sentences without numbers, all against the text that the model",
        "wrote: the target voice's engine, the same voice at the flat pitch that the vocoder",
        "learns (the target voice), that voice through units and vocoder, and the model's speech,",
        "made piece by piece, as it is when somebody listens; half a second of silence around all.",
        "Aim: at most 1.3 times the target voice's (flat pitch).",
        "",
        "| | engine | flat pitch | its units | model |",
        "|---|---|---|---|---|",
    ]
    for lang, row in rows.items():
        cells = [str(row.get(key, "-")) for key in ("engine", "flat", "units", "model")]
        lines.append(f"| {NAMES[lang]} | {' | '.join(cells)} |")
    return lines


def people(path: Path) -> list[str]:
    """What came of recordings of real people, when it was measured."""
    if not path.exists():
        return []
    found = json.loads(path.read_text())
    number = f"{found['number_words_found']} of {found['number_words_said']}"
    return [
        "",
        f"Real people: {found['recordings']} recordings of `pocketsphinx-testdata` (Debian; cards,",
        "digits, sentences of a novel) are outside its domain but for their number words:",
        f"{number} number words came out, and {found['silent']} recordings gave no text at all",
        "(`python -m training.real_voices`).",
    ]


def footprint(path: Path) -> list[str]:
    """Speakers and memory, when they were measured."""
    if not path.exists():
        return []
    found = json.loads(path.read_text())
    peak = found["memory_peak_mb"]
    return [
        "",
        f"{found['speakers']} speakers at once, speech to Spanish speech: {found['cpu_s']} s",
        f"of processor time for {found['audio_s']} s of speech, which makes",
        f"{found['real_time_speakers']} real-time speakers on two cores;",
        f"{peak} MB ({peak / 1.048576:.0f} MiB) of memory at the peak, of which Python and PyTorch",
        f"take {found['memory_before_model_mb']} MB before any model is loaded",
        "(`python benchmarks/embedded.py`).",
    ]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    args = parser.parse_args()
    report = json.loads((args.model / "evaluation.json").read_text())
    weights = args.model / model_file.FILE
    with safe_open(weights, framework="pt") as file:
        count = sum(file.get_tensor(name).numel() for name in file.keys())  # noqa: SIM118
    head = HEAD.format(
        parameters=count / 1e6,
        megabytes=weights.stat().st_size / 1e6,
        sentences=report["sentences"],
        seeds=len(report["seeds"]),
    )
    tail = TAIL.format(
        patterns=len(grammar.sentences()) + len(grammar.phrases()),
        **{
            f"{x}_steps": plots.last_step(args.work / x / "log.jsonl")
            for x in ("encoder", "decoder", "t2u", "vocoder")
        },
    )
    lines = [
        *table(report),
        *lags(report),
        *dial(report),
        *outside(report),
        *spoken(args.model / "intelligibility.json"),
        *people(args.model / "real_voices.json"),
        *footprint(args.model / "footprint.json"),
    ]
    (args.model / "MODEL_CARD.md").write_text(head + "\n".join(lines) + "\n" + tail)


if __name__ == "__main__":
    main()
