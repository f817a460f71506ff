"""Load a model once, open any number of streams on it.

from seamless_server.streaming import Target, load_model

model = load_model("SeamlessStreaming-mini")
stream = model.open({"spa": Target(text=True, speech=True)}, {"decision_threshold": 0.7})
for output in stream.push(samples):
    ...
for output in stream.finish():
    ...
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from seamless_server.checkpoints.cards import find_agent_file
from seamless_server.errors import UsageError
from seamless_server.streaming.model import Model, ModelInfo


def describe_model(model: str | Path | None = None) -> ModelInfo:
    """What a model can do, without loading it. By name or folder, the best present when None.

    Raises:
        SeamlessError: there is no such model, or its files are not there.
    """
    # Both bring torch, which fronts of a cluster do without.
    from seamless_server.streaming.agent_model import describe_agent
    from seamless_server.streaming.seamless_model import describe_seamless

    file = find_agent_file(model) if model is not None else None
    return describe_seamless(model) if file is None else describe_agent(file)


def load_model(
    model: str | Path | None = None,
    device: str | None = "auto",
    dtype: str | None = "auto",
    compat: str | None = None,
    speech: bool = True,
    progress: Callable[[str], None] | None = None,
    engine: str = "inline",
    voice: str | Path | None = None,
    threads: int = 0,
) -> Model:
    """Load a model by name (``SeamlessStreaming-mini``) or folder, the best present when None.

    Args:
        device: auto, cpu, cuda:0, mps.
        dtype: auto (fp16 on CUDA, else fp32), fp32, fp16, bf16, int8 (CPU), int8-weights.
        compat: ``official`` repeats the official pipeline's quirks.
        speech: False leaves the networks of speech output out.
        progress: called with what is being loaded.
        engine: ``inline``, or ``scheduled`` to serve many streams at once in batches.
        voice: name or file of an expressive voice (``vocoder_pretssel``) to load with it; streams
            then have the option ``expressive``.
        threads: of a call on the CPU; 0 is one for a small model and one a core for a large one,
            unless ``OMP_NUM_THREADS`` says how many.

    Raises:
        SeamlessError: with one sentence that says what is wrong.
    """
    from seamless_server.streaming.agent_model import AgentModel
    from seamless_server.streaming.seamless_model import load_seamless

    file = find_agent_file(model) if model is not None else None
    if file is None:
        loading = {"device": device, "dtype": dtype, "speech": speech, "progress": progress}
        return load_seamless(model, compat, voice, engine=engine, threads=threads, **loading)
    if compat is not None:
        raise UsageError("--compat is for SeamlessStreaming models")
    hears = None
    if file.hears_with is not None:
        hears = load_model(
            file.hears_with, device, dtype, progress=progress, engine=engine, threads=threads
        )
    return AgentModel(file, device, dtype, hears)
