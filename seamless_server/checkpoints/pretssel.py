"""Expressive voices: PRETSSEL checkpoints, where they are, and how they become networks.

The published files are gated: their owner gives them to people who accept the licence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from seamless_server.checkpoints.cards import SYSTEM_DIRS, checkpoint_dir, missing_files
from seamless_server.checkpoints.keys import Rules, fold_weight_norm
from seamless_server.checkpoints.loader import Uninitialised
from seamless_server.checkpoints.pretssel_config import FILE as DESCRIPTION
from seamless_server.checkpoints.pretssel_config import (
    Normalisation,
    published_voice,
    read_voice,
)
from seamless_server.checkpoints.published import PublishedFile
from seamless_server.checkpoints.torch_file import read_torch_file
from seamless_server.errors import CheckpointError
from seamless_server.nn.pretssel import Pretssel, PretsselConfig
from seamless_server.nn.pretssel.mel_vocoder import Down, Up

NAME = "SeamlessExpressive"
ORIGINAL = "Seamless"
"""What the original demo calls the gated folder, beside its other system folders."""
LICENCE = "Seamless Licensing Agreement (non-commercial use only)"
REPO = "facebook/seamless-expressive"
ACCESS = (
    f"accept the licence at https://huggingface.co/{REPO}; the owner then lets you download the "
    "file with your own token"
)

_OFFICIAL: Rules = (
    (r"^prosody\.", "encoder_frontend.prosody_encoder."),
    (r"^embed_lang\.", "encoder_frontend.embed_lang."),
    (r"^acoustic\.embed_unit\.", "encoder_frontend.embed_tokens."),
    (r"^acoustic\.pos_emb_alpha_unit$", "encoder_frontend.pos_emb_alpha"),
    (r"^acoustic\.(encoder|decoder)_layers\.", r"\1.layers."),
    (r"^acoustic\.final_proj\.", "final_proj."),
    (r"^acoustic\.(pos_emb_alpha$|variance_adaptor\.)", r"decoder_frontend.\1"),
    (r"^vocoder\.(mean|scale)$", r"\1"),
    (r"^(layers\.\d+)\.up\.", r"\1.convtr.convtr."),
    (r"^(layers\.\d+)\.down\.", r"\1.conv.conv."),
    (r"^(layers\.\d+)\.conv1\.", r"\1.block.1.conv.conv."),
    (r"^(layers\.\d+)\.conv2\.", r"\1.block.3.conv.conv."),
)
_OF_THE_CARD = ("gcmvn_mean", "gcmvn_std")
"""Tensors that the description holds, not the file."""
BATCH_NORM_EPS = 1e-5


@dataclass(frozen=True)
class VoiceCard:
    """An expressive voice that can be named, and the file that it belongs in."""

    name: str
    file: str
    sample_rate: int

    @property
    def folder(self) -> Path:
        """Where the file is, or belongs; the original's folder serves as well."""
        usual = checkpoint_dir() / NAME
        places = (usual, SYSTEM_DIRS / ORIGINAL)
        return next((place for place in places if (place / self.file).is_file()), usual)

    @property
    def present(self) -> bool:
        """Whether the file is there."""
        return (self.folder / self.file).is_file()

    @property
    def download(self) -> PublishedFile:
        """The file on the hub."""
        return PublishedFile(self.file, (REPO,), 367)


VOICES = (
    VoiceCard("vocoder_pretssel", "pretssel_melhifigan_wm.pt", 24_000),
    VoiceCard("vocoder_pretssel_16khz", "pretssel_melhifigan_wm-16khz.pt", 16_000),
)


def voices_named(name: str) -> list[VoiceCard]:
    """The voice of a name, or both by the name of the system that they belong to."""
    return [card for card in VOICES if name in (card.name, NAME)]


def is_voice(name: str) -> bool:
    """Whether a name or path means a voice: a folder that also holds a model means the model."""
    path = Path(name).expanduser()
    if voices_named(name) or path.is_file():
        return True
    return missing_files(path) != [] and any((path / card.file).is_file() for card in VOICES)


def find_voice(name: str, folders: Sequence[Path] = ()) -> Path:
    """File of a voice given by its name or by a path to it.

    Args:
        folders: where to look first, beside the usual place.

    Raises:
        CheckpointError: it is not there; says how one gets it.
    """
    cards = voices_named(name)
    if not cards:
        path = Path(name).expanduser()
        for file in [path, *(path / x.file for x in VOICES)]:
            if file.is_file():
                return file
        names = ", ".join(x.name for x in VOICES)
        raise CheckpointError(name, f"is neither a file or folder nor the name of one ({names})")
    for card in cards:
        for folder in (*folders, card.folder):
            if (folder / card.file).is_file():
                return folder / card.file
    raise CheckpointError(cards[0].folder / cards[0].file, f"is missing; to get it, {ACCESS}")


def voice_description(path: Path) -> tuple[PretsselConfig, Normalisation]:
    """Sizes of the voice in a file: ``pretssel.json`` beside it, else those of the published one.

    Raises:
        SeamlessError: the description is wrong.
    """
    if (path.parent / DESCRIPTION).is_file():
        return read_voice(path.parent / DESCRIPTION)
    card = next((x for x in VOICES if x.file == path.name), VOICES[0])
    return published_voice(card.sample_rate)


