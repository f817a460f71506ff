"""From a folder of files to networks on a device.

Networks are built without memory (on the meta device) and take over the mapped tensors, so loading
needs no second copy of the model; each tensor goes straight to the device and precision wanted.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from seamless_server.checkpoints import model_file, published
from seamless_server.checkpoints.config_file import read_config
from seamless_server.checkpoints.int8 import OUTPUT, quantized_network
from seamless_server.checkpoints.keys import (
    LAYOUTS,
    FileTensors,
    States,
    official_name,
    order_characters,
    order_vocabulary,
    take_tensors,
)
from seamless_server.checkpoints.tokenizers import CharTokenizer, TextTokenizer, UnitTokenizer
from seamless_server.checkpoints.torch_file import read_torch_file
from seamless_server.errors import CheckpointError
from seamless_server.nn.confidence import ConfidenceHead
from seamless_server.nn.config import ModelConfig
from seamless_server.nn.pretssel import Pretssel
from seamless_server.nn.speech_encoder import SpeechEncoder
from seamless_server.nn.t2u import T2U
from seamless_server.nn.text_decoder import TextDecoder
from seamless_server.nn.vocoder import Vocoder

CONFIDENCE = "confidence.safetensors"

logger = logging.getLogger(__name__)

Progress = Callable[[str], None]


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
    voice: Pretssel | None = None
    """The expressive voice, which is loaded for those who ask for it."""
    confidence: ConfidenceHead | None = None
    """Says how sure to be of a text, where the folder has one."""

    @property
    def parameters(self) -> int:
        """Number of weights."""
        parts = (
            *(self.encoder, self.decoder, self.t2u, self.vocoder),
            *(self.voice, self.confidence),
        )
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


@dataclass
class FolderTensors:
    """The tensors of a folder, the configuration and networks that they belong to, and what does
    not fit."""

    config: ModelConfig
    networks: dict[str, nn.Module]
    """Without memory."""
    states: States
    problems: list[str]
    """Every missing, extra or mis-shaped tensor, one sentence each."""
    notices: list[str]
    """What the files hold beside these networks, one sentence each."""


def read_tensors(
    folder: Path,
    speech: bool = True,
    config: ModelConfig | None = None,
    whole: str = "int8",
) -> FolderTensors:
    """Map the tensors of a folder under this package's names and compare them with its networks.

    Our own file wins over the published ones.

    Args:
        speech: False leaves the speech output's networks and files out.
        config: what the networks are, instead of what the folder says.
        whole: which layers compute with weights that the file has in int8: one of ``INT8``.

    Raises:
        CheckpointError: a file is missing or unreadable.
        ConfigError: ``config.json`` is wrong.
    """
    is_published = False
    if config is None:
        config, is_published = read_folder_config(folder)
    if not speech:
        config = without_speech(config)
    networks = build_networks(config)
    own = folder / model_file.FILE
    if model_file.is_int8(folder):
        networks = {
            part: network if part == "vocoder" else quantized_network(network, whole)
            for part, network in networks.items()
        }
    found = _read_store(own, networks) if own.is_file() else _read_files(folder, config, networks)
    if is_published:
        fitted = published.fit_tables(config, found.states.get("t2u", {}))
        if fitted != config:
            config, networks = fitted, build_networks(fitted)
    problems = compare(networks, found.states, named=not own.is_file()) + found.problems
    return FolderTensors(config, networks, found.states, problems, found.notices)


def _read_store(path: Path, networks: Mapping[str, nn.Module]) -> FileTensors:
    states = model_file.read_model_file(path)
    found = FileTensors({part: states.get(part, {}) for part in networks})
    for part, network in networks.items():
        wanted = set(network.state_dict())
        if part == "decoder" and isinstance(network, TextDecoder) and network.output is None:
            # Of a file with int8 weights, elsewhere than on a processor.
            for key in [key for key in found.states[part] if key.startswith(OUTPUT)]:
                del found.states[part][key]
        found.problems += [
            f"{part}.{key}: extra, {list(tensor.shape)}"
            for key, tensor in found.states[part].items()
            if key not in wanted
        ]
    return found


def _read_files(
    folder: Path, config: ModelConfig, networks: Mapping[str, nn.Module]
) -> FileTensors:
    wanted = {part: list(network.state_dict()) for part, network in networks.items()}
    found = FileTensors()
    unity = read_torch_file(folder / published.UNITY)
    if take_tensors(found, "unity", unity, wanted) == "fairseq" and "t2u" in wanted:
        order_characters(found.states["t2u"], CharTokenizer(folder / published.CHARACTERS).tokens)
    decoder = read_torch_file(folder / published.DECODER)
    layout = take_tensors(found, "decoder", decoder, wanted)
    order_vocabulary(found.states["decoder"], config.decoder.vocab_size, layout)
    if "vocoder" in wanted:
        vocoder = read_torch_file(folder / published.VOCODER)
        take_tensors(found, "vocoder", vocoder, wanted)
    return found


class Uninitialised(TorchFunctionMode):
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
    with torch.device("meta"), Uninitialised():
        networks: dict[str, nn.Module] = {
            "encoder": SpeechEncoder(config.encoder),
            "decoder": TextDecoder(config.decoder),
        }
        if config.t2u is not None and config.vocoder is not None:
            networks["t2u"] = T2U(config.t2u)
            networks["vocoder"] = Vocoder(config.vocoder)
    return networks


def compare(networks: Mapping[str, nn.Module], states: States, *, named: bool) -> list[str]:
    """Every missing or mis-shaped tensor, one sentence each.

    Args:
        named: also say what the published files call a tensor that is missing.
    """
    problems = []
    for part, network in networks.items():
        found = states.get(part, {})
        for key, tensor in network.state_dict().items():
            shape = list(tensor.shape)
            if key not in found:
                names = " or ".join(official_name(part, key, layout) for layout in LAYOUTS)
                where = f"; the file calls it {names}" if named else ""
                problems.append(f"{part}.{key}: missing, {shape}{where}")
            elif list(found[key].shape) != shape:
                problems.append(f"{part}.{key}: shape {list(found[key].shape)} instead of {shape}")
    return problems


def verify_folder(folder: Path, speech: bool = True) -> FolderTensors:
    """Check a folder without loading it: its tensors with all that does not fit.

    Raises:
        SeamlessError: a file is missing or unreadable, or the configuration is wrong.
    """
    found = read_tensors(folder, speech)
    read_tokenizers(folder, found.config)
    read_confidence(folder, found.config)
    return found


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
    if progress is not None:
        progress(f"reading tensors, {_size(folder) / 1e9:.1f} GB")
    whole = "int8" if torch.device(device).type == "cpu" else "int8-weights"
    found = read_tensors(folder, speech, whole=whole)
    config, networks, states = found.config, found.networks, found.states
    tokenizers = read_tokenizers(folder, config)
    if found.problems:
        rest = len(found.problems) - 1
        more = f" (and {rest} more: `seamless-server models verify`)" if rest else ""
        raise CheckpointError(folder, f"does not fit its configuration: {found.problems[0]}{more}")
    for notice in found.notices:
        logger.info("%s: %s", folder, notice)
    for part, network in networks.items():
        if progress is not None:
            progress(f"loading {part}")
        state = states.pop(part)
        for key in list(state):
            exact = state[key].dtype == torch.int8 or key.endswith(".scales")
            state[key] = state[key].to(device, state[key].dtype if exact else dtype)
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
        confidence=read_confidence(folder, config, device),
    )


def read_confidence(
    folder: Path, config: ModelConfig, device: torch.device | str = "cpu"
) -> ConfidenceHead | None:
    """The head of a folder that says how sure to be of a text, in fp32; None if it has none.

    Raises:
        CheckpointError: the file is damaged or of another model.
    """
    path = folder / CONFIDENCE
    if not path.is_file():
        return None
    state = model_file.read_model_file(path).get("confidence", {})
    bias = state.get("hidden.bias", torch.zeros(0))
    with torch.device("meta"), Uninitialised():
        head = ConfidenceHead(config.decoder.model_dim, len(bias))
    problems = compare({"confidence": head}, {"confidence": state}, named=False)
    if problems:
        raise CheckpointError(path, f"does not fit the model: {problems[0]}")
    state = {key: tensor.to(device, torch.float32) for key, tensor in state.items()}
    head.load_state_dict(state, assign=True)
    return head.requires_grad_(False).eval()


def _size(folder: Path) -> int:
    """Bytes of the files that hold the tensors."""
    own = folder / model_file.FILE
    files = [own] if own.is_file() else [folder / name for name in published.WEIGHTS]
    return sum(path.stat().st_size for path in files if path.is_file())


def without_speech(config: ModelConfig) -> ModelConfig:
    """The same system without its speech output."""
    return replace(config, t2u=None, vocoder=None)
