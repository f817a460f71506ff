"""The published files in both layouts, our own file, and files that are broken or hostile."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from seamless_server.checkpoints import published as files
from seamless_server.checkpoints.cards import find_model
from seamless_server.checkpoints.keys import char_order
from seamless_server.checkpoints.loader import Checkpoint, load_checkpoint, verify_folder
from seamless_server.checkpoints.model_file import FILE as STORE
from seamless_server.checkpoints.model_file import write_model_file
from seamless_server.checkpoints.tokenizers import CharTokenizer
from seamless_server.errors import CheckpointError
from tests.recorded import CHECKPOINT

from .conftest import FAIRSEQ, WEIGHTS

PARTS = ("encoder", "decoder", "t2u", "vocoder")
State = dict[str, Tensor]


def tensors_of(checkpoint: Checkpoint) -> dict[str, Tensor]:
    """All tensors of a loaded system."""
    return {
        f"{part}.{key}": value
        for part in PARTS
        for key, value in getattr(checkpoint, part).state_dict().items()
    }


def assert_equal(a: Checkpoint, b: Checkpoint) -> None:
    """Both hold the same tensors, bit by bit."""
    left, right = tensors_of(a), tensors_of(b)
    assert left.keys() == right.keys()
    assert len(left) > 300
    for key, value in left.items():
        assert torch.equal(value, right[key]), key


def states_of(checkpoint: Checkpoint) -> dict[str, State]:
    """Tensors by network."""
    return {part: getattr(checkpoint, part).state_dict() for part in PARTS}


def edit(path: Path, change: Callable[[State], object]) -> None:
    """Rewrite a PyTorch file with a change to its tensors."""
    data = torch.load(path, map_location="cpu", weights_only=True)
    change(data["model"])
    torch.save(data, path)


def sentence(error: pytest.ExceptionInfo[CheckpointError], *parts: str) -> None:
    """The error is one sentence with the given parts."""
    message = str(error.value)
    assert "\n" not in message
    assert len(message) < 400
    for part in parts:
        assert part in message


def test_both_layouts_give_the_same_tensors(checkpoint: Checkpoint, fairseq_folder: Path) -> None:
    assert_equal(load_checkpoint(fairseq_folder), checkpoint)


def test_superfluous_tensors_are_in_the_files_and_are_dropped(fairseq_folder: Path) -> None:
    """Both the recorded files and these additions hold what inference does not need."""
    keys = torch.load(fairseq_folder / files.UNITY, weights_only=True)["model"].keys()
    assert "encoder.w2v_encoder.w2v_model.mask_emb" in keys
    superfluous = (
        "text_encoder.layers.0.ffn.inner_proj.weight",
        "text_decoder_frontend.embed.weight",
        "final_proj.weight",
        "decoder.version",
    )
    more = {name: torch.ones(2) for name in superfluous}
    edit(fairseq_folder / files.UNITY, lambda state: state.update(more))
    assert verify_folder(fairseq_folder).problems == []


@pytest.mark.parametrize("layout", ["fairseq", "fairseq2"])
def test_the_dummy_row_of_the_embedding_is_dropped(
    checkpoint: Checkpoint, folder: Path, layout: str
) -> None:
    if layout == "fairseq":
        shutil.copy(FAIRSEQ / files.DECODER, folder)
    vocabulary = checkpoint.config.decoder.vocab_size
    changed = []

    def add_row(state: State) -> None:
        for key, value in state.items():
            if value.dim() == 2 and value.size(0) in (vocabulary, vocabulary + 1):
                body = value[:vocabulary]
                state[key] = torch.cat([body, torch.full((1, body.size(1)), 9.0)])
                changed.append(key)

    edit(folder / files.DECODER, add_row)
    assert changed
    loaded = load_checkpoint(folder)
    assert torch.equal(loaded.decoder.embed.weight, checkpoint.decoder.embed.weight)


def test_control_rows_and_characters_are_put_in_order(
    checkpoint: Checkpoint, fairseq_folder: Path
) -> None:
    decoder = torch.load(FAIRSEQ / files.DECODER, weights_only=True)["model"]
    rows = decoder["decoder.embed_tokens.weight"]
    ours = checkpoint.decoder.embed.weight
    # <s>, <pad>, </s>, <unk> in the training code; <pad>, <unk>, <s>, </s> here.
    assert torch.equal(ours[:4], rows[[1, 3, 0, 2]])
    assert torch.equal(ours[4:], rows[4 : len(ours)])
    unity = torch.load(FAIRSEQ / files.UNITY, weights_only=True)["model"]
    table = unity["decoder.embed_tokens_text.weight"]
    tokens = CharTokenizer(fairseq_folder / files.CHARACTERS).tokens
    by_character = dict(zip(sorted(tokens[4:]), table[4:], strict=True))
    assert checkpoint.t2u is not None
    for token, row in zip(tokens[4:], checkpoint.t2u.embed_char.weight[4:], strict=True):
        assert torch.equal(row, by_character[token])
    assert sorted(char_order(tokens)) == list(range(len(tokens)))


def test_our_own_file_gives_the_same_tensors(checkpoint: Checkpoint, folder: Path) -> None:
    write_model_file(folder / STORE, states_of(checkpoint))
    for name in WEIGHTS:
        (folder / name).unlink()
    assert find_model(folder) == folder
    assert verify_folder(folder).problems == []
    assert_equal(load_checkpoint(folder), checkpoint)
    assert not list(folder.glob("*.partial"))


def test_our_own_file_in_half_precision(checkpoint: Checkpoint, folder: Path) -> None:
    write_model_file(folder / STORE, states_of(checkpoint), torch.bfloat16)
    loaded = tensors_of(load_checkpoint(folder, dtype=torch.bfloat16))
    for key, value in tensors_of(checkpoint).items():
        assert torch.equal(loaded[key], value.to(torch.bfloat16)), key


def test_loading_goes_straight_to_the_precision_wanted(folder: Path) -> None:
    loaded = load_checkpoint(folder, dtype=torch.bfloat16)
    assert {value.dtype for value in tensors_of(loaded).values()} == {torch.bfloat16}


def test_text_alone_needs_no_vocoder(folder: Path) -> None:
    (folder / files.VOCODER).unlink()
    loaded = load_checkpoint(folder, speech=False)
    assert loaded.t2u is None
    assert loaded.vocoder is None
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(folder)
    sentence(error, files.VOCODER, "is missing")


class Bomb:
    """Leaves a mark when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = str(marker)

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (self.marker, "w"))


