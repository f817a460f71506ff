"""Memory of the policy loops at work: how much there is, and the slots that it is shared out in.

A slot holds keys and values of one loop's target and of its source. Slots stay dense: whoever
leaves is replaced by the last one. They grow with the longest sentence; within a budget of bytes
that means fewer of them, until the long sentences are gone. Attention multiplies what it masks, and
0 x NaN is NaN: places that a step reads and nobody has written are zeroed in front of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from seamless_server.nn.config import TextDecoderConfig
from seamless_server.nn.layers import zeros_when_needed
from seamless_server.nn.text_decoder import DecoderCache, SourceMemory, TextDecoder, longer

BLOCK = 64
"""Positions and frames by which slots and caches grow."""

SHARE = {"cuda": 0.5, "cpu": 0.25, "mps": 0.25}
"""Part of the memory left after loading that slots may take; the rest is for activations."""
MOST_SLOTS = {"cuda": 512, "cpu": 64, "mps": 64}
"""Beyond so many rows a decoder step takes longer without giving more."""
USUAL = (256, 256)
"""Tokens and encoder frames (160 ms) of a long sentence: what a slot is counted with."""
CGROUP = Path("/sys/fs/cgroup")


def slot_bytes(config: TextDecoderConfig, positions: int, frames: int, dtype: torch.dtype) -> int:
    """Memory of one policy loop: keys and values of its target and its source, and energy keys."""
    rows = 2 * positions + 2 * frames + 1
    return rows * config.num_layers * config.model_dim * dtype.itemsize


def free_bytes(device: torch.device) -> int:
    """Memory that a device has left now; on the CPU also within the container's limit."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(free) + int(cached)
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    return min(_available(), _container_room())


def _available() -> int:
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    except OSError:
        return 4 << 30  # macOS and Windows do not say it without help: a careful guess
    fields = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.endswith("kB")}
    return fields["MemAvailable"] << 10


def _container_room() -> int:
    """What a control group (v2) leaves; without a limit, everything."""
    try:
        limit = (CGROUP / "memory.max").read_text("ascii").strip()
        used = int((CGROUP / "memory.current").read_text("ascii"))
    except (OSError, ValueError):
        return 1 << 62
    return 1 << 62 if limit == "max" else max(0, int(limit) - used)


