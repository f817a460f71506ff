"""A model tried on this machine with recordings of people: does everything work, and how well?

Behind `models verify --deep` and `models try`. Whoever has the published files can run the latter
and send back its report, which says what could not be verified where this was developed.
"""

from __future__ import annotations

import json
import platform
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from difflib import SequenceMatcher
from importlib import metadata, resources
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from seamless_server import __version__
from seamless_server.agents.features import DENORMALIZED
from seamless_server.agents.silero import SileroState, speech_probabilities
from seamless_server.audio.fbank import fbank
from seamless_server.audio.files import WavWriter
from seamless_server.audio.reader import SAMPLE_RATE, read_audio
from seamless_server.audio.resample import at_rate
from seamless_server.errors import SeamlessError
from seamless_server.nn.pretssel import Pretssel
from seamless_server.streaming import (
    SpeechOutput,
    Target,
    TextOutput,
)
from seamless_server.streaming.seamless_model import SeamlessModel, load_seamless

RECORDINGS = {
    "human_short": "go forward ten meters",
    "human_pauses": "go forward ten meters, seven of clubs, four queen of clubs, "
    "he was not an ill disposed young man",
}
"""Bundled recordings, and what is said in them."""
LANGUAGES = ("spa", "fra", "deu", "cmn", "arb", "rus", "jpn", "eng")
"""Whence the five are taken that a model speaks."""
CHUNK = 5120
PARTS = ("encoder", "decoder", "t2u", "vocoder")
SPEECH_SHARE = 0.3
"""Sound is taken for speech when so many of its windows are, to the voice detector."""
QUIET = 0.003
"""RMS below which sound is taken for silence."""

POOR = "the sound is"
"""How judgements of sound begin, which a model with no training cannot pass."""

Samples = npt.NDArray[np.float32]
Say = Callable[[str], None]
Hear = Callable[[Path, str], str]


@dataclass
class NetworkHealth:
    """What the layers of one network gave while they were watched."""

    calls: int = 0
    largest: float = 0.0
    """Largest absolute value."""
    broken: str = ""
    """First layer that gave something infinite or not a number."""


@dataclass
class TrialTranslation:
    """One recording in one language."""

    recording: str
    lang: str
    compat: str
    text: str = ""
    first_text_ms: float | None = None
    """Source that had been heard when the first text came."""
    units: int = 0
    speech_seconds: float = 0.0
    rms: float = 0.0
    speech_share: float = 0.0
    """Windows of the sound that the voice detector takes for speech."""
    heard: str | None = None
    """What a recogniser heard in it; `None` without one."""
    seconds: float = 0.0
    """Spent on it."""
    audio_seconds: float = 0.0
    problems: list[str] = field(default_factory=list)


