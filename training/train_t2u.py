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
from pathlib import Path
from typing import Any

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
ALIKE = 6
"""Units that share the credit for a wanted one."""


def prepare(folder: Path, lang: str, number: int) -> list[tuple[str, Any, Any]]:
    """(text with visible spaces, units, units per character); cached beside the units."""
    rows = units.read_units(folder, lang)
    path = folder / f"{lang}.durations.{len(rows)}.json"
    texts = ["▁" + text.replace(" ", "▁") for text, _ in rows]
    each = config.UNITS // len(config.LANGUAGES)
    if not path.exists():
        # Groups of units that sound alike: each is seen often enough to know its characters.
        centres = np.load(folder / f"{lang}.npz")["centres"]
        group = units.assign(centres, units.kmeans(centres, GROUPS, 7))
        durations = align(texts, [group[u - number * each] for _, u in rows], GROUPS)
        path.write_text(json.dumps([None if d is None else d.tolist() for d in durations]))
    found = json.loads(path.read_text())
    return [
        (text, u, np.array(d))
        for text, (_, u), d in zip(texts, rows, found, strict=True)
        if d is not None
    ]


def cut(text: str, u: Any, d: Any, rng: random.Random) -> tuple[str, Any, Any, bool]:
    """The text, often only up to some word, and whether a comma is put behind it.

    At run time every piece of text that is spoken before its sentence has ended gets a comma.
    """
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
    return text, u, d, comma


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
) -> dict[str, dict[str, tuple[list[int], Tensor]]]:
    """Features of the trained text decoder for the sentences that the target voices speak."""
    from training.cache_states import encode_rows, load_encoder
    from training.data import Utterance
    from training.make_speech import make_utterance
    from training.speech import engines
    from training.text import sample
    from training.train_decoder import Translator, source_states

    model = Translator(vocabulary)
    model.load_state_dict(checkpoint.best_weights(decoder_folder / "state.pt"))
    model.eval()
    trainer = load_encoder(decoder_folder.parent / "encoder", vocabulary)
    rng = random.Random(seed)
    found: dict[str, dict[str, tuple[list[int], Tensor]]] = {x: {} for x in config.LANGUAGES}
    for sentence in itertools.islice(sample.stream(seed), sentences):
        x, described = make_utterance(rng, engines.draw_voice(rng), [sentence])
        states = encode_rows(trainer, vocabulary, [Utterance(x, described)])[0][0]
        with torch.inference_mode():
            source, lengths = source_states(model, [states])
            memory = model.decoder.project_source(source, lengths)
            for lang in config.LANGUAGES:
                ids = [
                    *vocabulary.text.prefix(lang),
                    *vocabulary.text.encode(sentence.text(lang)),
                ]
                out, _ = model.decoder(torch.tensor([ids]), memory)
                found[lang]["▁" + sentence.text(lang).replace(" ", "▁")] = (ids, out[0].clone())
    return found


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
    rows = [
        (lang, *row)
        for number, lang in enumerate(config.LANGUAGES)
        for row in prepare(args.units, lang, number)
    ]
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
    totals, counted = np.zeros(3), 0
    while step < args.steps:
        for group in optimizer.param_groups:
            group["lr"] = args.rate * min(1, (step + 1) / 200) * max(0.03, 1 - step / args.steps)
        picked = [(lang, cut(t, u, d, rng), t) for lang, t, u, d in rng.sample(rows, args.batch)]
        ids, features = [], []
        for lang, (text, _, _, comma), whole in picked:
            plain = text[1:].replace("▁", " ")
            tokens = [*vocabulary.text.prefix(lang), *vocabulary.text.encode(plain)]
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
        sizes = torch.tensor([len(x) for x in features])
        padded = nn.utils.rnn.pad_sequence(features, batch_first=True)
        pairs = [characters_of(tokens, vocabulary.text, vocabulary.chars) for tokens in ids]
        longest = max(len(chars) for chars, _ in pairs)
        chars = torch.zeros(len(pairs), longest, dtype=torch.long)
        counts = torch.zeros(len(pairs), padded.size(1), dtype=torch.long)
        durations = torch.zeros(len(pairs), longest, dtype=torch.long)
        targets = []
        for row, ((symbols, lens), (_, (text, u, d, comma), _)) in enumerate(
            zip(pairs, picked, strict=True)
        ):
            if len(symbols) != len(text) + comma:
                raise ValueError(f"{text!r}: {len(symbols)} characters")
            chars[row, : len(symbols)] = torch.tensor(symbols)
            counts[row, : len(lens)] = torch.tensor(lens)
            durations[row, : len(d)] = torch.from_numpy(d)
            targets.append(torch.from_numpy(u + OFFSET))
        wanted = nn.utils.rnn.pad_sequence(targets, batch_first=True, padding_value=-100)
        with torch.autocast("cpu", torch.bfloat16):
            states, log_durations = forward(model, padded, sizes, chars, counts, durations)
            real = (wanted >= 0) & (torch.rand(wanted.shape) < SCORED)
            logits = model.final_proj(states[real])
        likely = logits.float().log_softmax(-1)
        index = wanted[real] - OFFSET
        unit_loss = -(likely.gather(1, alike[index] + OFFSET) * weights[index]).sum(1).mean()
        lasting = durations > 0
        duration_loss = F.mse_loss(log_durations.float()[lasting], (durations[lasting] + 1.0).log())
        right = (logits.argmax(-1) == wanted[real]).float().mean()
        loss = unit_loss + duration_loss
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        totals += (float(unit_loss.detach()), float(duration_loss.detach()), float(right))
        counted += 1
        if step % 100 == 0:
            mean = (totals / counted).tolist()
            totals[:], counted = 0, 0
            line = {
                "step": step,
                "units": round(mean[0], 4),
                "durations": round(mean[1], 4),
                "right": round(mean[2], 4),
            }
            print(line, flush=True)
            with (args.out / "log.jsonl").open("a") as log:
                log.write(json.dumps(line) + "\n")
        if step >= args.steps or time.monotonic() - saved > 120:
            saved = time.monotonic()
            checkpoint.save(path, step, model, optimizer)


if __name__ == "__main__":
    main()