def slot_budget(
    config: TextDecoderConfig, device: torch.device, dtype: torch.dtype
) -> tuple[int, int]:
    """Slots and the bytes that they may take, from the memory left at this moment."""
    budget = int(free_bytes(device) * SHARE.get(device.type, 0.25))
    each = slot_bytes(config, *USUAL, dtype)
    slots = max(1, min(MOST_SLOTS.get(device.type, 64), budget // each))
    return slots, max(each, min(budget, 4 * slots * each))


def blocks(size: int, step: int = BLOCK) -> int:
    """``size`` rounded up to whole blocks."""
    return -(-size // step) * step


class Slots:
    """Keys and values of up to ``count`` loops, ``size`` positions and frames long at first."""

    def __init__(
        self,
        decoder: TextDecoder,
        count: int,
        budget: int | None = None,
        size: tuple[int, int] = (2 * BLOCK, BLOCK),
    ) -> None:
        weight = decoder.embed.weight
        self._config, self._device, self._dtype = decoder.config, weight.device, weight.dtype
        self.most, self.budget, self._size = count, budget, size
        self.generation = 0
        """Changes whenever the tensors do."""
        self._make(*size)

    @property
    def bytes(self) -> int:
        """Memory of all slots."""
        tensors = (self.cache.keys, self.cache.values, self.source_keys, self.source_values)
        return sum(x.numel() * x.element_size() for x in (*tensors, self.energy_keys))

    def fitting(self, positions: int, frames: int) -> int:
        """How many slots of at least this size the budget allows; one always."""
        if self.budget is None:
            return self.most
        size = max(self.positions, blocks(positions)), max(self.frames, blocks(frames))
        each = slot_bytes(self._config, *size, self._dtype)
        return max(1, min(self.most, self.budget // each))

    def _make(self, positions: int, frames: int) -> None:
        self.positions, self.frames = positions, frames
        self.count = self.fitting(positions, frames)
        config = self._config
        self.cache = DecoderCache(config, self.count, positions, self._device, self._dtype)
        heads, size = config.num_heads, config.model_dim // config.num_heads
        shape = (config.num_layers, self.count, heads, frames, size)
        self.source_keys = zeros_when_needed(shape, self._device, self._dtype)
        self.source_values = zeros_when_needed(shape, self._device, self._dtype)
        shape = (config.num_layers, self.count, heads, 1, size)
        self.energy_keys = torch.zeros(shape, device=self._device, dtype=self._dtype)
        # One, so that attention of an unused row is over something and stays finite.
        self.lengths = torch.ones(self.count, dtype=torch.long, device=self._device)
        self.frames_used = [1] * self.count
        self.generation += 1

    def reset(self) -> None:
        """Give memory of long sentences back; nobody may be in a slot."""
        if (self.positions, self.frames) != self._size:
            self._make(*self._size)

    def reserve(self, positions: int, frames: int, used: int | None = None) -> None:
        """Grow so that these fit; rows beyond :meth:`fitting` are given up.

        Args:
            used: how many of the first rows somebody is in; None is all of them.
        """
        if positions <= self.positions and frames <= self.frames:
            return
        count = min(self.count, self.fitting(positions, frames))
        self.positions = max(self.positions, blocks(positions))
        self.frames = max(self.frames, blocks(frames))
        self.cache = self.cache.rows(count)
        self.cache.grow(self.positions, used)
        self.source_keys = longer(self.source_keys[:, :count], self.frames, used)
        self.source_values = longer(self.source_values[:, :count], self.frames, used)
        self.energy_keys = self.energy_keys[:, :count]
        self.count = count
        self.generation += 1

    def fill(
        self, slot: int, cache: DecoderCache, memory: SourceMemory, row: int, used: int, frames: int
    ) -> None:
        """Copy one row of a prefill into a slot; nothing of its former owner is left."""
        self.reserve(used + 1, frames)
        for old, new in ((self.cache.keys, cache.keys), (self.cache.values, cache.values)):
            old[:, slot, :, :used] = new[:, row, :, :used]
            old[:, slot, :, used:] = 0
        for layer, keys in enumerate(memory.keys):
            self.source_keys[layer, slot, :, :frames] = keys[row, :, :frames]
            self.source_values[layer, slot, :, :frames] = memory.values[layer][row, :, :frames]
            self.energy_keys[layer, slot] = memory.energy_keys[layer][row]
        self.source_keys[:, slot, :, frames:] = 0
        self.source_values[:, slot, :, frames:] = 0
        self.lengths[slot] = frames
        self.frames_used[slot] = frames

    def move(self, source: int, target: int) -> None:
        """Copy one slot over another."""
        for tensor in (
            self.cache.keys,
            self.cache.values,
            self.source_keys,
            self.source_values,
            self.energy_keys,
        ):
            tensor[:, target] = tensor[:, source]
        self.lengths[target] = self.lengths[source]
        self.frames_used[target] = self.frames_used[source]

    def clean(
        self, used: Sequence[int], positions: int, frames: int, *, launches: bool = False
    ) -> None:
        """Zero what a step over the first slots reads beside what their loops have written.

        Args:
            used: positions of each slot that are written, or will be by the step.
            positions: that the step attends to. frames: of the sources, likewise.
            launches: are dear, as they are on GPUs; else what is read and written is.
        """
        rows = len(used)
        for tensors, ends, size in (
            ((self.cache.keys, self.cache.values), used, positions),
            ((self.source_keys, self.source_values), self.frames_used[:rows], frames),
        ):
            if not launches:
                for row, end in enumerate(ends):
                    for tensor in tensors if end < size else ():
                        tensor[:, row, :, end:size].zero_()
            elif (first := min(ends)) < size:
                unused = torch.arange(first, size) >= torch.tensor(ends)[:, None]
                mask = unused[:, None, :, None].to(self._device, non_blocking=True)
                for tensor in tensors:
                    tensor[:, :rows, :, first:size].masked_fill_(mask, 0)

    def view(self, rows: int) -> tuple[DecoderCache, SourceMemory]:
        """The first slots as a batch, no longer than its longest source."""
        return self.cache.rows(rows), self.sources(rows, max(self.frames_used[:rows]))

    def sources(self, rows: int, frames: int) -> SourceMemory:
        """Sources of the first slots, each one's own frames of the first ``frames``."""
        real = torch.arange(frames, device=self._device) < self.lengths[:rows, None]
        return SourceMemory(
            list(self.source_keys[:, :rows, :, :frames]),
            list(self.source_values[:, :rows, :, :frames]),
            list(self.energy_keys[:, :rows]),
            real[:, None, None],
        )
