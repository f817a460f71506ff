"""`seamless-server evaluate`: score a system on a data set, compare runs, prepare data sets."""

from __future__ import annotations

from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from seamless_server.commands.helpful import CommandApp
from seamless_server.commands.stream_flags import Task, machine, with_stream_flags
from seamless_server.languages import resolve
from seamless_server.stream_options import StreamOptions

if TYPE_CHECKING:
    from seamless_server.evaluation.compare import Comparison

_scored = partial(typer.Option, rich_help_panel="Which sentences")
_scores = partial(typer.Option, rich_help_panel="Scores and report")
EPILOG = """
Besides the options above, every other option of the agent is understood (--compat official).

Other subcommands: `evaluate prepare` turns a downloaded corpus into a manifest, `evaluate compare`
compares two runs, `evaluate report` writes the report of a run anew, `evaluate longform` scores
long recordings. docs/evaluation.md is the guide.
"""


class _DefaultRun(TyperGroup):
    """``evaluate --task ...`` means ``evaluate run --task ...``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or args[0] not in self.commands:
            args = ["run", *args]
        return super().parse_args(ctx, args)


evaluate_app = CommandApp(
    cls=_DefaultRun,
    help="Score a system on a data set under SimulEval.",
)
prepare_app = CommandApp(
    help="Turn a downloaded corpus into a manifest.",
    no_args_is_help=True,
)
evaluate_app.add_typer(prepare_app, name="prepare")


class UnitName(str, Enum):
    """What latency is counted in."""

    spm = "spm"
    word = "word"
    char = "char"


class AsrEngine(str, Enum):
    """Programs that run Whisper models."""

    faster = "faster-whisper"
    openai = "openai-whisper"


@evaluate_app.command(
    "run",
    epilog=EPILOG,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
@with_stream_flags("chunk_ms", "longest_chunk_ms", "expressive")
def run(
    ctx: typer.Context,
    options: StreamOptions,
    task: Annotated[Task, typer.Option(help="Text translation, transcription, or speech.")],
    data: Annotated[
        Path, typer.Option("--data", "--data-file", help="Manifest: TSV with a header.")
    ],
    audio_root: Annotated[
        Path | None,
        _scored("--audio-root", "--audio-root-dir", help="What audio paths are relative to."),
    ] = None,
    tgt_lang: Annotated[
        str, typer.Option(help="Target language, or several: spa,deu. Default: the column.")
    ] = "",
    model: Annotated[str | None, typer.Option(help="Name or folder of a model.")] = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder for everything. Default: evaluations/DATA-TASK.")
    ] = None,
    device: Annotated[str, machine(help="cpu, cuda or auto.")] = "auto",
    dtype: Annotated[
        str,
        machine(help="fp32 as the paper's numbers, or another of the engine's."),
    ] = "fp32",
    workers: Annotated[int, machine(min=1, help="Sentences under way at a time.")] = 1,
    limit: Annotated[
        int | None,
        _scored(min=1, help="Only the first so many sentences a language."),
    ] = None,
    start_index: Annotated[int, _scored(min=0, help="First line to use.")] = 0,
    end_index: Annotated[int, _scored(help="First line not to use; -1: none.")] = -1,
    ids: Annotated[
        Path | None,
        _scored(help="File with the ids of sentences to use."),
    ] = None,
    ref_field: Annotated[
        str,
        _scored(help="Column of the reference; {lang} is the target language."),
    ] = "tgt_text",
    strip_silence: Annotated[
        bool,
        _scored("--strip-silence/--no-strip-silence", help="Cut silence off both ends."),
    ] = True,
    standardize_audio: Annotated[
        bool,
        _scored("--standardize-audio", help="Scale audio to mean 0, variance 1."),
    ] = False,
    source_segment_size: Annotated[
        int,
        machine(min=1, help="Source that the agent gets at a time, in ms."),
    ] = 320,
    sweep: Annotated[
        list[str] | None,
        machine(help="Agent option in several values: decision_threshold=0.3,0.5."),
    ] = None,
    latency_unit: Annotated[
        UnitName | None,
        _scores(help="Default: spm, the tokens of the model's tokenizer."),
    ] = None,
    latency_spm: Annotated[
        Path | None,
        _scores(help="SentencePiece model to count with. Default: the model's."),
    ] = None,
    asr_model: Annotated[
        str,
        _scores(help="Whisper model for ASR-BLEU: name, folder, or none."),
    ] = "large-v2",
    asr_engine: Annotated[
        AsrEngine,
        _scores(help="Which program runs the Whisper model."),
    ] = AsrEngine.faster,
    official_characters: Annotated[
        bool,
        _scores(
            "--official-characters",
            help="Score by characters only what the public evaluation does: not yue, khm, bod.",
        ),
    ] = False,
    agent_class: Annotated[
        str | None,
        machine(help="Another SimulEval agent: package.module.Class."),
    ] = None,
    expressive: Annotated[
        bool,
        machine("--expressive", help="Speak in the speaker's own voice (s2st)."),
    ] = False,
    voice: Annotated[
        str,
        machine(help="Expressive voice for --expressive: a name, file or folder."),
    ] = "vocoder_pretssel",
    report_sentences: Annotated[
        int,
        _scores(min=0, help="Sentences in the report, worst first."),
    ] = 500,
    report_audio: Annotated[
        int,
        _scores(min=0, help="How many of these with their audio."),
    ] = 100,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Throw away another run in the same folder.")
    ] = False,
) -> None:
    """Evaluate a system. Interrupted, the same command goes on where it was."""
    from seamless_server.errors import UsageError
    from seamless_server.evaluation import agents
    from seamless_server.evaluation.audio import Preparation
    from seamless_server.evaluation.command import evaluate
    from seamless_server.evaluation.experiment import Experiment, parse_sweep
    from seamless_server.evaluation.manifest import Selection, read_ids
    from seamless_server.evaluation.report import ReportOptions
    from seamless_server.evaluation.systems import expressive_agent, resolve_system
    from seamless_server.evaluation.units import Unit

    of_agents = agents.parse_options(ctx.args)
    chosen = options.agents().items()
    of_agents |= {name: x if isinstance(x, bool) else str(x) for name, x in chosen}
    if expressive:
        if agent_class is not None:
            raise UsageError("--expressive is an agent of its own: leave --agent-class out")
        agent_class = expressive_agent(task.value, of_agents, voice)
    system = resolve_system(
        task.value,
        model=model,
        agent_class=agent_class,
        options=of_agents,
        device=device,
        dtype=dtype,
        segment_ms=source_segment_size,
    )
    spm_model = latency_spm or system.spm_model
    unit = Unit(latency_unit.value) if latency_unit else (Unit.spm if spm_model else Unit.word)
    experiment = Experiment(
        data=data,
        output=output or Path("evaluations") / f"{data.stem}-{task.value}",
        spec=system.spec,
        selection=Selection(
            task=task.value,
            tgt_langs=tuple(_langs(tgt_lang)),
            ref_field=ref_field,
            start_index=start_index,
            end_index=end_index,
            limit=limit,
            ids=read_ids(ids) if ids else frozenset(),
        ),
        audio_root=audio_root,
        preparation=Preparation(strip_silence, standardize_audio),
        sweep=parse_sweep(sweep or []),
        unit=unit,
        spm_model=spm_model,
        coverage=system.coverage,
        system=system.name,
        checkpoint=system.checkpoint,
        workers=workers,
        asr_model=asr_model if task is Task.s2st and asr_model != "none" else None,
        asr_engine=asr_engine.value,
        official_characters=official_characters,
        overwrite=overwrite,
    )
    report = ReportOptions(report_sentences, report_audio, audio_root or data.parent)
    evaluate(experiment, report)


@evaluate_app.command("compare")
def compare(
    run_a: Annotated[Path, typer.Argument(help="Folder of the first run.")],
    run_b: Annotated[Path, typer.Argument(help="Folder of the second.")],
    output: Annotated[Path | None, typer.Option(help="Write an HTML report here.")] = None,
    samples: Annotated[int, typer.Option(min=100, help="Bootstrap samples.")] = 1000,
) -> None:
    """Compare two runs: paired bootstrap significance of every metric."""
    from seamless_server.evaluation.compare import compare as compare_runs
    from seamless_server.evaluation.provenance import make_folder
    from seamless_server.evaluation.report import comparison_report

    comparisons = compare_runs(run_a, run_b, samples)
    for comparison in comparisons:
        _print_comparison(comparison)
    if output is not None:
        make_folder(output.parent)
        output.write_text(comparison_report(comparisons), encoding="utf-8")
        typer.echo(f"Report: {output}")


def _print_comparison(comparison: Comparison) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"A = {comparison.a.folder}, B = {comparison.b.folder}")
    for name in ("metric", "A", "B", "B - A", "p", "better"):
        table.add_column(name, justify="left" if name in ("metric", "better") else "right")
    for item in comparison.differences:
        table.add_row(
            item.metric,
            f"{item.a:.3f}",
            f"{item.b:.3f}",
            f"{item.b - item.a:+.3f}",
            f"{item.p_value:.4f}",
            item.better,
        )
    console = Console()
    console.print(table)
    console.print(
        f"{len(comparison.shared)} sentences; '-' means that it may be chance (p >= 0.05)"
    )
    for notice in comparison.notices:
        console.print(notice, markup=False)


@evaluate_app.command("report")
def report(
    folder: Annotated[Path, typer.Argument(help="Folder of a finished run or experiment.")],
    audio_root: Annotated[
        Path | None, typer.Option(help="Put in audio from here; default: no audio.")
    ] = None,
    sentences: Annotated[int, typer.Option(min=0, help="Sentences shown, worst first.")] = 500,
    audio: Annotated[int, typer.Option(min=0, help="How many of these with audio.")] = 100,
) -> None:
    """Write report.html of a finished run anew."""
    from seamless_server.evaluation.command import write_reports
    from seamless_server.evaluation.report import ReportOptions

    path = write_reports(folder, ReportOptions(sentences, audio, audio_root))
    typer.echo(f"Report: {path}")


@evaluate_app.command("longform")
def longform(
    folder: Annotated[Path, typer.Argument(help="Folder of a run over whole recordings.")],
    segmentation: Annotated[
        Path, typer.Option(help="YAML or JSON: wav, offset and duration of each sentence.")
    ],
    references: Annotated[Path, typer.Option(help="One reference sentence a line.")],
    moses_lang: Annotated[
        str | None, typer.Option(help="Two-letter code for Moses' tokenizer (needs Perl).")
    ] = None,
) -> None:
    """Score long recordings with OmniSTEval: LongYAAL, StreamLAAL (as LongLAAL)."""
    from seamless_server.evaluation import longform as omnisteval
    from seamless_server.evaluation.compare import read_side

    side = read_side(folder)
    lang = side.metrics["tgt_lang"]
    log = folder / omnisteval.LONGFORM_LOG_NAME
    omnisteval.export(log, list(side.records.values()), lang)
    figures = omnisteval.evaluate(
        log, segmentation, references, lang, folder / "longform", moses_lang
    )
    for name, value in figures.items():
        typer.echo(f"{name}\t{value:.3f}")


def _langs(text: str) -> list[str]:
    """Codes of languages separated by commas, each once."""
    return list(dict.fromkeys(resolve(lang) for lang in text.split(",") if lang.strip()))


_SrcLang = Annotated[str, typer.Option(help="Language that is spoken.")]
_TgtLang = Annotated[str, typer.Option(help="Language of the reference.")]
_Split = Annotated[str, typer.Option(help="Part of the corpus.")]
_Root = Annotated[Path, typer.Argument(help="Folder as the corpus unpacks.")]
_Output = Annotated[Path, typer.Option(help="Manifest to write.")]
_Ids = Annotated[Path | None, typer.Option(help="File with the ids of sentences to keep.")]
_Clips = Annotated[Path | None, typer.Option(help="Common Voice's folder of clips.")]


@prepare_app.command("fleurs")
def prepare_fleurs(
    root: _Root,
    src_lang: _SrcLang,
    output: _Output,
    tgt_lang: Annotated[
        str, typer.Option(help="Languages of the references: spa,deu. Default: transcription.")
    ] = "",
    split: _Split = "test",
    ids: _Ids = None,
) -> None:
    """FLEURS: folders such as en_us with test.tsv and audio/test."""
    from seamless_server.evaluation import corpora

    langs = _langs(tgt_lang) or [src_lang]
    _write(corpora.fleurs(root, src_lang, langs, split), root, output, ids)


@prepare_app.command("covost2")
def prepare_covost2(
    root: _Root,
    src_lang: _SrcLang,
    tgt_lang: _TgtLang,
    output: _Output,
    split: _Split = "test",
    clips: _Clips = None,
    ids: _Ids = None,
) -> None:
    """CoVoST 2: covost_v2.fr_en.tsv (or .test.tsv) with Common Voice 4's clips."""
    from seamless_server.evaluation import corpora

    _write(corpora.covost2(root, src_lang, tgt_lang, split, clips), root, output, ids)


