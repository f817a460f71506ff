"""Slots of policy loops: nothing of a former owner stays, moving and growing change nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from seamless_server.engine import memory
from seamless_server.engine.memory import BLOCK, Slots, blocks, slot_budget, slot_bytes
from seamless_server.nn.config import TextDecoderConfig
from seamless_server.nn.text_decoder import DecoderCache, SourceMemory, TextDecoder

CONFIG = TextDecoderConfig(
    model_dim=8, vocab_size=20, num_layers=2, num_heads=2, ffn_dim=8, max_seq_len=512
)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def decoder() -> TextDecoder:
    torch.manual_seed(0)
    return TextDecoder(CONFIG)


def prefill(rows: int, used: int, frames: int, seed: int) -> tuple[DecoderCache, SourceMemory]:
    """What taking in a prefix gives."""
    generator = torch.Generator().manual_seed(seed)
    cache = DecoderCache(CONFIG, rows, used)
    cache.keys = torch.randn(cache.keys.shape, generator=generator)
    cache.values = torch.randn(cache.values.shape, generator=generator)

    def layers(length: int) -> list[torch.Tensor]:
        return [torch.randn(rows, 2, length, 4, generator=generator) for _ in range(2)]

    return cache, SourceMemory(layers(frames), layers(frames), layers(1), None)


def contents(slots: Slots, slot: int) -> list[torch.Tensor]:
    tensors = (slots.cache.keys, slots.cache.values, slots.source_keys, slots.source_values)
    return [x[:, slot].clone() for x in (*tensors, slots.energy_keys)]


def holds(slots: Slots, slot: int, cache: DecoderCache, source: SourceMemory, row: int, used: int,
          frames: int) -> None:  # fmt: skip
    """A slot holds a prefill's row, and zeros behind it."""
    keys, values, source_keys, source_values, energy = contents(slots, slot)
    for kept, new in ((keys, cache.keys), (values, cache.values)):
        assert torch.equal(kept[:, :, :used], new[:, row, :, :used])
        assert not kept[:, :, used:].any()
    for kept, layers in ((source_keys, source.keys), (source_values, source.values)):
        assert torch.equal(kept[:, :, :frames], torch.stack(layers)[:, row, :, :frames])
        assert not kept[:, :, frames:].any()
    assert torch.equal(energy, torch.stack(source.energy_keys)[:, row])
    assert int(slots.lengths[slot]) == slots.frames_used[slot] == frames


def test_sizes_are_whole_blocks() -> None:
    assert [blocks(size) for size in (0, 1, BLOCK, BLOCK + 1)] == [0, BLOCK, BLOCK, 2 * BLOCK]
    assert blocks(7, 3) == 9


def test_the_memory_of_a_slot_is_what_its_tensors_take(decoder: TextDecoder) -> None:
    slots = Slots(decoder, 3, size=(128, 64))
    assert slots.bytes == 3 * slot_bytes(CONFIG, 128, 64, torch.float32)
    assert slot_bytes(CONFIG, 128, 64, torch.float16) * 2 == slot_bytes(
        CONFIG, 128, 64, torch.float32
    )


def test_nothing_of_a_former_owner_is_left(decoder: TextDecoder) -> None:
    slots = Slots(decoder, 2, size=(BLOCK, BLOCK))
    for tensor in (slots.cache.keys, slots.cache.values, slots.source_keys, slots.source_values,
                   slots.energy_keys):  # fmt: skip
        tensor.fill_(float("nan"))
    cache, source = prefill(3, used=5, frames=9, seed=1)
    slots.fill(1, cache, source, 2, 4, 7)
    holds(slots, 1, cache, source, 2, 4, 7)
    assert all(torch.isnan(x).all() for x in contents(slots, 0))
    # A shorter owner after a longer one: its source is as long as it says.
    slots.fill(1, cache, source, 0, 2, 3)
    holds(slots, 1, cache, source, 0, 2, 3)


def test_a_slot_moves_whole(decoder: TextDecoder) -> None:
    slots = Slots(decoder, 3, size=(BLOCK, BLOCK))
    cache, source = prefill(2, used=5, frames=9, seed=1)
    slots.fill(2, cache, source, 1, 5, 9)
    slots.fill(0, cache, source, 0, 3, 2)
    slots.move(2, 0)
    holds(slots, 0, cache, source, 1, 5, 9)
    holds(slots, 2, cache, source, 1, 5, 9)