@pytest.mark.parametrize("name", WEIGHTS)
def test_a_pickle_with_code_is_refused_and_never_run(folder: Path, name: str) -> None:
    marker = folder / "executed"
    torch.save({"model": {"weight": torch.ones(2), "bomb": Bomb(marker)}}, folder / name)
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(folder)
    sentence(error, name, "could run code")
    with (folder / name).open("wb") as file:
        pickle.dump({"model": Bomb(marker)}, file)
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(folder)
    sentence(error, name, "is not a PyTorch checkpoint")
    assert not marker.exists()
    # The mark is real: whoever unpickles the file without care gets it.
    with (folder / name).open("rb") as file:
        pickle.load(file)
    assert marker.exists()


def truncate(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def cut_tensor(path: Path) -> None:
    """A whole archive of which one tensor's bytes are missing."""
    with zipfile.ZipFile(path) as old:
        members = {name: old.read(name) for name in old.namelist()}
    victim = max((name for name in members if "/data/" in name), key=lambda x: len(members[x]))
    del members[victim]
    with zipfile.ZipFile(path, "w") as new:
        for name, data in members.items():
            new.writestr(name, data)


def foreign_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("holiday.txt", "sun")


BREAKAGES: dict[str, Callable[[Path], object]] = {
    "truncated": truncate,
    "without a tensor's data": cut_tensor,
    "text": lambda path: path.write_text("<html>404</html>"),
    "empty": lambda path: path.write_bytes(b""),
    "foreign zip": foreign_zip,
    "no tensors": lambda path: torch.save({"model": {}}, path),
    "a number": lambda path: torch.save(3, path),
    "strings": lambda path: torch.save({"model": {"weight": "heavy"}}, path),
    "missing": lambda path: path.unlink(),
}


@pytest.mark.parametrize("how", BREAKAGES)
@pytest.mark.parametrize("name", [files.UNITY, files.VOCODER])
def test_broken_weights_are_refused_with_one_sentence(folder: Path, name: str, how: str) -> None:
    BREAKAGES[how](folder / name)
    for use in (load_checkpoint, verify_folder):
        with pytest.raises(CheckpointError) as error:
            use(folder)
        sentence(error, name)


@pytest.mark.parametrize("how", ["truncated", "text", "empty", "foreign zip", "missing"])
@pytest.mark.parametrize("name", [files.TOKENIZER, files.CHARACTERS])
def test_broken_tokenizers_are_refused_with_one_sentence(folder: Path, name: str, how: str) -> None:
    BREAKAGES[how](folder / name)
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(folder)
    sentence(error, name)


def test_a_tokenizer_of_another_model_is_refused(folder: Path) -> None:
    shutil.copy(folder / files.CHARACTERS, folder / files.TOKENIZER)
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(folder)
    sentence(error, files.TOKENIZER, "tokens")


@pytest.mark.parametrize("how", ["truncated", "text", "empty", "foreign zip"])
def test_a_broken_file_of_our_own_is_refused(
    checkpoint: Checkpoint, folder: Path, how: str
) -> None:
    write_model_file(folder / STORE, states_of(checkpoint))
    BREAKAGES[how](folder / STORE)
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(folder)
    sentence(error, STORE)


def test_every_tensor_that_does_not_fit_is_named(folder: Path) -> None:
    def spoil(state: State) -> None:
        state["text_decoder.layer_norm.bias"] = torch.zeros(65)
        del state["text_decoder.layers.1.ffn.output_proj.weight"]
        state["text_decoder.layers.2.ffn.output_proj.weight"] = torch.zeros(2)

    edit(folder / files.DECODER, spoil)
    edit(folder / files.VOCODER, lambda state: state.pop("code_generator.conv_post.bias"))
    problems = "\n".join(verify_folder(folder).problems)
    assert "decoder.layer_norm.bias: shape [65] instead of [64]" in problems
    assert "decoder.layers.1.ffn.output_proj.weight: missing" in problems
    assert "decoder.layers.2.ffn.output_proj.weight: extra" in problems
    assert "vocoder.conv_post.bias: missing" in problems
    assert len(problems.splitlines()) == 4
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(folder)
    sentence(error, str(folder), "(and 3 more: `seamless-server models verify`)")


def test_a_name_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="neither a folder"):
        find_model(tmp_path / "nowhere")
    (tmp_path / files.UNITY).write_bytes(b"")
    with pytest.raises(CheckpointError, match=files.TOKENIZER):
        find_model(tmp_path)


