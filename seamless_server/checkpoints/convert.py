"""From the published files to one safetensors file, in any precision."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from torch import Tensor, nn

from seamless_server.checkpoints import model_file, published
from seamless_server.checkpoints.download import check_space
from seamless_server.checkpoints.int8 import quantized_state
from seamless_server.checkpoints.loader import CONFIDENCE, verify_folder
from seamless_server.errors import CheckpointError

COPIED = (published.TOKENIZER, published.CHARACTERS, "config.json", CONFIDENCE)


def convert_folder(
    folder: Path,
    output: Path | None = None,
    dtype: torch.dtype | None = None,
    *,
    int8: bool = False,
) -> Path:
    """Write ``model.safetensors`` for the published files of ``folder``.

    Args:
        output: another folder to write to; the tokenizers are copied along. Default: the same.
        dtype: precision of the file, that of the published files when None.
        int8: weights of linear layers as whole numbers, the rest in float32, as processors compute
            with them: such a file is mapped and nothing is converted when it is loaded.

    Raises:
        SeamlessError: the files are missing, damaged, or do not fit their configuration; the disk
            is full, or the folder may not be written.
    """
    target = output or folder
    same = target.resolve() == folder.resolve()
    if same and (folder / model_file.FILE).is_file():
        raise CheckpointError(folder / model_file.FILE, "is already there")
    found = verify_folder(folder)
    if found.problems:
        raise CheckpointError(folder, f"does not fit its configuration: {found.problems[0]}")
    if model_file.is_int8(folder):
        raise CheckpointError(
            folder / model_file.FILE, "has lost its precision already: convert the published files"
        )
    states = found.states
    if int8:
        states = {part: _int8(part, found.networks[part], state) for part, state in states.items()}
    try:
        target.mkdir(parents=True, exist_ok=True)
        check_space(target, model_file.stored_bytes(states, dtype), "name another by --output")
        model_file.write_model_file(target / model_file.FILE, states, dtype, int8=int8)
        for name in () if same else COPIED:
            if (folder / name).is_file():
                shutil.copyfile(folder / name, target / name)
    except OSError as error:
        raise CheckpointError(
            target, f"cannot be written ({error.strerror}): name another folder by --output"
        ) from None
    return target / model_file.FILE


def _int8(part: str, network: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    if part == "vocoder":
        return {key: tensor.to(torch.float32) for key, tensor in state.items()}
    return quantized_state(network, state)
