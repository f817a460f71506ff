"""Transcripts of translated speech for ASR-BLEU, with one of two programs that run Whisper models.

faster-whisper (the extra ``asr``) is the lighter; openai-whisper (the extra ``openai-whisper``) is
what the official evaluation uses.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from seamless_server.audio.reader import read_audio
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


def require_asr(engine: str) -> None:
    """Raise `DependencyError` with the command to run when a recogniser is absent."""
    module, extra = _MODULES[engine]
    if find_spec(module) is None:
        raise DependencyError(engine, "ASR-BLEU", f"pip install 'seamless-server[{extra}]'")


FASTER, OPENAI = "faster-whisper", "openai-whisper"
ENGINES = (FASTER, OPENAI)
_MODULES = {FASTER: ("faster_whisper", "asr"), OPENAI: ("whisper", "openai-whisper")}


class Transcriber(Protocol):
    """Hears files with one Whisper model: beam 1, temperature 0, no fall-back, so repeatable."""

    engine: str
    """One of `ENGINES`."""
    name: str
    """Of the model."""

    def __call__(self, path: Path, lang: str) -> str:
        """The words spoken in the file at `path`, said to be in language `lang`."""


def signature(transcriber: Transcriber) -> str:
    """What makes the transcripts, for the signature of scores."""
    version = metadata.version(transcriber.engine)
    return f"{transcriber.engine}-{version}/{transcriber.name}/beam1/temp0"


def make_transcriber(engine: str, model: str, device: str = "auto") -> Transcriber:
    """Load a recogniser.

    Args:
        engine: one of `ENGINES`.
        model: a name known to it (``large-v2``, ...); for faster-whisper also a folder with a
            converted model, for openai-whisper a file.
        device: as PyTorch names it (``cpu``, ``cuda:0``), or ``auto``; without CUDA the CPU.

    Raises:
        DependencyError: the program is not installed.
        AsrModelError: there is no such model, or it cannot be had here.
    """
    require_asr(engine)
    try:
        return FasterWhisper(model, device) if engine == FASTER else OpenAIWhisper(model, device)
    except Exception as error:  # of CTranslate2, PyTorch, a hub or the network: many kinds
        local = "a folder with a converted model" if engine == FASTER else "its .pt file"
        raise AsrModelError(
            f"the Whisper model '{model}' cannot be loaded by {engine} ({_first_line(error)}): "
            f"name {local}, or leave ASR-BLEU out with --asr-model none"
        ) from error


class FasterWhisper:
    """A model run by CTranslate2.

    Args:
        compute_type: CTranslate2's arithmetic; ``default`` is that of the stored model.
    """

    engine = FASTER

    def __init__(self, model: str, device: str = "auto", compute_type: str = "default") -> None:
        from faster_whisper import WhisperModel

        kind, _, index = device.partition(":")
        self.name = Path(model).name if Path(model).is_dir() else model
        self._model = WhisperModel(
            model,
            device=kind if kind in ("cuda", "auto") else "cpu",
            device_index=int(index or 0),
            compute_type=compute_type,
        )

    def __call__(self, path: Path, lang: str) -> str:
        """See `Transcriber`."""
        segments, _ = self._model.transcribe(
            str(path),
            language=whisper_code(lang),
            beam_size=1,
            temperature=0.0,
        )
        return "".join(segment.text for segment in segments).strip()


class OpenAIWhisper:
    """A model run by the program that it was published with."""

    engine = OPENAI

    def __init__(self, model: str, device: str = "auto") -> None:
        import whisper

        self.name = Path(model).stem if Path(model).is_file() else model
        self._model = whisper.load_model(model, None if device == "auto" else device)

    def __call__(self, path: Path, lang: str) -> str:
        """See `Transcriber`."""
        # Read by us, since Whisper's own reader wants the program ffmpeg.
        heard = self._model.transcribe(
            read_audio(path),
            language=whisper_code(lang),
            beam_size=1,
            temperature=0.0,
            fp16=self._model.device.type == "cuda",
        )
        return str(heard["text"]).strip()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