def official_names(network: Pretssel) -> dict[str, str]:
    """What each tensor of the network is called in the published file."""
    places = _places(network)
    names = {}
    for key in network.state_dict():
        name = key
        place = next((x for x in places if key.startswith(f"{x}.")), None)
        if place is not None:
            name = places[place] + key.removeprefix(place)
        for pattern, replacement in _OFFICIAL:
            name = re.sub(pattern, replacement, name)
        names[key] = name
    return {key: name for key, name in names.items() if key not in _OF_THE_CARD}


def _places(network: Pretssel) -> dict[str, str]:
    """Layers of ours in the published network's one list, in which those of the autoencoder stand
    in four pieces between those of the postnet and of HiFi-GAN."""
    vocoder = network.vocoder
    names = {Down: "down.", Up: "up."}
    mark = [
        (f"vocoder.watermark.layers.{i}", names.get(type(layer), ""))
        for i, layer in enumerate(vocoder.watermark.layers)
    ]
    size = len(mark) // 4
    order = [
        *((f"acoustic.postnet.{i}", "0.") for i in range(len(network.acoustic.postnet))),
        *mark[:size],
        ("vocoder.conv_pre", ""),
        *mark[size : 2 * size],
        *((f"vocoder.ups.{i}", "") for i in range(len(vocoder.ups))),
        *mark[2 * size : 3 * size],
        *((f"vocoder.resblocks.{i}", "") for i in range(len(vocoder.resblocks))),
        *mark[3 * size :],
        ("vocoder.conv_post", ""),
    ]
    return {ours: f"layers.{i}.{inner}".removesuffix(".") for i, (ours, inner) in enumerate(order)}


def _fold_batch_norm(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors in which the convolution ``layers.N.0`` does the work of ``layers.N.1`` too."""
    out = dict(state)
    for variance in state:
        if not re.fullmatch(r"layers\.\d+\.1\.running_var", variance):
            continue
        conv, norm = (f"{variance[: -len('1.running_var')]}{i}." for i in (0, 1))
        keys = [conv + "weight", conv + "bias"]
        keys += [norm + x for x in ("weight", "bias", "running_mean", "running_var")]
        channels = [state[x].shape[:1] for x in keys if x in state]
        if len(channels) < len(keys) or len(set(channels)) > 1:
            continue
        dtype = state[keys[0]].dtype
        weight, bias, gain, shift, mean, var = (state[x].double() for x in keys)
        gain = gain / (var + BATCH_NORM_EPS).sqrt()
        for x in (*keys, norm + "num_batches_tracked"):
            out.pop(x, None)
        out[conv + "weight"] = (weight * gain[:, None, None]).to(dtype)
        out[conv + "bias"] = ((bias - mean) * gain + shift).to(dtype)
    return out


@dataclass
class VoiceTensors:
    """The tensors of a file, the network without memory that they belong to, and what does not
    fit, one sentence each."""

    network: Pretssel
    state: dict[str, Tensor]
    problems: list[str]


def fit_voice(
    tensors: Mapping[str, Tensor], config: PretsselConfig, normalisation: Normalisation
) -> VoiceTensors:
    """Tensors of a PRETSSEL file under this package's names, held against its network.

    Weight norm and the postnet's batch norm are folded into the convolutions.
    """
    with torch.device("meta"), Uninitialised():
        network = Pretssel(config)
    rest = fold_weight_norm(_fold_batch_norm(tensors))
    state: dict[str, Tensor] = {}
    problems = []
    shapes = {key: list(tensor.shape) for key, tensor in network.state_dict().items()}
    for key, name in official_names(network).items():
        tensor = rest.pop(name, None)
        if tensor is None:
            problems.append(f"{name}: missing, {shapes[key]}")
        elif list(tensor.shape) != shapes[key]:
            problems.append(f"{name}: shape {list(tensor.shape)} instead of {shapes[key]}")
        else:
            state[key] = tensor
    problems += [f"{name}: extra, {list(tensor.shape)}" for name, tensor in rest.items()]
    for key, values in zip(_OF_THE_CARD, normalisation, strict=True):
        state[key] = torch.tensor(values)
    return VoiceTensors(network, state, problems)


def verify_voice(path: Path) -> list[str]:
    """Name every tensor of a file that does not fit, without loading it.

    Raises:
        SeamlessError: the file is missing or unreadable, or its description is wrong.
    """
    return fit_voice(read_torch_file(path), *voice_description(path)).problems


def load_voice(
    path: Path, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> Pretssel:
    """Load an expressive voice.

    Raises:
        CheckpointError: the file is missing, damaged or of another model.
        ConfigError: ``pretssel.json`` is wrong.
    """
    found = fit_voice(read_torch_file(path), *voice_description(path))
    if found.problems:
        rest = len(found.problems) - 1
        more = f" (and {rest} more: `seamless-server models verify`)" if rest else ""
        raise CheckpointError(path, f"does not fit its configuration: {found.problems[0]}{more}")
    state = {key: tensor.to(device=device, dtype=dtype) for key, tensor in found.state.items()}
    found.network.load_state_dict(state, assign=True)
    return found.network.requires_grad_(False).eval()
