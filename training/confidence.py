"""Train the head that says how sure the model is of what it writes (``confidence.safetensors``).

    python -m training.confidence speak --out WORK/talks --talks 2400
    python -m training.confidence hear --model MODEL --data WORK/talks --out WORK/heard
    python -m training.confidence fit --data WORK/heard --out MODEL/confidence.safetensors

It is trained last, as it learns when the finished networks are right. ``speak`` makes talks: the
phrasebook in all voices, and everything else (other languages, other English, people, babble,
noise), as microphones hear them. ``hear`` lets the model translate them as at run time, in chunks
and segments, and keeps what the head will see at every decision, with the truth: whether the words
of the whole talk came out right. ``fit`` trains the head on that. Shards of talks are independent,
so a killed run goes on.
"""

from __future__ import annotations

import argparse
import bisect
import itertools
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from seamless_server.checkpoints import model_file
from seamless_server.nn.confidence import ConfidenceHead, pooled
from seamless_server.streaming import Target
from seamless_server.streaming.seamless_model import load_seamless
from training import conditions, config, metrics, unlabelled
from training.speech import engines
from training.text import sample

Samples = NDArray[np.float32]
Row = dict[str, Any]
CHUNK = 5120
PER_SHARD = 48
HIDDEN, STEPS, DECAY, INPUT_DROPOUT, SEEDS = 16, 100, 1.0, 0.3, 4
RIGHT = 0.6
"""Share of a talk's words from which it counts as understood."""
INSIDE = ("known", "natural", "larger")
KINDS = {
    "known": 0.38,
    "natural": 0.18,
    "larger": 0.06,
    "foreign": 0.13,
    "other": 0.15,
    "people": 0.05,
    "babble": 0.05,
}
"""Kinds of talks, each with its share: sentences that the weights know, by the voices of training
and by natural ones, sentences of the whole phrasebook, and what is not to be understood."""


def microphone(x: Samples, rng: np.random.Generator) -> Samples:
    """(N,) at some level, with some colour and noise, and some silence around."""
    if rng.random() < 0.4:  # one pole or zero: dull or thin
        tilt = rng.uniform(-0.6, 0.6)
        x = x + np.float32(tilt) * np.pad(x[:-1], (1, 0))
    x = np.pad(x, (int(rng.uniform(0, 8000)), int(rng.uniform(1600, 16000))))
    x = conditions.at_level(x, rng.uniform(-35, -1))
    if rng.random() < 0.5:
        noise = rng.normal(0, 1, len(x)).astype(np.float32)
        if rng.random() < 0.5:
            noise = np.cumsum(noise - 0.02 * np.cumsum(noise) / len(x)).astype(np.float32)
            noise -= noise.mean()
        x = x + conditions.at_power(noise, x, -rng.uniform(15, 45))
    return np.asarray(x, np.float32)


def phrasebook(seed: int, engine: str, known: frozenset[str] | None) -> Iterator[Any]:
    """(text, function that gives its sound) of one sentence, or of two in a row."""
    rng = random.Random(seed)
    stream = sample.stream(seed, known=known)
    while True:
        voice = engines.draw_voice(rng, engine)
        said = [next(stream).text("eng") for _ in range(rng.choice((1, 1, 1, 2)))]
        pause = conditions.silence(rng.uniform(0.05, 0.6))

        def sound(said: list[str] = said, voice: Any = voice, pause: Samples = pause) -> Samples:
            pieces = [x for text in said for x in (engines.speak(text, voice), pause)]
            return np.concatenate(pieces[:-1])

        yield " ".join(said), sound


def endless(make: Callable[[int], Iterator[unlabelled.Speech]]) -> Iterator[Any]:
    """(None, function that gives a sound) of what has no text."""
    for number in itertools.count():
        for speak in make(number):
            yield None, speak


def _in_a_row(prompts: list[Path]) -> Samples:
    return np.concatenate([unlabelled.read_g722(path) for path in prompts])


def sources(seed: int) -> dict[str, Iterator[Any]]:
    """Endless talks of every kind."""
    known = sample.known_words()
    folders = [x for x in unlabelled.PROMPTS if x.is_dir()]
    prompts = [p for folder in folders for p in unlabelled.prompts(folder)]

    def people(number: int) -> Iterator[unlabelled.Speech]:
        chosen = random.Random(seed + number)
        for _ in range(8):
            some = chosen.sample(prompts, 3)
            yield partial(_in_a_row, some)

    def babble(number: int) -> Iterator[unlabelled.Speech]:
        chosen = random.Random(seed + number)
        yield lambda: conditions.others(chosen.randint(3, 8) * 16_000, chosen, chosen.randint(3, 8))

    found = {
        "known": phrasebook(seed, "", known),
        "natural": phrasebook(seed + 1, "kokoro", known),
        "larger": phrasebook(seed + 2, "", None),
        "foreign": endless(lambda number: unlabelled.foreign(64, seed + number)),
        "other": endless(lambda number: unlabelled.other(64, seed + number)),
        "babble": endless(babble),
    }
    if prompts:
        found["people"] = endless(people)
    return found


