"""The way of a push to an engine and back, beside that of a stream in this process."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from seamless_server.cluster.deploy import deploy
from seamless_server.cluster.joining import NEW, join
from seamless_server.cluster.remote import remote_loader
from seamless_server.metrics import Metrics
from seamless_server.service.model_loader import model_loader, worker_count
from seamless_server.settings import read_settings
from seamless_server.streaming import Model, Target

_CHUNK_MS = 320


def measure(
    name: str, speakers: int, seconds: float, say: Callable[[str], None]
) -> dict[str, tuple[float, float, float]]:
    """Milliseconds of a push (p50, p95, p99), in this process and with an engine elsewhere.

    Raises:
        SeamlessError: the model cannot be loaded, or the cluster not started.
    """
    import ray

    settings = read_settings(models=(name,), engine_places=speakers, ray_address=NEW)
    say("loading the model here")
    (here,) = model_loader(settings, worker_count(settings))(name, say)
    here.warm_up()
    results = {"this process": _run(here, speakers, seconds)}
    here.close()
    say("starting an engine in a cluster of its own")
    join(NEW, computes=True)
    try:
        deploy(settings)
        address = ray.get_runtime_context().gcs_address
        front = settings.model_copy(update={"ray_address": address})
        (there,) = remote_loader(front, Metrics())(name, say)
        results["engine elsewhere"] = _run(there, speakers, seconds)
    finally:
        ray.shutdown()
    return results


def _run(model: Model, speakers: int, seconds: float) -> tuple[float, float, float]:
    with ThreadPoolExecutor(speakers) as pool:
        late = [number * _CHUNK_MS / 1000 / speakers for number in range(speakers)]
        took = [x for times in pool.map(lambda x: _talk(model, seconds, x), late) for x in times]
    return tuple(float(np.percentile(took, share)) for share in (50, 95, 99))  # type: ignore[return-value]


def _talk(model: Model, seconds: float, late: float) -> list[float]:
    """Milliseconds of every push of one speaker."""
    stream = model.open({model.text_languages[0]: Target()})
    chunk = np.zeros(model.sample_rate * _CHUNK_MS // 1000, np.float32)
    took = []
    began = time.perf_counter() + late
    for number in range(int(seconds * 1000 / _CHUNK_MS)):
        time.sleep(max(0.0, began + number * _CHUNK_MS / 1000 - time.perf_counter()))
        started = time.perf_counter()
        for _ in stream.push(chunk):
            pass
        took.append((time.perf_counter() - started) * 1000)
    stream.close()
    return took[3:]  # the first ones find out where things are
