"""Files as other programs write them: training options beside tensors, old forms, other tables."""

from __future__ import annotations

import io
import json
import logging
import operator
import os
import pickle
import shutil
import sys
from argparse import Namespace
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np
import pytest
import sentencepiece
import torch
from torch import Tensor

from seamless_server.checkpoints import published as files
from seamless_server.checkpoints.cards import find_model
from seamless_server.checkpoints.convert import convert_folder
from seamless_server.checkpoints.keys import (
    LAYOUTS,
    FileTensors,
    Layout,
    official_name,
    take_tensors,
)
from seamless_server.checkpoints.loader import (
    Checkpoint,
    build_networks,
    load_checkpoint,
    verify_folder,
)
from seamless_server.checkpoints.model_file import FILE as STORE
from seamless_server.checkpoints.published import published_config
from seamless_server.checkpoints.tokenizers import CharTokenizer
from seamless_server.errors import CheckpointError

from .conftest import FAIRSEQ, WEIGHTS

State = dict[str, Tensor]


def same_tensors(a: Checkpoint, b: Checkpoint) -> bool:
    """Whether all networks are equal bit by bit."""
    return all(
        torch.equal(value, getattr(b, part).state_dict()[key])
        for part in ("encoder", "decoder", "t2u", "vocoder")
        for key, value in getattr(a, part).state_dict().items()
    )


def edit(path: Path, change: Callable[[State], object]) -> None:
    """Rewrite a PyTorch file with a change to its tensors."""
    data = torch.load(path, map_location="cpu", weights_only=True)
    change(data["model"])
    torch.save(data, path)


@contextmanager
def omegaconf() -> Iterator[dict[str, Any]]:
    """Objects that are pickled as omegaconf pickles its own, while the library is not there."""
    names = {
        "base": ("ContainerMetadata", "Metadata"),
        "dictconfig": ("DictConfig",),
        "listconfig": ("ListConfig",),
        "nodes": ("AnyNode", "FloatNode", "IntegerNode", "StringNode", "BooleanNode"),
    }
    classes: dict[str, Any] = {}
    for module, members in names.items():
        full = f"omegaconf.{module}"
        sys.modules[full] = ModuleType(full)
        for name in members:
            classes[name] = type(name, (), {"__module__": full, "__qualname__": name})
            setattr(sys.modules[full], name, classes[name])
    sys.modules["omegaconf"] = ModuleType("omegaconf")
    try:
        yield classes
    finally:
        for name in [x for x in sys.modules if x.partition(".")[0] == "omegaconf"]:
            del sys.modules[name]


def with_fields(cls: Any, **fields: object) -> Any:
    made = cls()
    made.__dict__.update(fields)
    return made


def training_options(classes: dict[str, Any]) -> dict[str, object]:
    """What fairseq and hydra leave beside the tensors of a file."""
    metadata = with_fields(
        classes["ContainerMetadata"], ref_type=Any, object_type=dict, optional=True, key=None
    )
    rate = with_fields(classes["FloatNode"], _val=0.2, _metadata=metadata, _parent=None)
    config = with_fields(
        classes["DictConfig"], _content={"rate": rate, "on": True}, _metadata=metadata
    )
    rate._parent = config
    epochs: defaultdict[str, list[int]] = defaultdict(list)
    epochs["train"].append(3)
    return {
        "args": Namespace(arch="unity", lr=[0.0005], task=Namespace(lang="spa")),
        "cfg": config,
        "best_loss": np.float64(2.25),
        "steps": np.int64(80_000),
        "history": np.arange(3, dtype=np.float32),
        "epochs": epochs,
    }


@pytest.mark.parametrize("archive", [True, False], ids=["zip", "before PyTorch 1.6"])
@pytest.mark.parametrize("name", WEIGHTS)
def test_training_options_beside_the_tensors_do_not_hinder(
    checkpoint: Checkpoint, folder: Path, name: str, archive: bool
) -> None:
    data = torch.load(folder / name, weights_only=True)
    with omegaconf() as classes:
        torch.save(
            {**training_options(classes), **data},
            folder / name,
            _use_new_zipfile_serialization=archive,
        )
    assert "omegaconf" not in sys.modules
    assert same_tensors(load_checkpoint(folder), checkpoint)
    assert "omegaconf" not in sys.modules


class Call:
    """Is unpickled by calling a function."""

    def __init__(self, function: Any, *arguments: object) -> None:
        self.reduced = (function, arguments)

    def __reduce__(self) -> Any:
        return self.reduced


