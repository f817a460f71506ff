"""An experiment: one manifest, one system, several languages and settings; one run for each."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from seamless_server.agents.building import keeps_state
from seamless_server.checkpoints.download import sha256
from seamless_server.errors import UsageError
from seamless_server.evaluation import agents, quality, run_files
from seamless_server.evaluation.agents import AgentSpec
from seamless_server.evaluation.audio import Preparation
from seamless_server.evaluation.listening import Listener
from seamless_server.evaluation.manifest import Coverage, Selection, Sentence, load_manifest
from seamless_server.evaluation.provenance import (
    RunInfo,
    conditions,
    hash_folder,
    open_run,
    write_json,
)
from seamless_server.evaluation.records import LOG_NAME, Record, read_log, write_log
from seamless_server.evaluation.runner import Outcome, RunProgress, run_sentences
from seamless_server.evaluation.scoring import Scored, score
from seamless_server.evaluation.sentences import SentenceRunner
from seamless_server.evaluation.transcribe import (
    FASTER,
    Transcriber,
    make_transcriber,
    require_asr,
    signature,
    whisper_code,
)
from seamless_server.evaluation.units import PieceEncoder, Unit


@dataclass(frozen=True)
class Experiment:
    """All that was asked for."""

    data: Path
    output: Path
    spec: AgentSpec
    selection: Selection = field(default_factory=Selection)
    audio_root: Path | None = None
    preparation: Preparation = field(default_factory=Preparation)
    sweep: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Agent options and the values that each takes in turn; all combinations are run."""
    unit: Unit = Unit.word
    spm_model: Path | None = None
    coverage: Coverage = field(default_factory=Coverage)
    system: str = ""
    """Name of the system, for people."""
    checkpoint: Path | None = None
    """Folder of the model's files, which are hashed."""
    workers: int = 1
    asr_model: str | None = None
    """Whisper model that hears translated speech; `None` leaves ASR-BLEU out."""
    asr_engine: str = FASTER
    official_characters: bool = False
    """Which program runs it."""
    normalize_text: bool = False
    """Score text translations in the official file after Whisper's normaliser."""
    columns: run_files.Columns = field(default_factory=run_files.Columns)
    overwrite: bool = False


@dataclass(frozen=True)
class Run:
    """One language and one setting of an experiment."""

    name: str
    """Path below the experiment's folder; empty if it is the only one."""
    folder: Path
    lang: str
    options: Mapping[str, str]
    """What this run changes."""
    sentences: Sequence[Sentence]


@dataclass(frozen=True)
class RunResult:
    """A finished run."""

    run: Run
    outcome: Outcome
    scored: Scored
    info: RunInfo


_NOT_SWEPT: Mapping[str, str] = {
    "tgt_lang": "name the languages with --tgt-lang",
    "model": "evaluate each model into a folder of its own, and compare those",
    "task": "evaluate each task into a folder of its own",
    "device": "evaluate on each device into a folder of its own",
}
"""What decides more than an agent's behaviour, and what to do instead."""


def parse_sweep(texts: Sequence[str]) -> dict[str, list[str]]:
    """Read ``name=value,value,...``.

    Raises:
        UsageError: it does not look like that, or it is nothing to be swept.
    """
    sweep: dict[str, list[str]] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        listed = [value.strip() for value in values.split(",") if value.strip()]
        if not equals or not name.strip() or not listed:
            raise UsageError(f"--sweep takes name=value,value,...: '{text}'")
        key = name.strip().lstrip("-").replace("-", "_")
        if key in _NOT_SWEPT:
            raise UsageError(f"--sweep {key} is not possible: {_NOT_SWEPT[key]}")
        if key in sweep:
            raise UsageError(f"--sweep {key} is given twice: name all its values in one")
        sweep[key] = list(dict.fromkeys(listed))
    return sweep


