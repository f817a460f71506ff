"""This server and WhisperLiveKit side by side: the same weights, sounds, policy and machine.

    python -m venv /tmp/peer && /tmp/peer/bin/pip install whisperlivekit==0.2.26 faster-whisper
    python benchmarks/whisper_peer.py --peer /tmp/peer/bin/python --clients 1 2 4

Both serve Whisper base by faster-whisper's CTranslate2 with LocalAgreement, on the processor, and
get real people's sentences joined to a talk, in real time, from so many clients at once; each
client begins at another sentence. What is told of each:

- word error rate of the text that was committed;
- how long after a word was said it stood there for good (words are spread evenly over their
  sentence): median and 90 %;
- how long after its last audio a client waited for its end;
- processor seconds a second of one client's audio, and the memory of all processes (PSS).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import jiwer
import numpy as np
from websockets.asyncio.client import connect

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.whisper import Sound, people, words
from seamless_server.audio.reader import SAMPLE_RATE
from seamless_server.client import StreamingClient, Text
from training.recogniser import FOLDER as WEIGHTS

PAUSE_S = 0.6
CHUNK = SAMPLE_RATE // 10
Written = list[tuple[float, str]]
"""Seconds since the first audio, and all the text that was committed by then."""


@dataclass
class Talk:
    """Sentences behind each other. ends: when each of its words has been said, in seconds."""

    samples: np.ndarray[Any, np.dtype[np.float32]]
    text: str
    ends: list[float]


def join(sounds: list[Sound]) -> Talk:
    """A talk, with a pause behind each sentence."""
    parts: list[Any] = []
    ends: list[float] = []
    at = 0.0
    pause = np.zeros(round(PAUSE_S * SAMPLE_RATE), np.float32)
    for sound in sounds:
        count, seconds = len(words(sound.text).split()), len(sound.samples) / SAMPLE_RATE
        ends += [at + seconds * (number + 1) / count for number in range(count)]
        parts += [sound.samples, pause]
        at += seconds + PAUSE_S
    return Talk(np.concatenate(parts), " ".join(sound.text for sound in sounds), ends)


def free_port() -> int:
    """One that nobody uses."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def serving(command: list[str], ready: str) -> Iterator[int]:
    """A server in a process group of its own, once `ready` answers; gives its process's number."""
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            for _ in range(240):
                try:
                    if httpx.get(ready).status_code == 200:
                        break
                except httpx.HTTPError:
                    pass
                if process.poll() is not None:
                    raise SystemExit(f"{command[0]} ended with {process.returncode}")
                time.sleep(0.5)
            yield process.pid
        finally:
            os.killpg(process.pid, signal.SIGTERM)


def group(leader: int) -> list[Path]:
    """The processes of a group."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(folder.name)) == leader:
                found.append(folder)
        except ProcessLookupError:
            pass
    return found


def cpu_seconds(leader: int) -> float:
    """Processor time of a group's processes so far."""
    ticks = 0
    for folder in group(leader):
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def memory_mb(leader: int) -> float:
    """Memory of a group's processes, what they share counted once."""
    total = 0
    for folder in group(leader):
        for line in (folder / "smaps_rollup").read_text().splitlines():
            total += int(line.split()[1]) if line.startswith("Pss:") else 0
    return total / 1024


async def in_time(samples: Any, send: Callable[[bytes], Any]) -> None:
    """Sends 16-bit samples as a microphone would."""
    pcm = (np.clip(samples, -1, 1) * 32767).astype("<i2")
    began = time.monotonic()
    for start in range(0, len(pcm), CHUNK):
        await asyncio.sleep(began + (start + CHUNK) / SAMPLE_RATE - time.monotonic())
        await send(pcm[start : start + CHUNK].tobytes())


async def speak_to_us(url: str, talk: Talk) -> tuple[Written, float]:
    """What this server wrote, and how long its end took."""
    written: Written = []
    text = ""
    async with StreamingClient(url, target_language="eng", output="s2t") as client:
        began = time.monotonic()
        async for event in client.translate(talk.samples, rate=SAMPLE_RATE, realtime=True):
            if isinstance(event, Text):
                text += event.text
                written.append((time.monotonic() - began, text))
        ended = time.monotonic() - began
    return written, ended - len(talk.samples) / SAMPLE_RATE


