"""What a front keeps of a stream since its last pause: enough for another engine to go on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from seamless_server.agents.outputs import Output, Samples, Snapshot, Target, TextOutput
from seamless_server.agents.said import Said

MOST_SECONDS = 120.0
"""Audio that is kept: of speech without a pause for longer than this, all before is given up."""


@dataclass(frozen=True)
class Push:
    """Audio, (N,) float32 at the model's rate, and what was wanted of it."""

    audio: Samples
    last: bool
    targets: dict[str, Target] | None
    """From this push on; None changes nothing."""
    whole: bool
    """See ``Stream.set_targets``."""
    expressive: bool | None


class Kept:
    """Pushes and the outputs that went out, since a pause.

    Args:
        targets: in force at the first pause.
        rate: of the audio, in Hz.
        pause: the first pause; None is the stream's start.
    """

    def __init__(
        self, targets: dict[str, Target], rate: int, pause: Snapshot | None = None
    ) -> None:
        self.pause = pause
        self.targets = targets
        self.pushes: list[Push] = []
        self._rate = rate
        self._kept = self._given_up = 0
        """Samples since the pause that are kept, and that were before those."""
        self._late_ms = 0.0
        """What the engine that has the stream never got of it."""
        self._said = Said()
        self._sentences: dict[tuple[type[Output], str, int], Output] = {}
        """What went out last of those that have no end yet."""

    @property
    def targets_now(self) -> dict[str, Target]:
        """In force after all pushes."""
        changes = [push.targets for push in self.pushes if push.targets is not None]
        return changes[-1] if changes else self.targets

    @property
    def open(self) -> bool:
        """Whether anything was pushed since the pause."""
        return bool(self.pushes or self._given_up)

    def push(self, push: Push) -> bool:
        """Keeps one more; True if all before it was given up, as there is too much of it."""
        gives_up = self._kept + len(push.audio) > MOST_SECONDS * self._rate
        if gives_up:
            self._given_up += self._kept
            self._kept = 0
            self.targets = self.targets_now
            self._forget()
        self.pushes.append(push)
        self._kept += len(push.audio)
        return gives_up

    def paused(self, pause: Snapshot) -> None:
        """Everything so far is said: nothing of it needs to be kept."""
        self.pause, self.targets = pause, self.targets_now
        self._kept = self._given_up = 0
        self._forget()

    def _forget(self) -> None:
        self.pushes.clear()
        self._said.forget()

    def cut(self) -> Iterator[Output]:
        """The ends of sentences whose beginning no other engine can hear again."""
        if not self._given_up:
            return
        for output in self._sentences.values():
            if isinstance(output, TextOutput):
                yield replace(output, text="", finished=True)
            else:
                yield replace(output, samples=output.samples[:0], units=[], finished=True)
        self._sentences.clear()

    def replay(self) -> list[Push]:
        """The pushes, for another engine to say all of it again, from the pause on."""
        self._said.again()
        self._late_ms += self._given_up * 1000 / self._rate
        self._given_up = 0
        return list(self.pushes)

    def new(self, output: Output) -> Iterator[Output]:
        """What of an output has not gone out yet, which counts as gone out from now on."""
        old, rest = self._said.split(output)
        if rest is None:
            return
        rest = replace(
            rest, start_ms=rest.start_ms + self._late_ms, end_ms=rest.end_ms + self._late_ms
        )
        sentence = (type(rest), rest.lang, rest.segment_id)
        if rest.finished:
            self._sentences.pop(sentence, None)
        elif old is None or not old.finished:
            self._sentences[sentence] = rest
        yield rest
