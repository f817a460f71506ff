"""One Whisper model for all streams: encodes and decodes what waits in batches.

Whisper is that of Radford et al. 2022 (arXiv 2212.04356), computed by CTranslate2. A window is as
long as the speech in it, up to `BUCKET_SECONDS` more, instead of the 30 s of training: encoding
costs as much as the window is long (docs/models.md has what that changes).
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from seamless_server.caller import Caller
from seamless_server.engine import measured
from seamless_server.errors import (
    CheckpointError,
    DependencyError,
    NumericalError,
    SeamlessError,
)

Samples = npt.NDArray[np.float32]

SAMPLE_RATE = 16_000
WINDOW_SECONDS = 30.0
"""The longest window that Whisper knows."""
BUCKET_SECONDS, PAD_SECONDS = 4.0, 1.0
"""Windows are padded with silence, at least so much, to a multiple of this: several fit into one
batch, and Whisper sees that the speech ends."""
_MOST_AT_ONCE = 16


@dataclass(eq=False)
class EncodedWindow:
    """A window that was encoded. states: (frames of 20 ms, width). seconds: of audio in it."""

    states: npt.NDArray[Any]
    seconds: float
    languages: dict[str, float] | None = None
    """Whisper's codes and their probabilities, once somebody asked."""


@dataclass(frozen=True)
class Hypothesis:
    """What was decoded after the prompt.

    tokens: without the prefix and the end. log_probability: mean of these tokens' and the end's.
    no_speech: the probability that nobody speaks.
    """

    tokens: list[int]
    log_probability: float
    no_speech: float


@dataclass(frozen=True)
class WhisperLoad:
    """How busy the engine was lately, from 0 to 1; it takes any number of streams."""

    busy: float
    slots: int = 1_000_000


@dataclass(eq=False)
class _Work:
    """A call that waits; calls with the same key are computed together."""

    key: tuple[Any, ...]
    value: Any
    run: Callable[[list[Any]], list[Any]]
    answer: Future[Any] = field(default_factory=Future)