@prepare_app.command("cvss-c")
def prepare_cvss_c(
    root: _Root,
    src_lang: _SrcLang,
    output: _Output,
    split: _Split = "test",
    clips: _Clips = None,
    ids: _Ids = None,
) -> None:
    """CVSS-C: cvss_c_fr_en_v1.0 with test.tsv, and Common Voice 4's clips."""
    from seamless_server.evaluation import corpora

    _write(corpora.cvss_c(root, src_lang, split, clips), root, output, ids)


@prepare_app.command("common-voice")
def prepare_common_voice(
    root: _Root,
    lang: Annotated[str, typer.Option("--lang", "--src-lang", help="Language that is spoken.")],
    output: _Output,
    split: _Split = "test",
    ids: _Ids = None,
) -> None:
    """Common Voice, for transcription: fr/test.tsv and fr/clips."""
    from seamless_server.evaluation import corpora

    _write(corpora.common_voice(root, lang, split), root, output, ids)


@prepare_app.command("folder")
def prepare_folder(
    root: _Root,
    src_lang: _SrcLang,
    tgt_lang: Annotated[str, typer.Option(help="Languages of the references: spa,deu.")],
    output: _Output,
    ids: _Ids = None,
) -> None:
    """Recordings of your own: talk.wav, and its reference in talk.spa.txt or talk.txt."""
    from seamless_server.evaluation import corpora

    langs = _langs(tgt_lang)
    _write(corpora.own_recordings(root, src_lang, langs), root, output, ids)


def _write(prepared: Any, root: Path, output: Path, ids: Path | None) -> None:
    """Filter by ids, write the manifest, and say what to do with it."""
    from seamless_server.errors import UsageError
    from seamless_server.evaluation.manifest import names_of, read_ids, write_manifest
    from seamless_server.evaluation.provenance import make_folder

    rows = prepared.rows
    if ids is not None:
        wanted = read_ids(ids)
        rows = [row for row in rows if names_of(row["id"], row["audio"]) & wanted]
        missing = wanted.difference(*(names_of(row["id"], row["audio"]) for row in rows))
        if missing:
            typer.echo(f"{len(missing)} of {len(wanted)} ids are not in this corpus", err=True)
    if not rows:
        raise UsageError(f"{root}: nothing is left for a manifest")
    make_folder(output.parent)
    count = write_manifest(output, rows)
    if prepared.left_out:
        typer.echo(f"{len(prepared.left_out)} recordings have no reference: left out", err=True)
    typer.echo(f"{output}: {count} sentences")
    typer.echo(f"seamless-server evaluate --data {output} --audio-root {root} --task ...")


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.add_typer(evaluate_app, name="evaluate")
