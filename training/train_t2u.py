"""The text-to-unit network: characters to durations and units of the target voices.

    python -m training.train_t2u --units WORK/units --vocabulary WORK/vocabulary
        --out WORK/t2u [--decoder WORK/decoder]

Texts are cut at random words, since at run time the beginning of a sentence is spoken before its
end is known. Without ``--decoder`` noise stands in for the decoder's features, so that the network
learns to read the characters; with it they are the real ones most of the time.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seamless_server.checkpoints.tokenizers import characters_of
from seamless_server.nn.layers import length_mask, sinusoid, upsample
from seamless_server.nn.t2u import T2U
from training import checkpoint, config, units
from training.alignment import align
from training.vocabulary import Vocabulary

OFFSET = 4
GROUPS = 300
"""Groups of units that the alignment of characters tells apart."""
SCORED = 0.35
"""Share of the units whose loss is computed: neighbours in time say much the same."""
DURATIONS = 0.2
"""Weight of the durations' loss."""
ALIKE = 6
"""Units that share the credit for a wanted one."""
UNHEARD = 48
"""Sentences a language that are kept out of the training, to see what it is worth on new ones."""
Features = dict[str, dict[str, tuple[list[int], Tensor]]]
"""For each language and text, the text's tokens and the decoder's features for them."""
POOL = 16
"""Batches that are drawn together and sorted by length, so that little is padded."""
Row = tuple[str, str, Any, Any]
"""Language, text with visible spaces, units, units per character."""
Cut = tuple[str, str, Any, Any, bool, str]
"""A row of which only the beginning may be left, whether a comma follows, and the whole text."""


def prepare(folder: Path, lang: str, number: int) -> list[tuple[str, Any, Any]]:
    """(text with visible spaces, units, units per character); cached beside the units."""
    rows = units.read_units(folder, lang)
    path = folder / f"{lang}.durations.{len(rows)}.json"
    texts = ["▁" + text.replace(" ", "▁") for text, _ in rows]
    each = config.UNITS // len(config.LANGUAGES)
    if not path.exists():
        # Groups of units that sound alike: each is seen often enough to know its characters.
        centres = np.load(units.centre_file(folder, lang))
        group = units.assign(centres, units.kmeans(centres, GROUPS, 7))
        durations = align(texts, [group[u - number * each] for _, u in rows], GROUPS)
        path.write_text(json.dumps([None if d is None else d.tolist() for d in durations]))
    found = json.loads(path.read_text())
    return [
        (text, u, np.array(d))
        for text, (_, u), d in zip(texts, rows, found, strict=True)
        if d is not None
    ]


