"""From a folder of files to networks on a device.

Networks are built without memory (on the meta device) and take over the mapped tensors, so loading
needs no second copy of the model; each tensor goes straight to the device and precision wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from seamless_server.checkpoints import published, store
from seamless_server.checkpoints.config_file import read_config
from seamless_server.checkpoints.keys import (
    char_order,
    convert_decoder,
    convert_vocoder,
    split_unity,
)
from seamless_server.checkpoints.tokenizers import CharTokenizer, TextTokenizer, UnitTokenizer
from seamless_server.checkpoints.torch_file import read_torch_file
from seamless_server.errors import CheckpointError
from seamless_server.nn import T2U, ModelConfig, SpeechEncoder, TextDecoder, Vocoder

Progress = Callable[[str], None]
States = dict[str, dict[str, Tensor]]
"""Tensors by network: ``encoder``, ``decoder``, ``t2u``, ``vocoder``."""

SOURCE_FILE = {
    "encoder": published.UNITY,
    "t2u": published.UNITY,
    "decoder": published.DECODER,
    "vocoder": published.VOCODER,
}


@dataclass
class Checkpoint:
    """Loaded networks and tokenizers of one system. Without speech the last ones are None."""

    path: Path
    config: ModelConfig
    encoder: SpeechEncoder
    decoder: TextDecoder
    text_tokenizer: TextTokenizer
    unit_tokenizer: UnitTokenizer | None = None
    char_tokenizer: CharTokenizer | None = None
    t2u: T2U | None = None
    vocoder: Vocoder | None = None

    @property
    def parameters(self) -> int:
        """Number of weights."""
        parts = (self.encoder, self.decoder, self.t2u, self.vocoder)
        return sum(p.numel() for part in parts if part is not None for p in part.parameters())


@dataclass
class Tokenizers:
    """The three tokenizers; units and characters only with speech output."""

    text: TextTokenizer
    chars: CharTokenizer | None
    units: UnitTokenizer | None


def read_folder_config(folder: Path) -> tuple[ModelConfig, bool]:
    """The folder's ``config.json``, else the published configuration (and True)."""
    if (folder / "config.json").is_file():
        return read_config(folder / "config.json"), False
    return published.published_config(), True


def read_tokenizers(folder: Path, config: ModelConfig) -> Tokenizers:
    """Read the tokenizers and hold their sizes against the networks'."""
    path = folder / published.TOKENIZER
    text = TextTokenizer(path, config.text_langs, config.default_lang)
    if len(text) != config.decoder.vocab_size:
        raise CheckpointError(
            path, f"has {len(text)} tokens, but the decoder {config.decoder.vocab_size}"
        )
    if config.t2u is None:
        return Tokenizers(text, None, None)
    chars = CharTokenizer(folder / published.CHARACTERS)
    if len(chars) > config.t2u.char_vocab_size:
        raise CheckpointError(
            folder / published.CHARACTERS,
            f"has {len(chars)} characters, but the network {config.t2u.char_vocab_size}",
        )
    return Tokenizers(text, chars, UnitTokenizer(config.num_units, config.unit_langs))


def read_states(folder: Path, config: ModelConfig) -> States:
    """Tensors of a folder under this package's names; safetensors win over the published files."""
    if (folder / store.FILE).is_file():
        return store.read_store(folder / store.FILE)
    order = None
    if (folder / published.CHARACTERS).is_file():
        order = char_order(CharTokenizer(folder / published.CHARACTERS).tokens)
    encoder, t2u = split_unity(read_torch_file(folder / published.UNITY), order)
    states: States = {
        "encoder": encoder,
        "decoder": convert_decoder(
            read_torch_file(folder / published.DECODER), config.decoder.vocab_size
        ),
    }
    if config.t2u is not None:
        states["t2u"] = t2u
        states["vocoder"] = convert_vocoder(read_torch_file(folder / published.VOCODER))
    return states