def test_growing_keeps_what_is_there_and_fills_up_with_zeros(decoder: TextDecoder) -> None:
    slots = Slots(decoder, 2, size=(BLOCK, BLOCK))
    cache, source = prefill(2, used=5, frames=9, seed=1)
    slots.fill(1, cache, source, 1, 5, 9)
    generation = slots.generation
    slots.reserve(BLOCK, BLOCK)  # fits exactly
    assert (slots.positions, slots.frames, slots.generation) == (BLOCK, BLOCK, generation)
    slots.reserve(BLOCK + 1, 1)
    assert (slots.positions, slots.frames) == (2 * BLOCK, BLOCK)
    assert slots.generation == generation + 1
    slots.reserve(1, 2 * BLOCK + 1)
    assert (slots.positions, slots.frames) == (2 * BLOCK, 3 * BLOCK)
    assert slots.cache.capacity == 2 * BLOCK
    assert slots.cache.keys.shape[3] == 2 * BLOCK
    assert slots.source_keys.shape[3] == slots.source_values.shape[3] == 3 * BLOCK
    holds(slots, 1, cache, source, 1, 5, 9)


def test_what_nobody_is_in_need_not_be_kept(decoder: TextDecoder) -> None:
    slots = Slots(decoder, 3, size=(BLOCK, BLOCK))
    cache, source = prefill(1, used=5, frames=9, seed=1)
    for slot in (0, 1):
        slots.fill(slot, cache, source, 0, 5, 9)
    slots.reserve(BLOCK + 1, BLOCK + 1, used=1)
    holds(slots, 0, cache, source, 0, 5, 9)
    assert not slots.cache.keys[:, 1:].any()
    assert not slots.source_values[:, 1:].any()


def test_filling_makes_the_room_that_it_needs(decoder: TextDecoder) -> None:
    slots = Slots(decoder, 1, size=(BLOCK, BLOCK))
    cache, source = prefill(1, used=BLOCK, frames=BLOCK, seed=1)
    slots.fill(0, cache, source, 0, BLOCK - 1, BLOCK)
    assert (slots.positions, slots.frames) == (BLOCK, BLOCK)
    slots.fill(0, cache, source, 0, BLOCK, BLOCK)  # and one more position, for the next token
    assert (slots.positions, slots.frames) == (2 * BLOCK, BLOCK)
    holds(slots, 0, cache, source, 0, BLOCK, BLOCK)


def test_slots_are_as_many_as_their_memory_allows_and_one_at_least(decoder: TextDecoder) -> None:
    each = slot_bytes(CONFIG, BLOCK, BLOCK, torch.float32)
    assert Slots(decoder, 4, 4 * each, (BLOCK, BLOCK)).count == 4
    assert Slots(decoder, 4, 4 * each - 1, (BLOCK, BLOCK)).count == 3
    assert Slots(decoder, 4, 99 * each, (BLOCK, BLOCK)).count == 4
    assert Slots(decoder, 4, 1, (BLOCK, BLOCK)).count == 1
    slots = Slots(decoder, 4, 4 * each, (BLOCK, BLOCK))
    assert slots.fitting(BLOCK, BLOCK) == 4
    longer = slots.fitting(BLOCK + 1, BLOCK)
    assert longer == 4 * each // slot_bytes(CONFIG, 2 * BLOCK, BLOCK, torch.float32)
    slots.reserve(2 * BLOCK, BLOCK)
    assert slots.count == longer
    assert slots.cache.keys.shape[1] == slots.source_keys.shape[1] == longer
    assert slots.energy_keys.shape[1] == slots.source_values.shape[1] == longer
    assert slots.bytes <= 4 * each
    # What was given up comes back when the long sentences are gone, and not before.
    slots.reserve(1, 1)
    assert slots.count == longer
    generation = slots.generation
    slots.reset()
    assert (slots.count, slots.positions, slots.frames) == (4, BLOCK, BLOCK)
    assert slots.generation == generation + 1
    assert slots.frames_used == [1] * 4
    slots.reset()  # nothing to give back
    assert slots.generation == generation + 1
    wide = Slots(decoder, 4, None, (BLOCK, BLOCK))
    wide.reserve(BLOCK, 2 * BLOCK)
    assert wide.count == 4
    wide.reset()
    assert wide.frames == BLOCK


