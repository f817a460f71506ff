"""Rebuild the training states from the shipped model, to go on training it.

    python -m training.restore --model models/SeamlessStreaming-mini --work training/work

Optimizer states are not shipped: they warm up anew. ``--keep`` is the other direction: it writes
what the model folder lacks to training/state: the CTC heads, the phonemes, the centres of the
speech units and the logs. ``--keep-encoder`` keeps an encoder that has gone on beyond the shipped
one, and whose decoder is still to come, as ``encoder.safetensors`` (int8): training goes on there.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from seamless_server.checkpoints import model_file
from seamless_server.nn.t2u import T2U
from seamless_server.nn.vocoder import Vocoder
from training import checkpoint, config, plots, units
from training.train_decoder import Translator
from training.train_encoder import EncoderTrainer
from training.vocabulary import CHARACTER_FILE, PHONEME_FILE, TEXT_FILE, Vocabulary

HEADS = "heads.safetensors"
CENTRES = "centres.safetensors"
AHEAD, AHEAD_LOG = "encoder.safetensors", "encoder.ahead.jsonl"
"""An encoder that is further than the shipped one, and its log."""
STAGES = ("encoder", "decoder", "t2u", "vocoder")


def keep(work: Path, state: Path) -> None:
    """Write the CTC heads, the phonemes, the units' centres and the logs to ``state``."""
    state.mkdir(parents=True, exist_ok=True)
    weights = checkpoint.best_weights(work / "encoder" / "state.pt")
    heads = {
        k: v.half().contiguous()
        for k, v in weights.items()
        if k.startswith(("pieces.", "phonemes."))
    }
    save_file(heads, state / HEADS)
    shutil.copy(work / "vocabulary" / PHONEME_FILE, state / PHONEME_FILE)
    centres = {x: np.load(units.centre_file(work / "units", x)) for x in config.LANGUAGES}
    save_file({x: torch.from_numpy(c).half() for x, c in centres.items()}, state / CENTRES)
    for stage in STAGES:
        shutil.copy(work / stage / "log.jsonl", state / f"{stage}.jsonl")
    for name in (AHEAD, AHEAD_LOG):
        (state / name).unlink(missing_ok=True)


def keep_encoder(work: Path, state: Path) -> int:
    """Write an encoder on its way, with its heads and phonemes, to ``state``; gives its step."""
    weights = checkpoint.best_weights(work / "encoder" / "state.pt")
    save_file(checkpoint.compact(weights), state / AHEAD)
    shutil.copy(work / "encoder" / "log.jsonl", state / AHEAD_LOG)
    return plots.last_step(state / AHEAD_LOG)


def restore(model: Path, state: Path, work: Path) -> None:
    """Write the states of all stages to ``work``, at the step where their logs end."""
    (work / "vocabulary").mkdir(parents=True, exist_ok=True)
    for name in (TEXT_FILE, CHARACTER_FILE):
        shutil.copy(model / name, work / "vocabulary" / name)
    shutil.copy(state / PHONEME_FILE, work / "vocabulary" / PHONEME_FILE)
    steps = {}
    for stage in STAGES:
        (work / stage).mkdir(exist_ok=True)
        shutil.copy(state / f"{stage}.jsonl", work / stage / "log.jsonl")
        steps[stage] = plots.last_step(work / stage / "log.jsonl")
    vocabulary = Vocabulary(work / "vocabulary")
    networks = model_file.read_model_file(model / model_file.FILE)
    parts = {
        part: {name: tensor.float() for name, tensor in tensors.items()}
        for part, tensors in networks.items()
    }
    heads = {name: tensor.float() for name, tensor in load_file(state / HEADS).items()}
    encoder = EncoderTrainer(vocabulary)
    # The map to the teacher's states begins anew: nothing of the teacher is kept.
    known = {**{f"encoder.{k}": v for k, v in parts["encoder"].items()}, **heads}
    if (state / AHEAD).is_file():
        known = checkpoint.expanded(load_file(state / AHEAD))
        shutil.copy(state / AHEAD_LOG, work / "encoder" / "log.jsonl")
        steps["encoder"] = plots.last_step(state / AHEAD_LOG)
    encoder.load_state_dict({**encoder.state_dict(), **known})
    checkpoint.save(work / "encoder" / "state.pt", steps["encoder"], encoder)
    translator = Translator(vocabulary)
    translator.encoder.load_state_dict(parts["encoder"])
    translator.decoder.load_state_dict(parts["decoder"])
    checkpoint.save(work / "decoder" / "state.pt", steps["decoder"], translator)
    if "t2u" in parts:
        t2u, vocoder = T2U(config.t2u(len(vocabulary.chars))), Vocoder(config.VOCODER)
        t2u.load_state_dict(parts["t2u"])
        vocoder.load_state_dict(parts["vocoder"])
        checkpoint.save(work / "t2u" / "state.pt", steps["t2u"], t2u)
        checkpoint.save(work / "vocoder" / "state.pt", steps["vocoder"], vocoder)
    (work / "units").mkdir(exist_ok=True)
    for lang, centres in load_file(state / CENTRES).items():
        np.save(units.centre_file(work / "units", lang), centres.float().numpy())


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=Path("models/SeamlessStreaming-mini"))
    parser.add_argument("--state", type=Path, default=Path("training/state"))
    parser.add_argument("--work", type=Path, default=Path("training/work"))
    parser.add_argument("--keep", action="store_true", help="write the heads instead")
    parser.add_argument("--keep-encoder", action="store_true", help="write one on its way instead")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.keep_encoder:
        print("encoder of step", keep_encoder(args.work, args.state))
    elif args.keep:
        keep(args.work, args.state)
    else:
        restore(args.model, args.state, args.work)


if __name__ == "__main__":
    main()