class _Uninitialised(TorchFunctionMode):
    """Leaves new weights as they are: random numbers without memory are work for nothing.

    It also keeps PyTorch from importing 80 MB of Python code that draws them.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") in ("normal_", "uniform_"):
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


def build_networks(config: ModelConfig) -> dict[str, nn.Module]:
    """The networks without memory."""
    with torch.device("meta"), _Uninitialised():
        networks: dict[str, nn.Module] = {
            "encoder": SpeechEncoder(config.encoder),
            "decoder": TextDecoder(config.decoder),
        }
        if config.t2u is not None and config.vocoder is not None:
            networks["t2u"] = T2U(config.t2u)
            networks["vocoder"] = Vocoder(config.vocoder)
    return networks


def compare(networks: Mapping[str, nn.Module], states: States) -> list[str]:
    """Every missing, extra or mis-shaped tensor, one sentence each."""
    problems = []
    for part, network in networks.items():
        wanted = {k: tuple(v.shape) for k, v in network.state_dict().items()}
        found = {k: tuple(v.shape) for k, v in states.get(part, {}).items()}
        problems += [f"{part}.{k}: missing, {list(wanted[k])}" for k in wanted if k not in found]
        problems += [f"{part}.{k}: extra, {list(found[k])}" for k in found if k not in wanted]
        problems += [
            f"{part}.{k}: shape {list(found[k])} instead of {list(wanted[k])}"
            for k in wanted
            if k in found and found[k] != wanted[k]
        ]
    return problems


def verify_folder(folder: Path) -> list[str]:
    """Check a folder without loading it: names every tensor that does not fit.

    Raises:
        SeamlessError: a file is missing or unreadable, or the configuration is wrong.
    """
    config, is_published = read_folder_config(folder)
    states = read_states(folder, config)
    if is_published:
        config = published.fit_tables(config, states.get("t2u", {}))
    problems = compare(build_networks(config), states)
    read_tokenizers(folder, config)
    return problems


def load_checkpoint(
    folder: Path,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    speech: bool = True,
    progress: Progress | None = None,
) -> Checkpoint:
    """Load the system of a folder.

    Args:
        speech: False leaves the speech output's networks out.
        progress: called with what is being read.

    Raises:
        CheckpointError: a file is missing, damaged or of another model.
        ConfigError: ``config.json`` is wrong.
    """
    if not folder.is_dir():
        raise CheckpointError(folder, "is not a folder with a model")
    config, is_published = read_folder_config(folder)
    if not speech:
        config = without_speech(config)
    tokenizers = read_tokenizers(folder, config)
    if progress is not None:
        progress("reading tensors")
    states = read_states(folder, config)
    if is_published:
        config = published.fit_tables(config, states.get("t2u", {}))
    networks = build_networks(config)
    problems = compare(networks, {k: v for k, v in states.items() if k in networks})
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise CheckpointError(folder, f"does not fit its configuration: {problems[0]}{more}")
    for part, network in networks.items():
        if progress is not None:
            progress(f"loading {part}")
        state = states.pop(part)
        for key in list(state):
            state[key] = state[key].to(device=device, dtype=dtype)
        network.load_state_dict(state, assign=True)
        network.requires_grad_(False).eval()
    encoder, decoder = networks["encoder"], networks["decoder"]
    t2u, vocoder = networks.get("t2u"), networks.get("vocoder")
    assert isinstance(encoder, SpeechEncoder)
    assert isinstance(decoder, TextDecoder)
    assert t2u is None or isinstance(t2u, T2U)
    assert vocoder is None or isinstance(vocoder, Vocoder)
    return Checkpoint(
        folder,
        config,
        encoder,
        decoder,
        tokenizers.text,
        tokenizers.units,
        tokenizers.chars,
        t2u,
        vocoder,
    )


def without_speech(config: ModelConfig) -> ModelConfig:
    """The same system without its speech output."""
    return replace(config, t2u=None, vocoder=None)
