"""A SimulEval data loader, for ``simuleval`` itself: manifests, or lists of sources and targets.

``simuleval --dataloader seamless --dataloader-class
seamless_server.evaluation.dataloader.SeamlessDataloader`` reads audio as `seamless-server evaluate`
does (any format, resampled, silence stripped) and takes a language for ``--tgt-lang``.

Importing this module also mends the remote evaluation of SimulEval 1.1.4, whose client asks its
evaluator for an ``instance_iterator`` that was renamed to ``iterator``.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from simuleval.data.dataloader.s2t_dataloader import SpeechToTextDataloader
from simuleval.evaluator import SentenceLevelEvaluator
from typing_extensions import Self

from seamless_server.errors import UsageError
from seamless_server.evaluation.audio import SAMPLE_RATE, AudioRef, Preparation, SilenceStripper
from seamless_server.evaluation.manifest import Selection, load_manifest

if not hasattr(SentenceLevelEvaluator, "instance_iterator"):
    SentenceLevelEvaluator.instance_iterator = property(lambda evaluator: evaluator.iterator)


class _Info:
    samplerate = SAMPLE_RATE

    def __init__(self, name: str) -> None:
        self._name = name

    def __str__(self) -> str:
        return f"{self._name}\nsamplerate: {SAMPLE_RATE} Hz"


class SeamlessDataloader(SpeechToTextDataloader):  # type: ignore[misc]
    """Sources as the models hear them, with references and target languages."""

    def __init__(
        self,
        sources: list[AudioRef],
        targets: list[str],
        langs: list[str],
        preparation: Preparation,
    ) -> None:
        super().__init__(sources, targets, langs)
        self._preparation = preparation
        self._stripper = SilenceStripper()

    def preprocess_source(self, source: AudioRef) -> list[float]:
        """Samples at 16 kHz."""
        samples: list[float] = self._preparation(source, self._stripper).samples.tolist()
        return samples

    def get_source_audio_info(self, index: int) -> Any:
        """What SimulEval asks of a sound file."""
        return _Info(self.get_source_audio_path(index))

    def get_source_audio_path(self, index: int) -> str:
        """Path of the sound file."""
        return str(self.source_list[index])

    @classmethod
    def from_args(cls, args: Namespace) -> Self:
        """Build from SimulEval's options.

        Raises:
            ManifestError: the manifest cannot be evaluated.
            UsageError: neither a manifest nor both lists are given.
        """
        args.source_type = "speech"
        args.target_type = args.target_type or "text"
        preparation = Preparation(not args.no_strip_silence, args.standardize_audio)
        if args.data_file:
            selection = Selection(
                task="s2st" if args.target_type == "speech" else "s2tt",
                tgt_langs=(args.tgt_lang,) if args.tgt_lang else (),
                ref_field=args.ref_field,
            )
            root = Path(args.audio_root_dir) if args.audio_root_dir else None
            sentences = load_manifest(Path(args.data_file), root, selection)
            return cls(
                [sentence.audio for sentence in sentences],
                [sentence.reference for sentence in sentences],
                [sentence.tgt_lang for sentence in sentences],
                preparation,
            )
        if not (args.source and args.target):
            raise UsageError("give --data-file, or --source and --target")
        sources, targets = _lines(args.source), _lines(args.target)
        if len(sources) != len(targets):
            raise UsageError(f"{len(sources)} sources, but {len(targets)} targets")
        langs = [args.tgt_lang] * len(sources) if args.tgt_lang else []
        return cls([AudioRef.parse(path) for path in sources], targets, langs, preparation)

    @staticmethod
    def add_args(parser: ArgumentParser) -> None:
        """Options of SimulEval's loaders and of the official evaluation's."""
        add = parser.add_argument
        add("--data-file", default=None, help="manifest: TSV with a header")
        add("--audio-root-dir", default=None, help="what its audio paths are relative to")
        add("--ref-field", default="tgt_text", help="column of the reference")
        add("--source", default=None, help="file with one path of audio a line")
        add("--target", default=None, help="file with one reference a line")
        add("--tgt-lang", default=None, help="target language, a three-letter code")
        add("--source-type", default="speech", help="always speech")
        add("--target-type", default=None, choices=["text", "speech"], help="what is written")
        add("--source-segment-size", type=int, default=320, help="source at a time, in ms")
        add("--no-strip-silence", action="store_true", help="keep silence at both ends")
        add("--standardize-audio", action="store_true", help="scale to mean 0 and variance 1")


def _lines(path: str) -> list[str]:
    return [line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines()]
