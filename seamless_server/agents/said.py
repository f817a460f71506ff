"""What of each sentence went out, so that what is said once more goes out only once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from seamless_server.agents.outputs import Output, TextOutput

Part = tuple[str, str, int]
"""Kind, language and segment: text or speech of one sentence (`text`, `speech`), or its end
(`end of text`, `end of speech`)."""


class Said:
    """Characters, samples and ends that went out, by part.

    Args:
        given: what went out before, all of which comes once more.
    """

    def __init__(self, given: Mapping[Part, int] | None = None) -> None:
        self.given: Counter[Part] = Counter(given or {})
        self._skip = Counter(self.given)

    def again(self) -> None:
        """Everything comes once more."""
        self._skip = Counter(self.given)

    def forget(self) -> None:
        """Nothing of it comes again."""
        self.given.clear()
        self._skip.clear()

    def split(self, output: Output) -> tuple[Output | None, Output | None]:
        """What of an output has gone out already, and what has not, which counts as gone out."""
        kind = "text" if isinstance(output, TextOutput) else "speech"
        part = (kind, output.lang, output.segment_id)
        content = output.text if isinstance(output, TextOutput) else output.samples
        known = self._take(part, len(content))
        ended = bool(output.finished and self._take((f"end of {kind}", *part[1:]), 1))
        old = _cut(output, slice(known), finished=ended) if known or ended else None
        if known == len(content) and old is not None and ended == output.finished:
            return old, None
        return old, _cut(output, slice(known, None), finished=output.finished and not ended)

    def _take(self, part: Part, count: int) -> int:
        """How much of the next ``count`` of a part has gone out; the rest goes out now."""
        known = min(self._skip[part], count)
        self._skip[part] -= known
        self.given[part] += count - known
        return known


def _cut(output: Output, kept: slice, *, finished: bool) -> Output:
    if isinstance(output, TextOutput):
        return replace(output, text=output.text[kept], finished=finished)
    return replace(output, samples=output.samples[kept], finished=finished)