def plan(experiment: Experiment) -> list[Run]:
    """Check everything and lay out the runs.

    Raises:
        ManifestError: the data cannot be evaluated.
        UsageError: the agent or its options do not exist.
        DependencyError: ASR-BLEU is wanted and cannot be computed here.
    """
    settings = [
        dict(zip(experiment.sweep, values, strict=True))
        for values in itertools.product(*experiment.sweep.values())
    ]
    for options in settings:
        agents.check(experiment.spec.merged(options))
    sentences = load_manifest(
        experiment.data, experiment.audio_root, experiment.selection, experiment.coverage
    )
    langs = list(dict.fromkeys(sentence.tgt_lang for sentence in sentences))
    if experiment.asr_model is not None:
        require_asr(experiment.asr_engine)
        for lang in langs:
            whisper_code(lang)
    runs = []
    for lang, options in itertools.product(langs, settings):
        parts = [lang] if len(langs) > 1 else []
        if options:
            parts.append(",".join(f"{name}={value}" for name, value in options.items()))
        name = "/".join(part.replace("/", "_") for part in parts)
        chosen = [sentence for sentence in sentences if sentence.tgt_lang == lang]
        runs.append(Run(name, experiment.output / name, lang, options, chosen))
    return runs


class Evaluator:
    """Carries out the runs of an experiment; agents and recognisers are built when first needed.

    Args:
        experiment: what to do.
    """

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment
        self._inputs: dict[str, Any] | None = None

    def prepare(self) -> None:
        """Load what scores: better now than after hours of translating.

        Raises:
            AsrModelError: the recogniser cannot be loaded.
            UsageError: the tokenizer that latency is counted with cannot be read.
        """
        self._pieces()
        self._transcriber()

    def run(
        self,
        run: Run,
        on_progress: Callable[[RunProgress], None] | None = None,
        on_heard: Callable[[RunProgress], None] | None = None,
    ) -> RunResult:
        """Carry out one run, or what is left of it, and write all its files but the report.

        Args:
            run: one of those that `plan` laid out.
            on_progress: called after every translated sentence.
            on_heard: called after every sentence whose translated speech was transcribed.

        Raises:
            RunFolderError: its folder holds another run.
            EvaluationError: nothing works.
        """
        experiment = self._experiment
        info = self._info(run)
        open_run(run.folder, info, overwrite=experiment.overwrite)
        spec = experiment.spec.merged({**run.options, "tgt_lang": run.lang})
        outcome = run_sentences(
            run.sentences,
            run.folder,
            self._runner_factory(spec, run),
            experiment.preparation,
            experiment.workers,
            on_progress,
        )
        # In the order of the data, and with sentences that an earlier, larger selection had.
        write_log(run.folder / LOG_NAME, read_log(run.folder / LOG_NAME))
        task = experiment.selection.task
        scored = score(
            outcome.records,
            outcome.failures,
            task=task,
            lang=run.lang,
            unit=experiment.unit,
            pieces=self._pieces(),
            spm_model=experiment.spm_model,
            listener=self._listener(run, on_heard) if task == "s2st" else None,
            official_characters=experiment.official_characters,
        )
        metrics = {**scored.metrics, "options": dict(run.options), "system": experiment.system}
        scored = Scored(metrics, scored.sentences, scored.texts)
        write_json(run.folder / run_files.METRICS_NAME, metrics)
        self._write_official(run, outcome.records, scored.texts)
        run_files.write_config(run.folder / run_files.CONFIG_NAME, task)
        run_files.write_scores(run.folder / run_files.SCORES_NAME, metrics)
        _write_sentences(run.folder / "metrics.tsv", outcome, scored)
        return RunResult(run, outcome, scored, info)

    def _write_official(self, run: Run, records: Sequence[Record], texts: Sequence[str]) -> None:
        """The files that scripts around the official evaluation look for."""
        experiment = self._experiment
        task = experiment.selection.task
        run_files.write_results(
            run.folder / run_files.RESULTS_NAME, records, task, experiment.columns
        )
        transcriber = self._transcriber() if task == "s2st" else None
        if not records or (task == "s2st" and transcriber is None):
            return
        asr: dict[str, object] = {}
        if transcriber is not None:
            run_files.write_transcripts(run.folder / run_files.TRANSCRIPTS_NAME, records, texts)
            asr = {
                "whisper_asr_beam_size": 1,
                "whisper_asr_temperature": 0.0,
                "whisper_asr_language": run.lang,
                "whisper_asr_model": transcriber.name,
                "whisper_asr": signature(transcriber),
            }
        name, content = quality.official_file(
            task,
            texts,
            [record.reference for record in records],
            run.lang,
            normalized=experiment.normalize_text,
            asr=asr,
        )
        (run.folder / name).write_text(content + "\n", encoding="utf-8")

    def _runner_factory(self, spec: AgentSpec, run: Run) -> Callable[[], SentenceRunner]:
        experiment = self._experiment
        shared = self._build(spec)
        wanted = "speech" if experiment.selection.task == "s2st" else "text"
        if shared.target_type != wanted:
            raise UsageError(
                f"{spec.agent_class} gives {shared.target_type}, but the task "
                f"{experiment.selection.task} needs {wanted} (of agents that give both, "
                "--output-index chooses one)"
            )
        taken = False

        def make() -> SentenceRunner:
            nonlocal taken
            agent = shared
            if taken and keeps_state(shared) is not None:
                agent = self._build(spec)
            taken = True
            return SentenceRunner(
                agent, run.folder, spec.segment_ms, experiment.unit, self._pieces()
            )

        return make

    def _build(self, spec: AgentSpec) -> Any:
        return agents.build(spec, workers=self._experiment.workers)

    @lru_cache(maxsize=1)  # noqa: B019 (an evaluator lives as long as the program)
    def _pieces(self) -> PieceEncoder | None:
        if self._experiment.spm_model is None:
            return None
        import sentencepiece

        try:
            encoder: PieceEncoder = sentencepiece.SentencePieceProcessor(
                model_file=str(self._experiment.spm_model)
            )
        except (OSError, RuntimeError):
            raise UsageError(
                f"{self._experiment.spm_model} is not a SentencePiece model: name one with "
                "--latency-spm, or count --latency-unit word"
            ) from None
        return encoder

    @lru_cache(maxsize=1)  # noqa: B019
    def _transcriber(self) -> Transcriber | None:
        name = self._experiment.asr_model
        if name is None:
            return None
        return make_transcriber(self._experiment.asr_engine, name, self._experiment.spec.device)

    def _listener(
        self, run: Run, on_heard: Callable[[RunProgress], None] | None
    ) -> Listener | None:
        transcriber = self._transcriber()
        if transcriber is None:
            return None
        return Listener(transcriber, run.folder, run.lang, on_heard)

    def _info(self, run: Run) -> RunInfo:
        experiment = self._experiment
        if self._inputs is None:
            self._inputs = {
                "data": experiment.data.name,
                "data_sha256": sha256(experiment.data),
                "checkpoint_sha256": (
                    hash_folder(experiment.checkpoint) if experiment.checkpoint else {}
                ),
            }
        selection = experiment.selection
        spec = experiment.spec.merged(run.options)
        return RunInfo(
            settings={
                "task": selection.task,
                "tgt_lang": run.lang,
                "system": experiment.system,
                "agent_class": experiment.spec.agent_class,
                "agent_options": self._named(dict(spec.options)),
                "device": spec.device,
                "dtype": spec.dtype,
                "segment_ms": spec.segment_ms,
                "ref_field": selection.ref_field,
                "strip_silence": experiment.preparation.strip_silence,
                "standardize_audio": experiment.preparation.standardize,
                "latency_unit": experiment.unit.value,
            },
            inputs=self._inputs,
            conditions={
                **conditions(experiment.workers),
                "selection": {
                    "start_index": selection.start_index,
                    "end_index": selection.end_index,
                    "limit": selection.limit,
                    "ids": len(selection.ids) or None,
                },
                "asr_model": experiment.asr_model,
                "asr_engine": experiment.asr_engine if experiment.asr_model else None,
                "engine": "scheduled" if experiment.workers > 1 else "inline",
            },
        )

    def _named(self, options: dict[str, str | bool]) -> dict[str, str | bool]:
        """With the model by its name: where its files lie is no setting, their hashes tell more."""
        return {**options, "model": self._experiment.system} if "model" in options else options


def _write_sentences(path: Path, outcome: Outcome, scored: Scored) -> None:
    """One line of figures a sentence, as SimulEval's metrics.tsv."""
    names = list(dict.fromkeys(name for row in scored.sentences for name in row))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(["index", "id", *names])
        for record, row in zip(outcome.records, scored.sentences, strict=True):
            figures = [f"{row[name]:.3f}" if name in row else "" for name in names]
            writer.writerow([record.index, record.id, *figures])
