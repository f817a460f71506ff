"""``streaming_evaluate``: the official evaluation's command, with its options and defaults.

It runs what `seamless-server evaluate` runs, and stands beside it so that scripts and habits of the
official tool keep working. The official behaviour is the default here.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from seamless_server.errors import SeamlessError, UsageError

DESCRIPTION = """\
Evaluate SeamlessStreaming under SimulEval as the official streaming_evaluate does: its options, its
defaults, its behaviour with every quirk, its result files. `seamless-server evaluate` is the same
with the defects mended, several languages, sweeps and comparisons (docs/evaluation.md).
"""
EPILOG = """\
Every option of the official agents is understood as well: --decision-threshold 0.5,
--decision-method min, --p-choose-start-layer 0, --block-ngrams, --min-starting-wait 1,
--min-starting-wait-w2vbert 192, --max-len-a 0, --max-len-b 100, --max-consecutive-write 50,
--no-early-stop, --min-unit-chunk-size 50, --d-factor 1.0, --vocoder-speaker-id -1, --denormalize

example:
  streaming_evaluate --task s2tt --data-file fleurs.tsv --audio-root-dir fleurs --tgt-lang spa \\
      --output results
"""
_UNITY = "seamless_streaming_unity"
_DECODER = "seamless_streaming_monotonic_decoder"
_VOCODER = "vocoder_v2"
_NOT_OFFERED = {
    "no_use_ref_len": "AL is computed with the reference's length and LAAL with the longer one; "
    "both are always written",
    "slurm": "start the command on the node, or in a job script of your own",
    "demo": "use `seamless-server serve`",
}


def make_parser() -> argparse.ArgumentParser:
    """The official options; what is not here is an option of the agent."""
    parser = argparse.ArgumentParser(
        "streaming_evaluate",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--task", choices=("s2st", "s2tt", "asr"), required=True)
    data = parser.add_argument_group("data")
    data.add_argument("--data-file", type=Path, required=True, help="manifest: TSV with a header")
    data.add_argument("--audio-root-dir", type=Path, help="what its audio paths are relative to")
    data.add_argument("--ref-field", default="tgt_text", help="column of the reference (tgt_text)")
    data.add_argument("--tgt-lang", required=True, help="target language, three letters")
    data.add_argument("--output", type=Path, required=True, help="folder for all results")
    data.add_argument("--source-segment-size", type=int, default=320, help="ms a push (320)")
    data.add_argument("--start-index", type=int, default=0, help="first line to use (0)")
    data.add_argument("--end-index", type=int, default=-1, help="first line not to use (-1: none)")
    data.add_argument("--no-strip-silence", action="store_true", help="keep silence at both ends")
    data.add_argument("--standardize-audio", action="store_true", help="to mean 0, variance 1")

    model = parser.add_argument_group("model")
    model.add_argument("--unity-model-name", default=_UNITY, help=f"({_UNITY})")
    model.add_argument("--monotonic-decoder-model-name", default=_DECODER, help=f"({_DECODER})")
    model.add_argument(
        "--vocoder-name", default=_VOCODER, help=f"({_VOCODER}; expressive: vocoder_pretssel)"
    )
    model.add_argument("--device", help="cuda:0, or the CPU where there is none")
    model.add_argument("--dtype", default="fp16", help="fp16; fp32 as the paper; on a CPU fp32")
    model.add_argument("--fp16", action="store_true", help="the same as --dtype fp16")
    model.add_argument("--expressive", action="store_true", help="speak as the speaker does")
    model.add_argument("--gated-model-dir", type=Path, help="folder of the expressive voice")

    scores = parser.add_argument_group("scores")
    add = scores.add_argument
    add("--whisper-model-name", default="large", help="what hears translated speech (large)")
    add("--whisper-normalize-text-output", action="store_true", help="BLEU of normalised text")
    add("--ref-text-col-name", default="ref_tgt_text", help="in results.tsv (ref_tgt_text)")
    add("--pred-text-col-name", default="pred_tgt_text", help="(pred_tgt_text)")
    add("--pred-audio-col-name", default="pred_tgt_audio", help="(pred_tgt_audio)")
    add("--eval-latency-unit", choices=("word", "char", "spm"), default="spm", help="(spm)")
    add("--eval-latency-spm-model", type=Path, help="default: the model's tokenizer")
    add("--no-scoring", action="store_true", help="leave ASR-BLEU out; text is scored all the same")
    for name in ("--quality-metrics", "--latency-metrics"):
        add(name, nargs="+", help="accepted; all are always written")
    for name in ("--computation-aware", "--continue-unfinished", "--visualize"):
        add(name, action="store_true", help="accepted; always done")
    for name in ("--no-use-ref-len", "--slurm", "--demo"):
        add(name, action="store_true", help="not offered")

    ours = parser.add_argument_group("not in the official tool")
    ours.add_argument("--model", help="name or folder of another model")
    ours.add_argument("--workers", type=int, default=1, help="sentences under way at a time (1)")
    ours.add_argument(
        "--compat", choices=("official", "mended"), default="official", help="(official)"
    )
    ours.add_argument(
        "--asr-engine",
        choices=("openai-whisper", "faster-whisper"),
        help="what runs Whisper: openai-whisper, as the official tool, where it is installed",
    )
    ours.add_argument("--overwrite", action="store_true", help="throw another run's results away")
    return parser


def run(arguments: Sequence[str]) -> None:
    """Evaluate what a command line asks for.

    Raises:
        SeamlessError: it cannot be done; says why.
    """
    parser = make_parser()
    args, rest = parser.parse_known_args(arguments)
    for name, remedy in _NOT_OFFERED.items():
        if getattr(args, name):
            raise UsageError(f"--{name.replace('_', '-')} is not offered: {remedy}")
    if args.workers < 1 or args.source_segment_size < 1:
        raise UsageError("--workers and --source-segment-size are at least 1")

    from seamless_server.evaluation import agents
    from seamless_server.evaluation.audio import Preparation
    from seamless_server.evaluation.command import evaluate
    from seamless_server.evaluation.experiment import Experiment
    from seamless_server.evaluation.manifest import Selection
    from seamless_server.evaluation.report import ReportOptions
    from seamless_server.evaluation.run_files import Columns
    from seamless_server.evaluation.systems import resolve_system
    from seamless_server.evaluation.units import Unit

    options = agents.parse_options(rest)
    if args.compat == "official":
        options["compat"] = "official"
    agent_class = options.pop("agent_class", None) or _expressive(args, options)
    system = resolve_system(
        args.task,
        model=_model(args),
        agent_class=None if agent_class is None else str(agent_class),
        options=options,
        device=_device(args.device),
        dtype="fp16" if args.fp16 else args.dtype,
        segment_ms=args.source_segment_size,
    )
    unit, spm_model = Unit(args.eval_latency_unit), args.eval_latency_spm_model or system.spm_model
    hears = args.task == "s2st" and not args.no_scoring
    experiment = Experiment(
        data=args.data_file,
        output=args.output,
        spec=system.spec,
        selection=Selection(
            task=args.task,
            tgt_langs=(args.tgt_lang,),
            ref_field=args.ref_field,
            start_index=args.start_index,
            end_index=args.end_index,
        ),
        audio_root=args.audio_root_dir,
        preparation=Preparation(not args.no_strip_silence, args.standardize_audio),
        unit=unit if unit is not Unit.spm or spm_model else Unit.word,
        spm_model=spm_model,
        coverage=system.coverage,
        system=system.name,
        checkpoint=system.checkpoint,
        workers=args.workers,
        asr_model=args.whisper_model_name if hears else None,
        asr_engine=args.asr_engine or _installed(),
        normalize_text=args.whisper_normalize_text_output,
        columns=Columns(args.ref_text_col_name, args.pred_text_col_name, args.pred_audio_col_name),
        overwrite=args.overwrite,
    )
    evaluate(experiment, ReportOptions(audio_root=args.audio_root_dir or args.data_file.parent))


def _expressive(args: argparse.Namespace, options: dict[str, str | bool]) -> str | None:
    """The official agent with an expressive voice, if one is asked for, and its options."""
    from seamless_server.evaluation.systems import expressive_agent

    named = args.vocoder_name != _VOCODER
    if not (args.expressive or named):
        return None
    voice = args.vocoder_name if named else "vocoder_pretssel"
    return expressive_agent(args.task, options, voice, args.gated_model_dir)


def _model(args: argparse.Namespace) -> str:
    """The model that the official names mean; its files lie in one folder here."""
    if args.model is not None:
        return str(args.model)
    unity, decoder = args.unity_model_name, args.monotonic_decoder_model_name
    if (unity == _UNITY) != (decoder == _DECODER):
        raise UsageError(
            "a model's files lie in one folder here: name it by --model instead of "
            "--unity-model-name and --monotonic-decoder-model-name"
        )
    return str(unity)


def _device(name: str | None) -> str:
    """The official default is the first GPU; where there is none, the CPU does the same slowly."""
    if name is not None:
        return name
    import torch

    if torch.cuda.is_available():
        return "cuda:0"
    print("streaming_evaluate: no CUDA device here, so on the CPU, in fp32", file=sys.stderr)
    return "cpu"


def _installed() -> str:
    from importlib.util import find_spec

    from seamless_server.evaluation.transcribe import FASTER, OPENAI

    return OPENAI if find_spec("whisper") is not None else FASTER


def main() -> None:
    """Entry point; errors and exit codes as those of ``seamless-server``."""
    try:
        run(sys.argv[1:])
    except SeamlessError as error:
        print(f"streaming_evaluate: {error.message}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