def rows_of(folder: Path) -> tuple[list[Row], list[Row]]:
    """Sentences to learn, and the last few of each language, which only measure."""
    rows: list[Row] = []
    unheard: list[Row] = []
    for number, lang in enumerate(config.LANGUAGES):
        found = [(lang, *row) for row in prepare(folder, lang, number)]
        few = min(UNHEARD, len(found) // 10)
        rows += found[: len(found) - few]
        unheard += found[len(found) - few :]
    return rows, unheard


def plain(text: str) -> str:
    """The text whose spaces ``prepare`` made visible."""
    return text[1:].replace("▁", " ")


def cut(row: Row, rng: random.Random) -> Cut:
    """The row, often only up to some word, and whether a comma is put behind it.

    At run time every piece of text that is spoken before its sentence has ended gets a comma.
    """
    lang, whole, u, d = row
    text = whole
    places = [i for i, c in enumerate(text) if c == "▁" and i > 3]
    comma = rng.random() < 0.4
    if places and rng.random() < 0.5:
        end = rng.choice(places)
        text, u, d = text[:end], u[: int(d[:end].sum())], d[:end]
        comma = rng.random() < 0.8
    if comma:
        pause = rng.randint(2, 4)
        # The first unit of a sentence is silence.
        u = np.concatenate([u, np.full(pause, u[0])])
        d = np.concatenate([d, [pause]])
    return lang, text, u, d, comma, whole


def batches(rows: list[Row], size: int, rng: random.Random) -> Iterator[list[Cut]]:
    """Batches of cut sentences of much the same length, without end."""
    while True:
        pool = [cut(row, rng) for row in rng.sample(rows, min(len(rows), POOL * size))]
        pool.sort(key=lambda row: len(row[2]))
        groups = [pool[first : first + size] for first in range(0, len(pool), size)]
        rng.shuffle(groups)
        yield from groups


def forward(
    model: T2U, features: Tensor, lengths: Tensor, chars: Tensor, counts: Tensor, d: Tensor
) -> tuple[Tensor, Tensor]:
    """States of the units (B, U, D) with the true durations ``d`` (B, C); log durations (B, C)."""
    total = counts.sum(1)
    mask = length_mask(total, chars.size(1))
    x = model.characters(model.encode(features, lengths), chars, counts)
    log_durations = model.duration_predictor(x, mask)
    sizes = d.sum(1)
    x = upsample(x, d, int(sizes.max()))
    position = sinusoid(torch.arange(x.size(1)), model.config.model_dim, x.dtype)
    return model.decode(x + model.pos_emb_alpha * position, sizes), log_durations


def decoder_features(
    decoder_folder: Path, vocabulary: Vocabulary, sentences: int, seed: int
) -> Features:
    """Features of the trained text decoder for the sentences that the target voices speak.

    They are kept beside the decoder, by its step: making them takes a quarter of an hour.
    """
    step = torch.load(decoder_folder / "state.pt", weights_only=True, mmap=True)["step"]
    path = decoder_folder / f"features.{step}.{sentences}.pt"
    if not path.exists():
        part = path.with_suffix(".part")
        torch.save(_decoder_features(decoder_folder, vocabulary, sentences, seed), part)
        part.replace(path)
    found: Features = torch.load(path, weights_only=True)
    return found


def _decoder_features(
    decoder_folder: Path, vocabulary: Vocabulary, sentences: int, seed: int
) -> Features:
    from training.cache_states import encode_rows, load_encoder
    from training.data import Utterance, joined
    from training.features import fbank
    from training.make_speech import describe
    from training.speech import engines
    from training.text import sample
    from training.train_decoder import Translator, source_states

    model = Translator(vocabulary)
    model.load_state_dict(checkpoint.best_weights(decoder_folder / "state.pt"))
    model.eval()
    trainer = load_encoder(decoder_folder.parent / "encoder", vocabulary)
    rng = random.Random(seed)
    found: Features = {x: {} for x in config.LANGUAGES}
    for number, sentence in enumerate(itertools.islice(sample.stream(seed), sentences)):
        if number % 500 == 0:
            print(number, "of", sentences, "sentences through the decoder", flush=True)
        voice = engines.draw_voice(rng)
        x = fbank(engines.speak(sentence.text("eng"), voice))
        spoken = Utterance(x, describe(voice, sentence))
        heard = joined([spoken], [], rng.randint(0, 45), rng.randint(8, 60))
        states = encode_rows(trainer, vocabulary, [heard])[0][0]
        with torch.inference_mode():
            source, lengths = source_states(model, [states])
            memory = model.decoder.project_source(source, lengths)
            for lang in config.LANGUAGES:
                ids = [
                    *vocabulary.text.prefix(lang),
                    *vocabulary.text.encode(sentence.text(lang)),
                ]
                out, _ = model.decoder(torch.tensor([ids]), memory)
                found[lang]["▁" + sentence.text(lang).replace(" ", "▁")] = (ids, out[0].half())
    return found


class Batch(NamedTuple):
    """Sentences as the network takes them, and what it should say."""

    features: Tensor
    sizes: Tensor
    chars: Tensor
    counts: Tensor
    durations: Tensor
    wanted: Tensor


def batch_of(
    rows: list[Cut], vocabulary: Vocabulary, known: Features | None, rng: random.Random
) -> Batch:
    """Sentences with features: the decoder's for most of the ``known`` ones, else noise."""
    ids, features = [], []
    for lang, text, _, _, comma, whole in rows:
        tokens = [*vocabulary.text.prefix(lang), *vocabulary.text.encode(plain(text))]
        real_size = len(tokens)
        if comma:
            tokens.append(vocabulary.text.token_to_index(","))
        x = torch.randn(len(tokens), config.DIM) * rng.uniform(0.2, 1.5)
        if known is not None and whole in known[lang] and rng.random() < 0.7:
            reference, real = known[lang][whole]
            if reference[:real_size] == tokens[:real_size]:
                x[:real_size] = real[:real_size]
                x = x + 0.1 * torch.randn(len(tokens), config.DIM)
        ids.append(tokens)
        features.append(x)
    padded = nn.utils.rnn.pad_sequence(features, batch_first=True)
    pairs = [characters_of(tokens, vocabulary.text, vocabulary.chars) for tokens in ids]
    longest = max(len(chars) for chars, _ in pairs)
    chars = torch.zeros(len(pairs), longest, dtype=torch.long)
    counts = torch.zeros(len(pairs), padded.size(1), dtype=torch.long)
    durations = torch.zeros(len(pairs), longest, dtype=torch.long)
    for n, ((symbols, lens), (_, text, _, d, comma, _)) in enumerate(zip(pairs, rows, strict=True)):
        if len(symbols) != len(text) + comma:
            raise ValueError(f"{text!r}: {len(symbols)} characters")
        chars[n, : len(symbols)] = torch.tensor(symbols)
        counts[n, : len(lens)] = torch.tensor(lens)
        durations[n, : len(d)] = torch.from_numpy(d)
    targets = [torch.from_numpy(u + OFFSET) for _, _, u, _, _, _ in rows]
    wanted = nn.utils.rnn.pad_sequence(targets, batch_first=True, padding_value=-100)
    sizes = torch.tensor([len(x) for x in features])
    return Batch(padded, sizes, chars, counts, durations, wanted)


def scores(model: T2U, batch: Batch, share: float) -> tuple[Tensor, Tensor, Tensor]:
    """Logits (N, all units) and index (N) of a share of the units, and the durations' loss."""
    real = (batch.wanted >= 0) & (torch.rand(batch.wanted.shape) < share)
    with config.autocast():
        states, log_durations = forward(model, *batch[:5])
        logits = model.final_proj(states[real])
    lasting = batch.durations > 0
    # Poisson's likelihood, since its best answer is the mean of the durations; that of squared
    # errors of logarithms is shorter, and speech in a hurry is harder to understand.
    goal = batch.durations[lasting] + 1.0
    loss = DURATIONS * F.poisson_nll_loss(log_durations.float()[lasting], goal, full=True)
    return logits, batch.wanted[real] - OFFSET, loss


def right(logits: Tensor, index: Tensor) -> float:
    """Share of the units that are exactly the wanted ones."""
    return float((logits.argmax(-1) == index + OFFSET).float().mean())


@torch.inference_mode()
def accuracy(model: T2U, rows: list[Row], vocabulary: Vocabulary, known: Features | None) -> float:
    """``right`` on sentences that the training never sees."""
    rng = random.Random(1)
    cuts = sorted((cut(row, rng) for row in rows), key=lambda row: len(row[2]))
    model.eval()
    groups = (cuts[first : first + 16] for first in range(0, len(cuts), 16))
    found = [scores(model, batch_of(group, vocabulary, known, rng), 1.0)[:2] for group in groups]
    model.train()
    return sum(right(*pair) for pair in found) / len(found)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--units", type=Path, required=True)
    parser.add_argument("--vocabulary", type=Path, required=True)
    parser.add_argument("--decoder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--sentences", type=int, default=600)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(9)
    rng = random.Random(9)
    vocabulary = Vocabulary(args.vocabulary)
    rows, unheard = rows_of(args.units)
    print(len(rows), "sentences aligned", flush=True)
    known = None
    if args.decoder is not None:
        known = decoder_features(args.decoder, vocabulary, args.sentences, 31)
    model = T2U(config.t2u(len(vocabulary.chars)))
    nn.init.normal_(model.embed_char.weight, std=config.DIM**-0.5)
    with torch.no_grad():
        # Units that sound alike start alike.
        shapes = torch.from_numpy(units.embeddings(args.units, config.DIM))
        model.final_proj.weight[OFFSET : OFFSET + config.UNITS] = shapes * config.DIM**-0.5
    # A unit that sounds almost like the wanted one is almost right.
    alike, weights = (torch.from_numpy(x) for x in units.neighbours(args.units, ALIKE))
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.rate, betas=(0.9, 0.98))
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "state.pt"
    step = checkpoint.load(path, model, optimizer)
    saved = time.monotonic()
    drawn = batches(rows, args.batch, rng)
    totals, counted = np.zeros(3), 0
    while step < args.steps:
        warmth = checkpoint.warmth(optimizer, 200)
        for group in optimizer.param_groups:
            group["lr"] = args.rate * warmth * max(0.03, 1 - step / args.steps)
        batch = batch_of(next(drawn), vocabulary, known, rng)
        logits, index, duration_loss = scores(model, batch, SCORED)
        likely = logits.float().log_softmax(-1)
        unit_loss = -(likely.gather(1, alike[index] + OFFSET) * weights[index]).sum(1).mean()
        loss = unit_loss + duration_loss
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        totals += (float(unit_loss.detach()), float(duration_loss.detach()), right(logits, index))
        counted += 1
        if step % 100 == 0:
            mean = (totals / counted).tolist()
            totals[:], counted = 0, 0
            line = {"step": step, "units": mean[0], "durations": mean[1], "right": mean[2]}
            if step % 500 == 0:
                line["right_unheard"] = accuracy(model, unheard, vocabulary, known)
            line = {key: round(value, 4) for key, value in line.items()}
            print(line, flush=True)
            with (args.out / "log.jsonl").open("a") as log:
                log.write(json.dumps(line) + "\n")
        if step >= args.steps or time.monotonic() - saved > 120:
            saved = time.monotonic()
            checkpoint.save(path, step, model, optimizer)


if __name__ == "__main__":
    main()
