"""Runs this machine's part of the engines until it is told to end."""

from __future__ import annotations

import logging
import signal
import sys
import threading

from seamless_server.cluster.deploy import deploy
from seamless_server.cluster.joining import join
from seamless_server.settings import Settings

logger = logging.getLogger(__name__)


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