def speak_shard(path: Path, seed: int) -> None:
    """Write one shard of talks: samples as 16-bit numbers, and what each is."""
    rng, noise = random.Random(seed), np.random.default_rng(seed)
    talks = sources(seed * 101)
    sounds: list[NDArray[np.int16]] = []
    described: list[dict[str, Any]] = []
    while len(sounds) < PER_SHARD:
        kind = rng.choices(list(talks), [KINDS[x] for x in talks])[0]
        text, speak = next(talks[kind])
        x = engines.trimmed(np.asarray(speak(), np.float32))[: 12 * engines.RATE]
        if len(x) < 0.3 * engines.RATE:
            continue
        x = microphone(x, noise)
        sounds.append((np.clip(x, -1, 1) * 32767).astype(np.int16))
        described.append({"kind": kind, "text": text})
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.npz")
    np.savez(
        part,
        samples=np.concatenate(sounds),
        lengths=np.array([len(x) for x in sounds]),
        described=np.array(json.dumps(described)),
    )
    part.rename(path)


def read_talks(path: Path) -> Iterator[tuple[dict[str, Any], Samples]]:
    """What each talk of a shard is, and its samples."""
    with np.load(path, allow_pickle=False) as data:
        described, samples = json.loads(str(data["described"])), data["samples"]
        ends = data["lengths"].cumsum()
    for what, x in zip(described, np.split(samples, ends[:-1]), strict=True):
        yield what, x.astype(np.float32) / np.float32(32768)


class Listener(ConfidenceHead):
    """Stands where the head will: keeps what it would see and is sure of everything."""

    def __init__(self) -> None:
        super().__init__(config.DIM, 1)
        self.calls: list[Tensor] = []

    def forward(self, source: Tensor, features: Tensor) -> Tensor:
        """(1,) a one."""
        self.calls.append(pooled(source, features))
        return torch.ones(1)


def rightness(said: str, heard: str) -> float:
    """From 0 (nothing) to 1 (all): one minus the word error rate."""
    return max(0.0, 1 - metrics.word_error_rate([(said, heard)]) / 100)


def hear_shard(path: Path, out: Path, system: Any, seed: int) -> None:
    """Translate a shard of talks and keep some of the decisions of every segment."""
    rng = random.Random(seed)
    listener = system.agents.checkpoint.confidence
    seen: list[Tensor] = []
    rows: list[Row] = []
    for number, (what, samples) in enumerate(read_talks(path)):
        langs = {lang: Target(text=True) for lang in ("eng", rng.choice(config.LANGUAGES[1:]))}
        stream = system.open(langs, {"min_confidence": 0.0})
        began, segment, text = len(rows), 0, ""
        for start in range(0, len(samples), CHUNK):
            last = start + CHUNK >= len(samples)
            outputs = list(stream.push(samples[start : start + CHUNK], last))
            text += "".join(x.text for x in outputs if x.lang == "eng")
            for call in listener.calls:
                seen.append(call)
                rows.append({"talk": number, "segment": segment, "kind": what["kind"]})
            if stream.state == "listening" and listener.calls:
                segment += 1
            listener.calls.clear()
        truth = rightness(what["text"], text) if what["text"] else 0.0
        for row in rows[began:]:
            row["right"] = round(truth, 3)
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_suffix(".part.npz")
    np.savez(part, seen=torch.stack(seen).numpy(), rows=np.array(json.dumps(rows)))
    part.rename(out)


def read_heard(paths: list[Path]) -> tuple[Tensor, list[Row]]:
    """All decisions: what the head sees of them (N, 2 D), and what is known of each."""
    seen, rows = [], []
    for path in paths:
        with np.load(path, allow_pickle=False) as data:
            seen.append(torch.from_numpy(data["seen"]))
            rows += [{**x, "talk": (path.stem, x["talk"])} for x in json.loads(str(data["rows"]))]
    return torch.cat(seen), rows


def weights(rows: list[Row]) -> Tensor:
    """Of decisions: every talk counts alike, and both worlds together."""
    calls = Counter(row["talk"] for row in rows)
    weight = torch.tensor([1 / calls[row["talk"]] for row in rows])
    inside = torch.tensor([row["kind"] in INSIDE for row in rows])
    for world in (inside, ~inside):
        weight[world] /= weight[world].sum() * 2
    return weight