def test_a_published_model_that_is_not_there_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEAMLESS_CHECKPOINT_DIR", str(tmp_path))
    with pytest.raises(CheckpointError) as error:
        find_model("SeamlessStreaming")
    sentence(error, str(tmp_path), "models download SeamlessStreaming", files.DECODER)


MEASURE = """
import resource, sys
from pathlib import Path
import torch
from seamless_server.checkpoints.loader import load_checkpoint

def peak():
    status = Path("/proc/self/status")
    if status.is_file():  # Linux counts the parent's memory in ru_maxrss
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

load_checkpoint(Path(sys.argv[1]))
before = peak()
model = load_checkpoint(Path(sys.argv[2]))
with torch.inference_mode():
    checksum = sum(float(x.sum()) for x in model.decoder.state_dict().values())
print(peak() - before)
"""


@pytest.mark.parametrize("layout", ["fairseq2", "fairseq", "safetensors"])
def test_loading_needs_the_models_size_of_memory_and_little_more(
    checkpoint: Checkpoint, folder: Path, layout: str
) -> None:
    if layout == "fairseq":
        for name in WEIGHTS:
            shutil.copy(FAIRSEQ / name, folder)
    width = 150_000
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config["monotonic_decoder"]["ffn_inner_dim"] = width

    def widen(state: State) -> None:
        for key, value in state.items():
            if ".ffn." in key or ".fc" in key:
                shape = [width if size == 128 else size for size in value.shape]
                state[key] = torch.full(shape, 0.5)

    edit(folder / files.DECODER, widen)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    if layout == "safetensors":
        write_model_file(folder / STORE, states_of(load_checkpoint(folder)))
        for name in WEIGHTS:
            (folder / name).unlink()
    size = sum(x.stat().st_size for x in folder.iterdir() if x.suffix in (".pt", ".safetensors"))
    assert size > 150_000_000
    answer = subprocess.run(
        [sys.executable, "-c", MEASURE, str(CHECKPOINT), str(folder)],
        capture_output=True,
        text=True,
        check=True,
    )
    shutil.rmtree(folder)
    assert int(answer.stdout) < 1.1 * size + 24_000_000
    # All of it was read, so the number means something.
    assert int(answer.stdout) > 0.8 * size