class WhisperEngine:
    """See the module. Its methods may be called in any thread, and wait for their turn.

    Args:
        folder: a model converted for CTranslate2, with ``tokenizer.json``.
        device: cpu or cuda:0.
        compute_type: CTranslate2's arithmetic; ``auto`` is int8 on CPUs and float16 on GPUs.
        threads: of one computation on a CPU; 0 takes the cores.

    Raises:
        DependencyError: the extra is not installed.
        CheckpointError: the folder has no such model.
    """

    def __init__(self, folder: Path, device: str, compute_type: str, threads: int) -> None:
        try:
            import ctranslate2
            from faster_whisper.feature_extractor import FeatureExtractor
            from tokenizers import Tokenizer
        except ImportError:
            remedy = "pip install 'seamless-server[whisper]'"
            raise DependencyError("faster-whisper", "Whisper", remedy) from None
        kind, _, index = device.partition(":")
        if compute_type == "auto":
            compute_type = "int8" if kind == "cpu" else "float16"
        cores = int(os.environ.get("OMP_NUM_THREADS") or 0) or min(8, os.cpu_count() or 1)
        try:
            self._model = ctranslate2.models.Whisper(
                str(folder),
                device=kind,
                device_index=int(index or 0),
                compute_type=compute_type,
                intra_threads=threads or cores,
            )
            self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # CTranslate2's and tokenizers' own kinds
            raise CheckpointError(folder, f"is no Whisper model for CTranslate2: {error}") from None
        self.times = self.token("<|notimestamps|>") + 1
        """The token of 0 s; the next ones are steps of 20 ms."""
        self._storage = ctranslate2.StorageView.from_array
        self._features = FeatureExtractor(feature_size=self._model.n_mels)
        self._latest: WeakKeyDictionary[Caller, tuple[Samples, EncodedWindow]] = WeakKeyDictionary()
        self._waiting: deque[_Work] = deque()
        self._news = threading.Condition()
        self._closing = False
        self._spans: deque[tuple[float, float]] = deque(maxlen=64)
        self._thread = threading.Thread(target=self._serve, name="whisper", daemon=True)
        self._thread.start()

    # -- what agents ask --------------------------------------------------------------------------

    def encode(self, audio: Samples, caller: Caller | None) -> EncodedWindow:
        """Encode a window, (N,) at 16 kHz; once for all languages of a caller."""
        if caller is not None and (known := self._latest.get(caller)) is not None:
            heard, window = known
            if len(heard) == len(audio) and np.array_equal(heard, audio):
                return window
        with measured("encode", caller):
            seconds = len(audio) / SAMPLE_RATE
            buckets = np.ceil((seconds + PAD_SECONDS) / BUCKET_SECONDS)
            bucket = min(WINDOW_SECONDS, BUCKET_SECONDS * buckets)
            padded = np.zeros(int(bucket * SAMPLE_RATE), np.float32)
            padded[: len(audio)] = audio[: len(padded)]
            mel = self._features(padded, padding=0)[:, : len(padded) // 160]
            states = self._ask(("encode", mel.shape[1]), mel, self._encode)
        window = EncodedWindow(states, seconds)
        if caller is not None:
            self._latest[caller] = (audio, window)
        return window

    def token(self, name: str) -> int:
        """The number of a control token.

        Raises:
            CheckpointError: the model has none of that name.
        """
        found = self.tokenizer.token_to_id(name)
        if found is None:
            raise CheckpointError("Whisper", f"has no token {name}")
        return found

    def text(self, tokens: Sequence[int]) -> str:
        """What tokens write, without times."""
        return str(self.tokenizer.decode([token for token in tokens if token < self.times]))

    def decode(
        self,
        window: EncodedWindow,
        start: Sequence[int],
        prefix: Sequence[int],
        most: int,
        caller: Caller | None,
    ) -> Hypothesis:
        """The likeliest continuation, at most so many tokens of it, of a prefix.

        Args:
            start: control tokens: language and task.
        """
        with measured("decode", caller):
            value = (window.states, list(start), list(prefix), most)
            key = ("decode", len(window.states), bool(prefix))
            answer: Hypothesis = self._ask(key, value, self._decode)
        return answer

    def languages(self, window: EncodedWindow, caller: Caller | None) -> dict[str, float]:
        """Whisper's codes and the probability that each is spoken."""
        if window.languages is None:
            with measured("language", caller):
                key = ("language", len(window.states))
                window.languages = self._ask(key, window.states, self._recognise)
        return window.languages

    def align(
        self,
        window: EncodedWindow,
        start: Sequence[int],
        tokens: Sequence[int],
        caller: Caller | None,
    ) -> list[int]:
        """For each token the frame of 20 ms at which its cross-attention path arrives."""
        with measured("align", caller):
            value = (window.states, list(start), list(tokens), round(window.seconds * 100))
            found: list[int] = self._ask(("align", object()), value, self._align)
        return found

    def load(self) -> WhisperLoad:
        """How busy it was in the last ten seconds."""
        now = time.monotonic()
        spans = [(max(begin, now - 10), end) for begin, end in tuple(self._spans) if end > now - 10]
        return WhisperLoad(min(1.0, sum(end - begin for begin, end in spans) / 10))

    def close(self) -> None:
        """Stop; what waits is answered first."""
        with self._news:
            self._closing = True
            self._news.notify_all()
        self._thread.join()
        self._model.unload_model()

    # -- its thread -------------------------------------------------------------------------------

    def _ask(self, key: tuple[Any, ...], value: Any, run: Callable[[list[Any]], list[Any]]) -> Any:
        work = _Work(key, value, run)
        with self._news:
            if self._closing:
                raise CheckpointError("Whisper", "was closed")
            self._waiting.append(work)
            self._news.notify_all()
        return work.answer.result()

    def _serve(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._waiting or self._closing)
                if not self._waiting:
                    return
                first = self._waiting[0]
                batch = [x for x in self._waiting if x.key == first.key][:_MOST_AT_ONCE]
                for work in batch:
                    self._waiting.remove(work)
            began = time.monotonic()
            self._answer(batch)
            self._spans.append((began, time.monotonic()))

    def _answer(self, batch: list[_Work]) -> None:
        """What fails fails alone."""
        try:
            answers = batch[0].run([work.value for work in batch])
        except Exception as error:
            if len(batch) == 1:
                batch[0].answer.set_exception(error)
                return
            for work in batch:
                self._answer([work])
            return
        for work, answer in zip(batch, answers, strict=True):
            if isinstance(answer, SeamlessError):
                work.answer.set_exception(answer)
            else:
                work.answer.set_result(answer)

    def _encode(self, mels: list[Any]) -> list[Any]:
        batch = np.ascontiguousarray(np.stack(mels), np.float32)
        states = np.array(self._model.encode(self._storage(batch), to_cpu=True))
        return [
            row if np.isfinite(row).all() else NumericalError("Whisper's encoder") for row in states
        ]

    def _decode(self, calls: list[Any]) -> list[Hypothesis | NumericalError]:
        states = self._storage(np.ascontiguousarray(np.stack([call[0] for call in calls])))
        prompts = [start + prefix for _, start, prefix, _ in calls]
        longest = max(len(start) + len(prefix) + most for _, start, prefix, most in calls)
        results = self._model.generate(
            states,
            prompts,
            beam_size=1,
            max_length=min(448, longest),
            # Behind a prefix there may be nothing more to say.
            suppress_blank=not calls[0][2],
            return_scores=True,
            return_no_speech_prob=True,
        )
        found: list[Hypothesis | NumericalError] = []
        for result, (_, _, prefix, most) in zip(results, calls, strict=True):
            # The prefix comes back; it counts in the mean's length, and nothing in its sum.
            tokens = result.sequences_ids[0][len(prefix) :]
            total = result.scores[0] * (len(result.sequences_ids[0]) + 1)
            mean = total / (len(tokens) + 1)
            if np.isfinite(mean):
                found.append(Hypothesis(tokens[:most], mean, result.no_speech_prob))
            else:
                found.append(NumericalError("Whisper's decoder"))
        return found

    def _recognise(self, states: list[Any]) -> list[dict[str, float]]:
        found = self._model.detect_language(self._storage(np.ascontiguousarray(np.stack(states))))
        return [{token.strip("<|>"): share for token, share in one} for one in found]

    def _align(self, calls: list[Any]) -> list[list[int]]:
        found = []
        for states, start, tokens, frames in calls:
            view = self._storage(np.ascontiguousarray(states[None]))
            (result,) = self._model.align(view, start, [tokens], frames)
            last = dict(result.alignments)  # of a token the frame at which its path leaves it
            found.append([last.get(number, 0) for number in range(len(tokens))])
        return found
