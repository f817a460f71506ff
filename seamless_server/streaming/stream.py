"""One speaker's translation while it runs: push audio, get outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

import numpy as np

from seamless_server.agents.outputs import Output, Samples, Snapshot, Target, Trace
from seamless_server.audio.checks import checked
from seamless_server.audio.fbank import SAMPLE_RATE
from seamless_server.caller import Caller, Cancelled
from seamless_server.errors import UsageError

NOTHING = np.zeros(0, np.float32)


class Walk(Protocol):
    """How audio goes through the agents: the corridor, or any SimulEval pipeline."""

    trace: Trace | None

    @property
    def state(self) -> str: ...

    @property
    def targets(self) -> dict[str, Target]: ...

    def set_targets(self, targets: Mapping[str, Target], whole: bool = True) -> None: ...

    @property
    def expressive(self) -> bool | None: ...

    @expressive.setter
    def expressive(self, wanted: bool | None) -> None: ...

    @property
    def source_lang(self) -> str | None: ...

    def push(self, audio: Samples, last: bool = False) -> Iterator[Output]: ...

    def snapshot(self) -> Snapshot | None: ...


class Stream:
    """One speaker. Not for two threads at once; different streams may run in different threads.

    Args:
        walk: owned by the stream from now on; its engine calls are made for ``caller``.
        check: refuses languages that the model does not offer.
    """

    def __init__(
        self, walk: Walk, caller: Caller, check: Callable[[Mapping[str, Target]], None]
    ) -> None:
        self._walk, self.caller, self._check = walk, caller, check
        self._heard = 0
        self._closed = False

    @property
    def trace(self) -> Trace | None:
        """Told of every READ, WRITE and segment (by the corridor), in the thread that computes."""
        return self._walk.trace

    @trace.setter
    def trace(self, trace: Trace | None) -> None:
        self._walk.trace = trace

    @property
    def state(self) -> str:
        """``speech`` while a segment is open, else ``listening``."""
        return self._walk.state

    @property
    def position_ms(self) -> float:
        """Audio received so far."""
        return self._heard * 1000 / SAMPLE_RATE

    @property
    def stats(self) -> dict[str, tuple[float, int]]:
        """Seconds and calls by stage."""
        return self.caller.stats

    @property
    def targets(self) -> dict[str, Target]:
        """The languages wanted."""
        return self._walk.targets

    def set_targets(self, targets: Mapping[str, Target], whole: bool = True) -> None:
        """Change the languages from the next push on; no sentence is torn.

        A language that goes goes on until its sentence ends. With ``whole``, one that comes in the
        middle of a sentence gets that sentence from its start, for people who just came; without,
        it begins where the sentence of one that goes ends, for somebody who hears one language at
        a time. (A plain pipeline changes its language at once.)

        Raises:
            LanguageError: the model does not offer one of them; nothing changes.
        """
        self._check(targets)
        self._walk.set_targets(targets, whole)

    @property
    def expressive(self) -> bool | None:
        """Whether to speak in the speaker's own voice, from the next piece of speech on.

        None is what the stream was opened with. Without effect on models without such a voice.
        """
        return self._walk.expressive

    @expressive.setter
    def expressive(self, wanted: bool | None) -> None:
        self._walk.expressive = wanted

    @property
    def source_lang(self) -> str | None:
        """The language spoken, as the model was told or recognised it; None if it does not tell."""
        return self._walk.source_lang

    def snapshot(self) -> Snapshot | None:
        """Where another stream of the model can go on (``Model.open(resume=...)``) and give the
        same outputs; None while a segment is open. The languages are not part of it."""
        return None if self._closed else self._walk.snapshot()

    def push(self, samples: object, last: bool = False) -> Iterator[Output]:
        """Translate the next audio: (N,) at 16 kHz in [-1, 1], any N. Computes while iterated.

        Args:
            samples: array or list. last: nothing follows; the stream is finished and closed.

        Raises:
            UsageError: the stream is closed, or the audio is none (see
                :func:`~seamless_server.audio.checks.checked`): the stream goes on.
            NumericalError: a network gave NaN or infinity: the stream is closed.
        """
        if self._closed:
            raise UsageError("the stream is closed")
        audio = checked(samples)
        self._heard += len(audio)
        try:
            yield from self._walk.push(audio, last)
        except Cancelled:
            self.close()
        except Exception:
            # Its states may be half of this push and half of the one before.
            self.close()
            raise
        if last:
            self.close()

    def finish(self) -> Iterator[Output]:
        """Translate what is still open and close the stream."""
        if not self._closed:
            yield from self.push(NOTHING, last=True)

    def cancel(self) -> None:
        """End from another thread: what the stream waits for in the engine is given up at once."""
        self.caller.cancel()

    def close(self) -> None:
        """Drop everything at once."""
        self.cancel()
        self._closed = True