@pytest.mark.parametrize("archive", [True, False], ids=["zip", "before PyTorch 1.6"])
def test_code_beside_the_tensors_is_named_and_never_run(folder: Path, archive: bool) -> None:
    marker = folder / "executed"
    data = torch.load(folder / files.UNITY, weights_only=True)
    attacks = {
        "io.open": Call(open, str(marker), "w"),  # "_io.open" from Python 3.13 on
        "posix.system": Call(os.system, f"touch {marker}"),
        "getattr": Call(getattr, Namespace(run=1), "run"),
        "eval": Call(eval, f"open({str(marker)!r}, 'w')"),
    }
    for named, attack in attacks.items():
        torch.save(
            {"args": Namespace(hook=attack), **data},
            folder / files.UNITY,
            _use_new_zipfile_serialization=archive,
        )
        with pytest.raises(CheckpointError, match=rf"is refused: it holds _?{named} beside"):
            load_checkpoint(folder)
        assert not marker.exists()
    # The mark is real: a reader without care makes it.
    pickle.loads(pickle.dumps(attacks["io.open"])).close()
    assert marker.exists()


def test_a_stand_in_cannot_be_made_to_hold_tensors(folder: Path) -> None:
    torch.save({"model": Namespace(weight=torch.ones(2))}, folder / files.UNITY)
    with pytest.raises(CheckpointError, match="'model' is not a tensor"):
        load_checkpoint(folder)


@pytest.mark.parametrize("how", ["half", "no tensors", "tar"])
def test_a_broken_file_of_the_old_form_is_refused(folder: Path, how: str) -> None:
    data = torch.load(folder / files.DECODER, weights_only=True)
    path = folder / files.DECODER
    torch.save(data, path, _use_new_zipfile_serialization=False)
    if how == "half":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif how == "no tensors":
        path.write_bytes(path.read_bytes()[:40])
    else:
        import tarfile

        with tarfile.open(path, "w") as file:
            file.addfile(tarfile.TarInfo("storages"), io.BytesIO())
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(folder)
    assert "\n" not in str(error.value)
    assert files.DECODER in str(error.value)


def test_the_character_table_may_have_more_rows_than_there_are_characters(
    checkpoint: Checkpoint, fairseq_folder: Path
) -> None:
    """As the published one: 10,943 rows for 10,904 pieces, of which only these are in order."""
    more = 39
    config = json.loads((fairseq_folder / "config.json").read_text("utf-8"))
    table = config["unity"]["t2u_config"]["nar_decoder_config"]
    table["char_vocabulary_size"] += more
    (fairseq_folder / "config.json").write_text(json.dumps(config), "utf-8")

    def widen(state: State) -> None:
        rows = state["decoder.embed_tokens_text.weight"]
        added = torch.arange(more)[:, None] + torch.full((more, rows.size(1)), 100.0)
        state["decoder.embed_tokens_text.weight"] = torch.cat([rows, added])

    edit(fairseq_folder / files.UNITY, widen)
    assert verify_folder(fairseq_folder).problems == []
    loaded = load_checkpoint(fairseq_folder)
    assert loaded.t2u is not None
    assert checkpoint.t2u is not None
    count = len(CharTokenizer(fairseq_folder / files.CHARACTERS))
    wanted = checkpoint.t2u.embed_char.weight
    assert torch.equal(loaded.t2u.embed_char.weight[:count], wanted[:count])
    assert torch.equal(loaded.t2u.embed_char.weight[-more:, 0], torch.arange(more) + 100.0)


@pytest.mark.parametrize("layout", ["fairseq2", "fairseq"])
@pytest.mark.parametrize("kept", ["projection", "table"])
def test_one_of_two_tied_tensors_is_enough(
    checkpoint: Checkpoint, folder: Path, layout: str, kept: str
) -> None:
    pairs = {
        "fairseq2": ("final_proj.weight", "text_decoder_frontend.embed.weight"),
        "fairseq": ("decoder.output_projection.weight", "decoder.embed_tokens.weight"),
    }
    if layout == "fairseq":
        shutil.copy(FAIRSEQ / files.DECODER, folder)
    projection, table = pairs[layout]
    lost = table if kept == "projection" else projection
    edit(folder / files.DECODER, lambda state: state.pop(lost))
    loaded = load_checkpoint(folder)
    assert torch.equal(loaded.decoder.embed.weight, checkpoint.decoder.embed.weight)


def test_tensors_below_modules_that_are_left_out_are_noted(folder: Path) -> None:
    unused = {
        "text_encoder.layers.0.ffn.inner_proj.weight": torch.ones(2),
        "text_encoder.layers.0.ffn.inner_proj.bias": torch.ones(2),
        "prosody_encoder_model.layers.0.conv.weight": torch.ones(2),
        "t2u_model.decoder_frontend.variance_adaptor.pitch_predictor.proj.bias": torch.ones(1),
    }
    edit(folder / files.UNITY, lambda state: state.update(unused))
    found = verify_folder(folder)
    assert found.problems == []
    assert "text_encoder: 2 tensors, not used" in found.notices
    assert "prosody_encoder_model: 1 tensors, not used" in found.notices
    assert len(found.notices) == 3
    edit(folder / files.UNITY, lambda state: state.update({"speech_encoder.new": torch.ones(1)}))
    assert verify_folder(folder).problems == ["speech_encoder.new: extra, [1]"]