def fit(x: Tensor, rows: list[Row], seeds: int = SEEDS) -> ConfidenceHead:
    """Train a head on decisions by cross-entropy with the share of the words that came out right.

    Several are trained, side by side, and become one: its log odds are the mean of theirs.
    """
    mean, scale = x.mean(0), x.std(0) + 1e-3
    right, weight = torch.tensor([row["right"] for row in rows]), weights(rows)
    heads = []
    for seed in range(seeds):
        torch.manual_seed(seed)
        head = ConfidenceHead(x.size(1) // 2, HIDDEN)
        optimizer = torch.optim.AdamW(head.parameters(), lr=1e-2, weight_decay=DECAY)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
        for _ in range(STEPS):
            hidden = torch.relu(head.hidden(F.dropout((x - mean) / scale, INPUT_DROPOUT)))
            found = head.output(F.dropout(hidden, 0.5))[:, 0]
            loss = F.binary_cross_entropy_with_logits(found, right, weight, reduction="sum")
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
        heads.append(head)
    whole = ConfidenceHead(x.size(1) // 2, HIDDEN * seeds)
    with torch.no_grad():
        weight_of = torch.cat([head.hidden.weight for head in heads]) / scale
        whole.hidden.weight.copy_(weight_of)
        whole.hidden.bias.copy_(torch.cat([h.hidden.bias for h in heads]) - weight_of @ mean)
        whole.output.weight.copy_(torch.cat([h.output.weight for h in heads], 1) / seeds)
        whole.output.bias.copy_(torch.stack([h.output.bias for h in heads]).mean(0))
    return whole.eval()


def judged(head: ConfidenceHead, x: Tensor, rows: list[Row]) -> dict[str, float]:
    """How well a head tells segments that came out right from those of another world.

    area: under the ROC curve of their last decisions. rejected: share of the others at whose end
    the head is less sure than of all but 2 (or 5) % of the right ones; silent: at no decision it
    is surer.
    """
    with torch.inference_mode():
        sure = head.logit(x).sigmoid().tolist()
    segments: dict[tuple[Any, int], list[tuple[float, Row]]] = {}
    for value, row in zip(sure, rows, strict=True):
        segments.setdefault((row["talk"], row["segment"]), []).append((value, row))
    right = sorted(x[-1][0] for x in segments.values() if x[0][1]["right"] >= RIGHT)
    others = [x for x in segments.values() if x[0][1]["kind"] not in INSIDE]
    last = [x[-1][0] for x in others]
    most = [max(value for value, _ in x) for x in others]
    below = sum(len(right) - bisect.bisect_right(right, value) for value in last)
    result: dict[str, float] = {"right": len(right), "others": len(others)}
    result["area"] = round(below / len(right) / len(others), 4)
    for share in (2, 5):
        bar = right[len(right) * share // 100]
        for name, values in (("rejected", last), ("silent", most)):
            found = sum(value < bar for value in values) / len(others)
            result[f"{name}, {100 - share} % kept"] = round(found, 3)
        result[f"bar, {100 - share} % kept"] = round(bar, 3)
    return result


def shards(folder: Path) -> list[Path]:
    """Finished shards of a folder."""
    return sorted(p for p in folder.glob("*.npz") if ".part" not in p.name)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("speak", "hear", "fit"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--talks", type=int, default=2400, help="to be spoken")
    parser.add_argument("--data", type=Path, help="what speak, or hear, has written")
    parser.add_argument("--model", type=Path, help="that hears")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.what == "speak":
        for number in range(-(-args.talks // PER_SHARD)):
            path = args.out / f"{number:05d}.npz"
            if not path.exists():
                speak_shard(path, number + 1)
                print(path, flush=True)
    elif args.what == "hear":
        system = load_seamless(args.model, device="cpu", speech=False)
        system.agents.checkpoint.confidence = Listener()
        newest = (args.model / model_file.FILE).stat().st_mtime
        for path in shards(args.data):
            out = args.out / path.name
            if not out.exists() or out.stat().st_mtime < newest:
                hear_shard(path, out, system, int(path.stem))
                print(out, flush=True)
    else:
        paths = shards(args.data)
        apart = paths[::5]
        trial = fit(*read_heard([p for p in paths if p not in apart]))
        print("of every fifth shard, left out:", json.dumps(judged(trial, *read_heard(apart))))
        head = fit(*read_heard(paths))
        model_file.write_model_file(args.out, {"confidence": head.state_dict()}, torch.float16)
        print(args.out, args.out.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