@dataclass
class Trial:
    """Everything that a trial found."""

    model: str
    folder: str
    device: str
    dtype: str
    machine: dict[str, Any]
    loading_seconds: float = 0.0
    notices: list[str] = field(default_factory=list)
    health: dict[str, NetworkHealth] = field(default_factory=dict)
    translations: list[TrialTranslation] = field(default_factory=list)
    recogniser: str = ""
    memory: dict[str, int] = field(default_factory=dict)
    """Bytes: peak of the process, and of the GPU's."""
    problems: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether nothing was found wrong."""
        return not self.problems and not any(x.problems for x in self.translations)


def recording(name: str) -> Samples:
    """A bundled recording of a person, at 16 kHz."""
    folder = resources.files("seamless_server") / "data" / "recordings"
    with resources.as_file(folder / f"{name}.flac") as path:
        return read_audio(path)


@contextmanager
def watched(networks: Mapping[str, nn.Module | None]) -> Iterator[dict[str, NetworkHealth]]:
    """Look at what every layer of some networks gives while the block runs."""
    health = {part: NetworkHealth() for part, net in networks.items() if net is not None}
    handles = []

    def look(part: str, name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if not isinstance(output, Tensor) or not output.is_floating_point():
                return
            found = health[part]
            found.calls += 1
            largest = float(output.abs().max()) if output.numel() else 0.0
            if np.isfinite(largest):
                found.largest = max(found.largest, largest)
            else:
                found.broken = found.broken or name

        return hook

    for part, network in networks.items():
        for name, module in network.named_modules() if network is not None else ():
            if not list(module.children()):
                handles.append(module.register_forward_hook(look(part, name)))
    try:
        yield health
    finally:
        for handle in handles:
            handle.remove()


NetworkHealths = dict[str, NetworkHealth]


def examine(
    model: SeamlessModel, name: str = "human_short"
) -> tuple[NetworkHealths, TrialTranslation]:
    """Send a known recording through every network of a model and look at what each gives."""
    checkpoint = model.agents.checkpoint
    lang = next((x for x in LANGUAGES if x in model.speech_languages), None)
    lang = lang or (model.speech_languages or model.text_languages)[0]
    with watched({part: getattr(checkpoint, part) for part in PARTS}) as health:
        done = translate(model, name, lang)
    return health, done


def examine_voice(voice: Pretssel, name: str = "human_short") -> tuple[NetworkHealths, float]:
    """Let an expressive voice listen to a known recording and speak known units.

    Returns:
        what each of its networks gave, and the RMS of the sound.
    """
    device, dtype = voice.gcmvn_mean.device, voice.gcmvn_mean.dtype
    frames = torch.from_numpy(fbank(recording(name), DENORMALIZED)).to(device, dtype)
    units = [number // 3 * 97 % voice.config.num_units for number in range(100)]
    lang = torch.zeros(1, dtype=torch.long, device=device)
    parts = {"prosody": voice.prosody, "acoustic": voice.acoustic, "vocoder": voice.vocoder}
    with watched(parts) as health, torch.inference_mode():
        (wave,) = voice([units], lang, [frames])
    return health, float(wave.float().square().mean().sqrt())


def troubles(health: NetworkHealths) -> list[str]:
    """What is wrong with networks that were watched, one sentence each."""
    problems = []
    for part, found in health.items():
        if found.broken:
            problems.append(f"{part}: {found.broken} gives infinite or undefined values")
        elif not found.calls:
            problems.append(f"{part}: was never reached")
    return problems


def translate(
    model: SeamlessModel, name: str, lang: str, hear: Hear | None = None
) -> TrialTranslation:
    """Translate a bundled recording as one segment, and judge what comes out."""
    done = TrialTranslation(name, lang, model.compat or "mended")
    try:
        _translate(model, done, hear)
    except SeamlessError as error:  # such as an engine that met numbers which are none
        done.problems.append(error.message)
    return done


def _translate(model: SeamlessModel, done: TrialTranslation, hear: Hear | None) -> None:
    name, lang = done.recording, done.lang
    samples = recording(name)
    speaks = lang in model.speech_languages
    # All that it writes is wanted here, whether it believes in it or not.
    everything = {"min_confidence": 0.0}
    stream = model.open({lang: Target(text=True, speech=speaks)}, everything, vad=False)
    sound: list[Samples] = []
    rate = model.sample_rate
    began = time.perf_counter()
    for start in range(0, len(samples), CHUNK):
        chunk, last = samples[start : start + CHUNK], start + CHUNK >= len(samples)
        for output in stream.push(chunk, last=last):
            if isinstance(output, TextOutput):
                if output.text.strip() and done.first_text_ms is None:
                    done.first_text_ms = (start + len(chunk)) * 1000 / SAMPLE_RATE
                done.text += output.text if done.compat == "mended" else f" {output.text}"
            elif isinstance(output, SpeechOutput):
                sound.append(output.samples)
                rate = output.sample_rate
                done.units += len(output.units)
    done.seconds = time.perf_counter() - began
    done.audio_seconds = len(samples) / SAMPLE_RATE
    done.text = " ".join(done.text.split())
    if not done.text:
        done.problems.append("no text")
    if speaks:
        _judge_sound(done, np.concatenate(sound) if sound else np.zeros(0, np.float32), rate, hear)


def _judge_sound(done: TrialTranslation, sound: Samples, rate: int, hear: Hear | None) -> None:
    done.speech_seconds = len(sound) / rate
    if not len(sound):
        done.problems.append("no speech")
        return
    if not np.isfinite(sound).all():
        done.problems.append("the sound holds infinite or undefined samples")
        return
    done.rms = float(np.sqrt(np.mean(np.square(sound))))
    windows = speech_probabilities(at_rate(sound, rate, SAMPLE_RATE), SileroState())
    done.speech_share = float(np.mean([p > 0.5 for p in windows])) if windows else 0.0
    if done.rms < QUIET:
        done.problems.append(f"{POOR} silence")
    elif done.speech_share < SPEECH_SHARE:
        done.problems.append(f"{POOR} not speech to the voice detector")
    if hear is not None:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "speech.wav"
            with WavWriter(path, rate) as file:
                file.write(sound)
            done.heard = hear(path, done.lang)
        if not done.heard:
            done.problems.append("the recogniser hears nothing")


def likeness(a: str, b: str) -> float:
    """How alike two texts are, letters and digits alone: 0 to 1."""
    one, other = (re.sub(r"\W+", "", text).lower() for text in (a, b))
    return SequenceMatcher(None, one, other, autojunk=False).ratio()


def try_model(
    model: str,
    *,
    device: str = "auto",
    dtype: str = "auto",
    langs: Sequence[str] = (),
    recordings: Sequence[str] = tuple(RECORDINGS),
    compat: bool = True,
    hear: Hear | None = None,
    recogniser: str = "",
    say: Say = lambda _: None,
) -> Trial:
    """Load a model and try it: networks, text and speech in five languages, speed, memory.

    Args:
        langs: target languages instead of the usual five.
        compat: also with the official behaviour.
        hear: a recogniser for the speech, and `recogniser` its name.
        say: gets a line about each step.

    Raises:
        SeamlessError: the model cannot be loaded.
    """
    began = time.perf_counter()
    loaded = load_seamless(model, device=device, dtype=dtype, progress=say)
    weight = loaded.agents.checkpoint.decoder.embed.weight
    trial = Trial(
        loaded.name,
        str(loaded.agents.checkpoint.path),
        str(weight.device),
        str(weight.dtype).removeprefix("torch."),
        _machine(),
        time.perf_counter() - began,
        recogniser=recogniser,
    )
    say(f"loaded in {trial.loading_seconds:.1f} s; looking at every layer")
    trial.health, _ = examine(loaded)
    trial.problems += troubles(trial.health)
    versions = [loaded]
    if compat:
        versions.append(load_seamless(model, "official", device=device, dtype=dtype))
    spoken = [x for x in LANGUAGES if x in loaded.speech_languages]
    chosen = list(langs) or (spoken or list(loaded.text_languages))[:5]
    loaded.check_targets({lang: Target() for lang in chosen})
    total, number = len(versions) * len(recordings) * len(chosen), 0
    for each in versions:
        for name in recordings:
            for lang in chosen:
                number += 1
                say(f"{number}/{total}: {name} into {lang}, {each.compat or 'mended'}")
                trial.translations.append(translate(each, name, lang, hear))
    trial.memory = _memory(weight.device)
    return trial


def _machine() -> dict[str, Any]:
    packages = ("torch", "numpy", "sentencepiece", "silero-vad", "kaldi-native-fbank", "simuleval")
    return {
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "seamless-server": __version__,
        **{name: metadata.version(name) for name in packages},
        "gpu": torch.cuda.get_device_name(0) if torch.cuda.is_available() else None,
        "threads": torch.get_num_threads(),
    }


def _memory(device: torch.device) -> dict[str, int]:
    found: dict[str, int] = {}
    if sys.platform != "win32":
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        found["process"] = peak if sys.platform == "darwin" else peak * 1024
    if device.type == "cuda":
        found["gpu"] = torch.cuda.max_memory_allocated(device)
    return found


def report(trial: Trial) -> str:
    """The trial as Markdown, with everything as JSON at its end."""
    lines = [
        f"# Trial of {trial.model}: {'all good' if trial.good else 'something is wrong'}",
        "",
        f"{trial.folder} on {trial.device} in {trial.dtype}, loaded in "
        f"{trial.loading_seconds:.1f} s. "
        + ", ".join(f"peak memory of the {k}: {v / 1e9:.2f} GB" for k, v in trial.memory.items()),
        "",
        f"Speech was heard by {trial.recogniser or 'no recogniser, only the voice detector'}.",
        "",
    ]
    wrong = trial.problems + [
        f"{x.recording} into {x.lang} ({x.compat}): {', '.join(x.problems)}"
        for x in trial.translations
        if x.problems
    ]
    if wrong:
        lines += ["## What is wrong", "", *(f"- {problem}" for problem in wrong), ""]
    lines += ["## Networks", "", "| network | layers' calls | largest value |", "|---|---|---|"]
    lines += [f"| {k} | {v.calls} | {v.largest:.4g} |" for k, v in trial.health.items()]
    lines += [
        "",
        "## Translations",
        "",
        "RTF is computing time by audio time. Likeness is that of the text and what was heard.",
        "",
        "| recording | language | behaviour | RTF | text | begins | speech | heard | likeness |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for x in trial.translations:
        first = "-" if x.first_text_ms is None else f"{x.first_text_ms / 1000:.2f} s"
        speed = x.seconds / x.audio_seconds if x.audio_seconds else 0.0
        heard = x.heard if x.heard is not None else "-"
        alike = "-" if x.heard is None else f"{likeness(x.text, x.heard):.2f}"
        speech = f"{x.speech_seconds:.1f} s, {x.speech_share:.0%} voice"
        cells = (x.recording, x.lang, x.compat, f"{speed:.2f}", x.text, first, speech, heard, alike)
        lines.append("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
    said = [f'- {name}: "{text}"' for name, text in RECORDINGS.items()]
    lines += ["", "What is said in the recordings:", "", *said, "", "```json"]
    lines += [json.dumps(asdict(trial), ensure_ascii=False, indent=1), "```", ""]
    return "\n".join(lines)
