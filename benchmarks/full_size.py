"""The published model's size on a processor, with random weights: seconds, memory, time to ready.

    python benchmarks/full_size.py --folder /tmp/full-int8
    python benchmarks/full_size.py --agreement

Writes the folder that `models convert --dtype int8` would write if it is not there (3 GB; takes 12
GB of memory once), then loads it in a process of its own as a server does, and lets one speaker
talk through it with chunks of 320 and 960 ms. RTF is computing time by audio time, peak memory is
all that the process ever held, pages of the mapped file included.
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import resource
import time
from pathlib import Path
from typing import Any

import torch
from sentencepiece import sentencepiece_model_pb2
from torch import Tensor, nn

from seamless_server.bench.breakdown import Breakdown, watch_all
from seamless_server.bench.simulation import SimulatedSpeaker, simulate, speech_for_load
from seamless_server.checkpoints import model_file, published
from seamless_server.checkpoints.int8 import quantized_network, quantized_state
from seamless_server.checkpoints.random_model import random_checkpoint, sized_config
from seamless_server.checkpoints.tokenizers import TextTokenizer
from seamless_server.nn.fitted import fit
from seamless_server.nn.speech_encoder import SpeechEncoder
from seamless_server.nn.text_decoder import TextDecoder
from seamless_server.streaming.seamless_model import load_seamless

TOKENS_A_SECOND = 6.25


def write_folder(folder: Path, dtype: str) -> None:
    """A model's folder with random weights, as `models convert` writes it."""
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = random_checkpoint("full")
    states = {}
    for part in ("encoder", "decoder", "t2u", "vocoder"):
        network: nn.Module = getattr(checkpoint, part)
        state = network.state_dict()
        if dtype == "int8" and part != "vocoder":
            state = quantized_state(network, state)
        states[part] = state
        setattr(checkpoint, part, None)
        del network
        gc.collect()
    to = torch.bfloat16 if dtype == "bf16" else None
    model_file.write_model_file(folder / model_file.FILE, states, to, int8=dtype == "int8")
    langs = set(TextTokenizer(None, checkpoint.config.text_langs).tokens)
    words = [x for x in checkpoint.text_tokenizer.tokens if x not in langs]
    _write_pieces(folder / published.TOKENIZER, ["<unk>", "<s>", "</s>", *words])
    assert checkpoint.char_tokenizer is not None
    characters = list(checkpoint.char_tokenizer.tokens[4:])
    _write_pieces(folder / published.CHARACTERS, ["<pad>", "<unk>", "<s>", "</s>", *characters])


def _write_pieces(path: Path, pieces: list[str]) -> None:
    made_for: Any = sentencepiece_model_pb2  # whose names protobuf makes when it is imported
    model = made_for.ModelProto()
    kinds = {"<unk>": 2, "<s>": 3, "</s>": 3, "<pad>": 3}
    for number, piece in enumerate(pieces):
        model.pieces.add(piece=piece, score=-float(number), type=kinds.get(piece, 1))
    model.trainer_spec.model_type = 1
    model.trainer_spec.unk_id = pieces.index("<unk>")
    model.trainer_spec.bos_id = pieces.index("<s>")
    model.trainer_spec.eos_id = pieces.index("</s>")
    model.trainer_spec.pad_id = pieces.index("<pad>") if "<pad>" in pieces else -1
    path.write_bytes(model.SerializeToString())