async def speak_to_peer(url: str, talk: Talk) -> tuple[Written, float]:
    """The same of WhisperLiveKit, whose messages hold all its lines."""
    written: Written = []
    address = url.replace("http", "ws") + "/asr"
    async with connect(address, max_size=None, ping_timeout=None) as peer:
        began = time.monotonic()

        async def hear() -> None:
            async for message in peer:
                said = json.loads(message)
                if said.get("type") == "ready_to_stop":
                    return
                text = " ".join(line.get("text") or "" for line in said.get("lines") or ())
                if text.strip():
                    written.append((time.monotonic() - began, text))

        hearing = asyncio.create_task(hear())
        await in_time(talk.samples, peer.send)
        await peer.send(b"")
        await asyncio.wait([hearing], timeout=60)
        ended = time.monotonic() - began
    return written, ended - len(talk.samples) / SAMPLE_RATE


def delays(talk: Talk, written: Written) -> list[float]:
    """For each word of the talk that was written, how late it stood there for good."""
    if not written:
        return []
    final = words(written[-1][1]).split()
    came = [0.0] * len(final)
    for seconds, text in reversed(written):
        shown = words(text).split()
        same = next(
            (n for n, pair in enumerate(zip(shown, final, strict=False)) if pair[0] != pair[1]),
            min(len(shown), len(final)),
        )
        came[:same] = [seconds] * same
    alignment = jiwer.process_words(words(talk.text), " ".join(final)).alignments[0]
    late = []
    for chunk in alignment:
        if chunk.type in ("equal", "substitute"):
            for step in range(chunk.ref_end_idx - chunk.ref_start_idx):
                said = talk.ends[chunk.ref_start_idx + step]
                late.append(came[chunk.hyp_start_idx + step] - said)
    return late


def measure(
    speak: Callable[[str, Talk], Any], url: str, leader: int, sounds: list[Sound], clients: int
) -> dict[str, Any]:
    """So many clients at once."""
    turn = max(1, len(sounds) // clients)
    talks = [join(sounds[n * turn :] + sounds[: n * turn]) for n in range(clients)]

    async def all_of_them() -> list[tuple[Written, float]]:
        return list(await asyncio.gather(*(speak(url, talk) for talk in talks)))

    began = cpu_seconds(leader)
    results = asyncio.run(all_of_them())
    seconds = sum(len(talk.samples) for talk in talks) / SAMPLE_RATE
    late = [x for talk, one in zip(talks, results, strict=True) for x in delays(talk, one[0])]
    texts = [words(written[-1][1]) if written else "" for written, _ in results]
    return {
        "clients": clients,
        "wer": round(100 * jiwer.wer([words(talk.text) for talk in talks], texts), 1),
        "delay_median_s": round(float(np.median(late)), 2) if late else None,
        "delay_p90_s": round(float(np.quantile(late, 0.9)), 2) if late else None,
        "end_after_s": round(max(end for _, end in results), 1),
        "cpu_seconds_per_second": round((cpu_seconds(leader) - began) / seconds, 2),
        "memory_mb": round(memory_mb(leader)),
    }


def main() -> None:
    """Command line: one line of JSON a measurement."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", help="python of an environment with whisperlivekit")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    sounds = list(people())
    here, there = free_port(), free_port()
    ours = [sys.executable, "-m", "seamless_server", "serve", "--model", "Whisper-base"]
    systems = [("seamless-server", here, "/readyz", [*ours, "--port", str(here)], speak_to_us)]
    if args.peer:
        theirs = [args.peer, "-m", "whisperlivekit.basic_server", "--pcm-input", "--lan", "en"]
        theirs += ["--backend", "faster-whisper", "--backend-policy", "localagreement"]
        theirs += ["--model-path", str(WEIGHTS), "--warmup-file", "", "--port", str(there)]
        systems.append(("whisperlivekit", there, "/", theirs, speak_to_peer))
    report: dict[str, Any] = {}
    for name, port, ready, command, speak in systems:
        url = f"http://127.0.0.1:{port}"
        with serving(command, url + ready) as leader:
            measure(speak, url, leader, sounds[:3], 1)  # warms up
            report[name] = []
            for clients in args.clients:
                report[name].append(measure(speak, url, leader, sounds, clients))
                print(name, json.dumps(report[name][-1]), flush=True)
    if args.output is not None:
        args.output.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
