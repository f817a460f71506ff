"""From the published files to one safetensors file, which loads several times faster."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch

from seamless_server.checkpoints import published, store
from seamless_server.checkpoints.loader import (
    build_networks,
    compare,
    read_folder_config,
    read_states,
    read_tokenizers,
)
from seamless_server.errors import CheckpointError

COPIED = (published.TOKENIZER, published.CHARACTERS, "config.json")


def convert_folder(
    folder: Path, output: Path | None = None, dtype: torch.dtype | None = None
) -> Path:
    """Write ``model.safetensors`` for the published files of ``folder``.

    Args:
        output: another folder to write to; the tokenizers are copied along. Default: the same.
        dtype: precision of the file, that of the published files when None.

    Raises:
        SeamlessError: the files are missing, damaged, or do not fit their configuration.
    """
    target = output or folder
    if target.resolve() == folder.resolve() and (folder / store.FILE).is_file():
        raise CheckpointError(folder / store.FILE, "is already there")
    config, is_published = read_folder_config(folder)
    states = read_states(folder, config)
    if is_published:
        config = published.fit_tables(config, states.get("t2u", {}))
    problems = compare(build_networks(config), states)
    if problems:
        raise CheckpointError(folder, f"does not fit its configuration: {problems[0]}")
    read_tokenizers(folder, config)
    target.mkdir(parents=True, exist_ok=True)
    store.write_store(target / store.FILE, states, dtype)
    if target.resolve() != folder.resolve():
        for name in COPIED:
            if (folder / name).is_file():
                shutil.copyfile(folder / name, target / name)
    return target / store.FILE