def measure(args: argparse.Namespace, began: float) -> dict[str, Any]:
    """Everything, in this process."""
    if args.threads:
        torch.set_num_threads(args.threads)
    model = load_seamless(args.folder, device="cpu", dtype=args.dtype, engine=args.engine)
    result: dict[str, Any] = {"ready_seconds": time.time() - began, "gb": {"ready": _peak()}}
    parts = Breakdown(torch.device("cpu"))
    if args.parts:
        engine: Any = model.engine
        watch_all(parts, engine.checkpoint)
    for chunk_ms in args.chunks:
        tokens = round(TOKENS_A_SECOND * chunk_ms / 1000)
        load = SimulatedSpeaker(speech_for_load(None), chunk_ms, tokens)
        simulate(model, args.engine, 1, 4 * chunk_ms / 1000, load, realtime=False)
        parts.seconds.clear()
        outcome = simulate(model, args.engine, 1, args.seconds, load, realtime=False)
        assert not outcome.errors, outcome.errors[0]
        result[f"rtf_{chunk_ms}"] = 1 / outcome.throughput
        result[f"stages_{chunk_ms}"] = outcome.stages
        if args.parts:
            ordered = sorted(parts.seconds.items(), key=lambda item: -item[1])
            result[f"parts_{chunk_ms}"] = {k: round(v, 3) for k, v in ordered}
        result["gb"][str(chunk_ms)] = _peak()
        print(json.dumps(result, indent=1), flush=True)
    return result


def agreement() -> None:
    """How far int8 states and logits are from those in fp32, one network after the other."""
    config = sized_config("full")
    torch.manual_seed(0)
    with torch.inference_mode():
        encoder = SpeechEncoder(config.encoder).requires_grad_(False).eval()
        features = torch.randn(1, 256, 80)
        wanted = encoder(features)[0]
        got = fit(quantized_network(encoder, "int8"))(features)[0]
        found = {"encoder_error": _error(got, wanted)}
        del encoder
        gc.collect()
        decoder = TextDecoder(config.decoder).requires_grad_(False).eval()
        tokens = torch.randint(10, 200_000, (1, 64))
        results = []
        for each in (decoder, fit(quantized_network(decoder, "int8"))):
            memory = each.project_source(wanted)
            states, chosen = each(tokens, memory)
            results.append((each.logits(states[0]), chosen))
        (logits, chosen), (rounded, close) = results
    best = logits.topk(5).indices
    found |= {
        "logits_error": _error(rounded, logits),
        "same_token": float((rounded.argmax(-1) == best[:, 0]).float().mean()),
        "token_among_five": float((rounded.argmax(-1)[:, None] == best).any(1).float().mean()),
        "p_choose_mean_difference": float((close - chosen).abs().mean()),
        "p_choose_largest_difference": float((close - chosen).abs().max()),
    }
    print(json.dumps(found, indent=1))


def _error(got: Tensor, wanted: Tensor) -> float:
    """Length of the difference by length of what is wanted."""
    return float((got - wanted).norm() / wanted.norm())


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def main() -> None:
    """Write what is missing, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=Path("full-int8"))
    parser.add_argument("--dtype", default="auto", help="of a server: auto, fp32, bf16, int8")
    parser.add_argument("--stored", default="int8", choices=["fp32", "bf16", "int8"])
    parser.add_argument("--engine", default="scheduled", choices=["inline", "scheduled"])
    parser.add_argument("--seconds", type=float, default=9.6, help="of speech")
    parser.add_argument("--threads", type=int, default=0, help="a call; 0 is what a server takes")
    parser.add_argument("--chunks", type=int, nargs="+", default=[320, 960])
    parser.add_argument("--agreement", action="store_true", help="int8 beside fp32; not timed")
    parser.add_argument("--parts", action="store_true", help="say where the time goes")
    args = parser.parse_args()
    if args.agreement:
        agreement()
        return
    spawn = multiprocessing.get_context("spawn")
    for make, given in (
        (write_folder, (args.folder, args.stored)),
        (measure, (args, None)),
    ):
        if make is write_folder and (args.folder / model_file.FILE).is_file():
            continue
        if make is measure:
            given = (args, time.time())
        process = spawn.Process(target=make, args=given)
        process.start()
        process.join()
        if process.exitcode:
            raise SystemExit(process.exitcode)


if __name__ == "__main__":
    main()