@pytest.mark.parametrize("layout", ["fairseq2", "fairseq"])
def test_a_missing_tensor_has_its_official_names(folder: Path, layout: str) -> None:
    lost = {
        "encoder.layers.0.conv.layer_norm.weight": (
            "speech_encoder.inner.layers.0.conv.layer_norm.weight",
            "encoder.w2v_encoder.w2v_model.encoder.layers.0.conv_module.layer_norm2.weight",
        ),
        "t2u.decoder_layers.1.conv1d.conv2.bias": (
            "t2u_model.decoder.layers.1.conv1d.conv2.bias",
            "decoder.layers.1.ffn.ffn.2.bias",
        ),
    }
    if layout == "fairseq":
        for name in WEIGHTS:
            shutil.copy(FAIRSEQ / name, folder)
    for names in lost.values():
        gone = names[layout == "fairseq"]
        edit(folder / files.UNITY, operator.methodcaller("pop", gone))
    problems = verify_folder(folder).problems
    assert len(problems) == len(lost)
    for (ours, names), problem in zip(lost.items(), problems, strict=True):
        assert problem.startswith(f"{ours}: missing, [64]")
        assert problem.endswith(" or ".join(names))


def test_text_output_needs_neither_characters_nor_vocoder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (files.CHARACTERS, files.VOCODER):
        (folder / name).unlink()
    assert find_model(folder, speech=False) == folder
    assert load_checkpoint(folder, speech=False).t2u is None
    assert verify_folder(folder, speech=False).problems == []
    with pytest.raises(CheckpointError, match="what text output needs"):
        find_model(folder)
    monkeypatch.setenv("SEAMLESS_CHECKPOINT_DIR", str(folder.parent))
    folder.rename(folder.parent / "SeamlessStreaming")
    assert find_model("SeamlessStreaming", speech=False).name == "SeamlessStreaming"
    with pytest.raises(CheckpointError, match="models download"):
        find_model("SeamlessStreaming")


def test_characters_without_pad_keep_their_ids(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / files.CHARACTERS
    made = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["go forward ten meters", "seven of clubs"]),
        model_writer=made,
        model_type="char",
        vocab_size=18,
        pad_id=-1,
        minloglevel=2,
    )
    path.write_bytes(made.getvalue())
    with caplog.at_level(logging.WARNING):
        chars = CharTokenizer(path)
    assert "has no <pad>" in caplog.text
    processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
    assert chars.tokens == tuple(processor.IdToPiece(i) for i in range(len(chars)))
    assert chars.encode_characters("gé") == [processor.PieceToId("g"), processor.unk_id()]


def test_a_converted_file_has_the_rights_of_the_umask(folder: Path, tmp_path: Path) -> None:
    for umask, mode in ((0o022, 0o644), (0o077, 0o600), (0o002, 0o664)):
        before = os.umask(umask)
        try:
            path = convert_folder(folder, tmp_path / f"{umask:o}")
        finally:
            os.umask(before)
        assert path.stat().st_mode & 0o777 == mode


def test_a_conversion_that_cannot_be_written_says_so(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for target in (tmp_path / "file" / "below", tmp_path / "file"):
        with pytest.raises(CheckpointError, match=r"cannot be written.*--output"):
            convert_folder(folder, target)
    if os.geteuid():  # who may write everywhere
        (tmp_path / "locked").mkdir(mode=0o500)
        with pytest.raises(CheckpointError, match="Permission denied"):
            convert_folder(folder, tmp_path / "locked")


def test_a_conversion_looks_for_room_first(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(CheckpointError, match=r"GB free, but .* needed; name another by --output"):
        convert_folder(folder, tmp_path / "full")
    assert not (tmp_path / "full" / STORE).exists()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_tensor_of_the_published_model_has_a_name_in_each_layout(layout: Layout) -> None:
    """At full size, by names and shapes: the numbers are not needed for it."""
    networks = build_networks(published_config())
    wanted = {part: list(network.state_dict()) for part, network in networks.items()}
    named: dict[str, dict[str, Tensor]] = {part: {} for part in wanted}
    for part, network in networks.items():
        for key, tensor in network.state_dict().items():
            named[part][official_name(part, key, layout)] = tensor
    assert [len(x) for x in named.values()] == [len(x) for x in wanted.values()]
    found = FileTensors()
    parts: dict[Literal["unity", "decoder", "vocoder"], tuple[str, ...]] = {
        "unity": ("encoder", "t2u"),
        "decoder": ("decoder",),
        "vocoder": ("vocoder",),
    }
    for file, names in parts.items():
        tensors = {k: v for part in names for k, v in named[part].items()}
        assert take_tensors(found, file, tensors, wanted) == layout
    assert found.problems == []
    assert {part: list(state) for part, state in found.states.items()} == wanted
    assert sum(len(keys) for keys in wanted.values()) > 2000
