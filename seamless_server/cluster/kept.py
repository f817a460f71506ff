"""What a front keeps of a stream since its last pause: enough for another engine to go on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from seamless_server.agents.outputs import Output, Samples, Snapshot, Target, TextOutput

MOST_SECONDS = 120.0
"""Audio that is kept: of speech without a pause for longer than this, all before is given up."""

_Part = tuple[str, str, int]
"""Kind, language and segment: text or speech of one sentence, or the end of one."""


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
        self._given: Counter[_Part] = Counter()
        """Characters, samples and ends that went out."""
        self._skip: Counter[_Part] = Counter()
        """Those of them that come once more."""
        self._sentences: dict[_Part, Output] = {}
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
        self._given.clear()
        self._skip.clear()

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
        self._skip = Counter(self._given)
        self._late_ms += self._given_up * 1000 / self._rate
        self._given_up = 0
        return list(self.pushes)

    def new(self, output: Output) -> Iterator[Output]:
        """What of an output has not gone out yet, which counts as gone out from now on."""
        text = isinstance(output, TextOutput)
        part = ("text" if text else "speech", output.lang, output.segment_id)
        end = ("end of " + part[0], *part[1:])
        content = output.text if isinstance(output, TextOutput) else output.samples
        known = self._again(part, len(content))
        ended = bool(output.finished and self._again(end, 1))
        if known == len(content) and (known or ended) and ended == output.finished:
            return
        rest = replace(
            output,
            finished=output.finished and not ended,
            start_ms=output.start_ms + self._late_ms,
            end_ms=output.end_ms + self._late_ms,
        )
        if rest.finished:
            self._sentences.pop(part, None)
        elif not ended:
            self._sentences[part] = rest
        if isinstance(rest, TextOutput):
            yield replace(rest, text=rest.text[known:])
        else:
            yield replace(rest, samples=rest.samples[known:])

    def _again(self, part: _Part, count: int) -> int:
        """How much of the next ``count`` of a part has gone out; the rest goes out now."""
        known = min(self._skip[part], count)
        self._skip[part] -= known
        self._given[part] += count - known
        return known
