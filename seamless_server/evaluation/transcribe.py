"""Transcripts of translated speech for ASR-BLEU, with faster-whisper (the ``asr`` extra)."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from seamless_server.errors import DependencyError, LanguageError, SeamlessError

_WHISPER_CODES: Mapping[str, str] = {
    "arb": "ar", "ben": "bn", "cat": "ca", "ces": "cs", "cmn": "zh", "cym": "cy", "dan": "da",
    "deu": "de", "eng": "en", "est": "et", "fin": "fi", "fra": "fr", "hin": "hi", "ind": "id",
    "ita": "it", "jpn": "ja", "kan": "kn", "kor": "ko", "mlt": "mt", "nld": "nl", "pes": "fa",
    "pol": "pl", "por": "pt", "ron": "ro", "rus": "ru", "slk": "sk", "spa": "es", "swe": "sv",
    "swh": "sw", "tam": "ta", "tel": "te", "tgl": "tl", "tha": "th", "tur": "tr", "ukr": "uk",
    "urd": "ur", "uzn": "uz", "vie": "vi",
}  # fmt: skip
"""Whisper's codes of the languages that the models speak."""


class AsrModelError(SeamlessError):
    """A Whisper model cannot be loaded."""

    code = "asr_model"


def whisper_code(lang: str) -> str:
    """Whisper's two-letter code of a three-letter one.

    Raises:
        LanguageError: Whisper does not know the language.
    """
    try:
        return _WHISPER_CODES[lang]
    except KeyError:
        raise LanguageError(
            f"ASR-BLEU cannot be computed for '{lang}': Whisper does not transcribe it; "
            "leave it out with --asr-model none"
        ) from None


def require_asr() -> None:
    """Raise `DependencyError` with the command to run when faster-whisper is absent."""
    if find_spec("faster_whisper") is None:
        raise DependencyError("faster-whisper", "ASR-BLEU", "pip install 'seamless-server[asr]'")


class Transcriber:
    """Hears files with one Whisper model: beam 1, temperature 0, no fall-back, so repeatable.

    Args:
        model: name known to faster-whisper (``large-v2``, ...) or a folder with a converted model.
        device: as PyTorch names it (``cpu``, ``cuda:0``), or ``auto``; without CUDA the CPU.
        compute_type: CTranslate2's arithmetic; ``default`` is that of the stored model.

    Raises:
        DependencyError: faster-whisper is not installed.
        AsrModelError: there is no such model, or it cannot be had here.
    """

    def __init__(self, model: str, device: str = "auto", compute_type: str = "default") -> None:
        require_asr()
        from faster_whisper import WhisperModel

        kind, _, index = device.partition(":")
        self.name = Path(model).name if Path(model).is_dir() else model
        try:
            self._model = WhisperModel(
                model,
                device=kind if kind in ("cuda", "auto") else "cpu",
                device_index=int(index or 0),
                compute_type=compute_type,
            )
        except Exception as error:  # of CTranslate2, Hugging Face or the network: many kinds
            raise AsrModelError(
                f"the Whisper model '{model}' cannot be loaded ({_first_line(error)}): name a "
                "folder with a model converted for faster-whisper, or leave ASR-BLEU out with "
                "--asr-model none"
            ) from error

    @property
    def signature(self) -> str:
        """What made the transcripts, for the signature of scores."""
        version = metadata.version("faster-whisper")
        return f"faster-whisper-{version}/{self.name}/beam1/temp0"

    def __call__(self, path: Path, lang: str) -> str:
        """The words spoken in the file at `path`, said to be in language `lang`."""
        segments, _ = self._model.transcribe(
            str(path),
            language=whisper_code(lang),
            beam_size=1,
            temperature=0.0,
        )
        return "".join(segment.text for segment in segments).strip()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
