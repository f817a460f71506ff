"""The engines as a deployment of Ray Serve: how many, where, and when one is started anew."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Mapping
from typing import Any

from ray import serve
from ray.serve import Application
from ray.serve.config import RequestRouterConfig

from seamless_server.cluster.engine_replica import EngineReplica
from seamless_server.cluster.joining import ClusterError, join
from seamless_server.cluster.router import EngineRouter
from seamless_server.cluster.wire import APPLICATION, DEPLOYMENT
from seamless_server.settings import Settings, read_settings

logger = logging.getLogger(__name__)

_HANDED_ON = (
    "models", "device", "dtype", "engine", "use_expressive_model", "expressive_voice", "workers",
    "threads_per_worker", "engine_places", "traces_url",
)  # fmt: skip
"""Settings that an engine needs."""
_WANTED_SHARE = 0.7
"""Used places, of all, at which autoscaling adds engines."""


def make_application(settings: Settings, gpus: float) -> Application:
    """The application that Ray Serve runs.

    Args:
        gpus: of one engine.
    """
    least, most = settings.engine_range
    places = settings.engine_places
    options: dict[str, Any] = {}
    if least == most:
        options["num_replicas"] = least
    else:
        options["autoscaling_config"] = {
            "min_replicas": least,
            "max_replicas": most,
            "initial_replicas": least,
            # A stream is one call for as long as it lives; its pushes are calls of milliseconds.
            "target_ongoing_requests": max(1.0, _WANTED_SHARE * places),
            # By default Serve looks at half a minute, every ten seconds.
            "metrics_interval_s": 1.0,
            "look_back_period_s": 3.0,
            "upscale_delay_s": 2.0,
            "downscale_delay_s": 60.0,
        }
    deployment = serve.deployment(
        EngineReplica,
        name=DEPLOYMENT,
        # A stream holds one call and has one more under way at most; the engine itself counts
        # places, and answers when it has none left.
        max_ongoing_requests=2 * places + 16,
        ray_actor_options={"num_cpus": settings.engine_cpus, "num_gpus": gpus},
        request_router_config=RequestRouterConfig(request_router_class=EngineRouter),
        health_check_period_s=2.0,
        health_check_timeout_s=20.0,
        # Streams leave at their next pause; what is longer moves as if the engine had died.
        graceful_shutdown_timeout_s=settings.stop_seconds,
        graceful_shutdown_wait_loop_s=0.5,
        # Serve writes a line for every call, which is one for every 320 ms of every speaker.
        logging_config={"enable_access_log": False},
        **options,
    )
    return deployment.bind(
        {name: value for name in _HANDED_ON if (value := getattr(settings, name)) is not None}
    )


def build(args: Mapping[str, Any]) -> Application:
    """For Ray Serve's configuration files (`import_path: seamless_server.cluster.deploy:build`).

    Args:
        args: settings by name; the others are those of the environment.
    """
    settings = read_settings(**args)
    return make_application(settings, 1.0 if settings.engine_gpus is None else settings.engine_gpus)


def deploy(settings: Settings) -> None:
    """Runs the engines in the cluster that this process has joined; those that run as the settings
    say already stay as they are, others are replaced one after the other.

    Raises:
        ClusterError: they did not start.
    """
    gpus = settings.engine_gpus
    if gpus is None:
        gpus = 1.0 if has_gpu() else 0.0
    try:
        serve.start(proxy_location="Disabled")
        serve.run(make_application(settings, gpus), name=APPLICATION, route_prefix=None)
    except Exception as error:
        logger.debug("engines: %r", error)
        raise ClusterError(f"The engines did not start: {_reason(error)}") from None


def has_gpu() -> bool:
    """Whether any machine of the cluster has a GPU."""
    import ray

    return bool(ray.cluster_resources().get("GPU"))


def _reason(error: BaseException) -> str:
    """The sentence that an engine ended with, of all that Ray says around it."""
    message = serve.status().applications.get(APPLICATION)
    found = [str(error)]
    if message is not None:
        found = [x.message for x in message.deployments.values() if x.message] + found
    lines = [line.strip() for text in found for line in text.splitlines() if line.strip()]
    ours = [line for line in lines if "seamless_server.errors." in line]
    return (ours or lines or ["Ray Serve gives no reason"])[-1 if ours else 0]


def run_engines(settings: Settings) -> None:
    """Joins or starts the cluster, deploys the engines, and waits for SIGTERM or Ctrl-C.

    Raises:
        ClusterError: the cluster cannot be joined, or no engine starts.
    """
    import ray

    ended = threading.Event()
    join(settings.ray_address, computes=True)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    try:
        address = ray.get_runtime_context().gcs_address
        sys.stderr.write(f"\n  Engines start in the Ray cluster at {address}.\n")
        sys.stderr.flush()
        deploy(settings)
        sys.stderr.write(
            "  Engines are ready. Start fronts with `seamless-server serve --role front "
            f"--ray-address {address}`.\n\n"
        )
        sys.stderr.flush()
        ended.wait()
    finally:
        # A cluster that this process started ends with it; another one goes on.
        ray.shutdown()
