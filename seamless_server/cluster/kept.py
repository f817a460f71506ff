"""What a front keeps of a stream since its last pause: enough for another engine to go on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from seamless_server.agents.outputs import Output, Samples, Snapshot, Target, TextOutput

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
        pause: the first pause; None is the stream's start.
    """

    def __init__(self, targets: dict[str, Target], pause: Snapshot | None = None) -> None:
        self.pause = pause
        self.targets = targets
        self.pushes: list[Push] = []
        self._given: Counter[_Part] = Counter()
        """Characters, samples and ends that went out."""
        self._skip: Counter[_Part] = Counter()
        """Those of them that come once more."""

    @property
    def targets_now(self) -> dict[str, Target]:
        """In force after all pushes."""
        changes = [push.targets for push in self.pushes if push.targets is not None]
        return changes[-1] if changes else self.targets

    def paused(self, pause: Snapshot) -> None:
        """Everything so far is said: nothing of it needs to be kept."""
        self.pause, self.targets = pause, self.targets_now
        self.pushes.clear()
        self._given.clear()
        self._skip.clear()

    def replay(self) -> list[Push]:
        """The pushes, for another engine to say all of it again."""
        self._skip = Counter(self._given)
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
        rest = replace(output, finished=output.finished and not ended)
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