def test_a_view_shows_each_loop_its_own_frames_only(decoder: TextDecoder) -> None:
    slots = Slots(decoder, 3, size=(BLOCK, BLOCK))
    for slot, frames in ((0, 2), (1, 5), (2, 9)):
        cache, source = prefill(1, used=3, frames=frames, seed=slot)
        slots.fill(slot, cache, source, 0, 3, frames)
    cache, source = slots.view(2)
    assert cache.keys.shape[1] == 2
    assert [x.shape[2] for x in source.keys] == [5, 5]
    assert source.mask is not None
    assert source.mask[:, 0, 0].tolist() == [[True, True, False, False, False], [True] * 5]
    assert [x.shape[0] for x in (*source.values, *source.energy_keys)] == [2] * 4
    # It is the slots' own memory.
    cache.keys[0, 1, 0, 3] = 7.0
    assert float(slots.cache.keys[0, 1, 0, 3, 0]) == 7.0
    unused = Slots(decoder, 2, size=(BLOCK, BLOCK)).sources(2, 3)
    assert unused.mask is not None
    assert unused.mask.sum(-1).flatten().tolist() == [1, 1]  # over something: stays finite


@pytest.mark.parametrize("launches", [False, True])
def test_what_a_step_reads_beside_what_was_written_is_zeroed(
    decoder: TextDecoder, launches: bool
) -> None:
    slots = Slots(decoder, 3, size=(BLOCK, BLOCK))
    tensors = (slots.cache.keys, slots.cache.values, slots.source_keys, slots.source_values)
    for tensor in tensors:
        tensor.fill_(float("nan"))
    slots.frames_used[:] = [2, 5, 1]
    slots.clean([3, 7], 7, 4, launches=launches)
    for tensor, ends, size in zip(tensors, ([3, 7], [3, 7], [2, 5], [2, 5]), (7, 7, 4, 4),
                                  strict=True):  # fmt: skip
        for row, end in enumerate(ends):
            assert torch.isnan(tensor[:, row, :, : min(end, size)]).all()
            assert not tensor[:, row, :, min(end, size) : size].any()
            assert torch.isnan(tensor[:, row, :, max(end, size) :]).all()
        assert torch.isnan(tensor[:, 2]).all()  # takes no part
    slots.clean([8, 9], 7, 1, launches=launches)  # nothing to do
    assert torch.isnan(slots.cache.keys[:, :2, :, 7:]).all()


# -- how much there is -----------------------------------------------------------------------------


def test_the_container_s_limit_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    usual = memory.free_bytes(CPU)
    assert usual > 1 << 20
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("5\n")
    assert memory.free_bytes(CPU) > 1 << 20
    (tmp_path / "memory.max").write_text("1005\n")
    assert memory.free_bytes(CPU) == 1000
    (tmp_path / "memory.current").write_text("2000\n")
    assert memory.free_bytes(CPU) == 0


def test_slots_take_their_share_of_the_memory_that_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    each = slot_bytes(CONFIG, *memory.USUAL, torch.float32)

    def budget(free: int, kind: str = "cpu") -> tuple[int, int]:
        device = torch.device(kind)
        monkeypatch.setattr(memory, "free_bytes", {device: free}.__getitem__)
        return slot_budget(CONFIG, device, torch.float32)

    assert budget(40 * each) == (10, 10 * each)
    assert budget(4 * each - 1) == (1, each)  # one always
    assert budget(0) == (1, each)
    slots, most = budget(10_000 * each)
    assert slots == memory.MOST_SLOTS["cpu"]
    assert most == 4 * slots * each  # no more than long sentences of all would take
    # GPUs give half, and carry more; what is not known is taken for a CPU.
    assert budget(40 * each, "cuda") == (20, 20 * each)
    assert budget(10_000 * each, "cuda") == (512, 2_048 * each)
    assert budget(40 * each, "meta") == (10, 10 * each)
    assert budget(10_000 * each, "meta") == (64, 256 * each)
    assert isinstance(budget(43 * each, "cpu")[0], int)
