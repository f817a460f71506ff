"""Joining the Ray cluster that connects fronts and engines, and starting one."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

from seamless_server.errors import DependencyError, SeamlessError

logger = logging.getLogger(__name__)

_OBJECT_STORE_BYTES = 256 * 2**20
"""What is under way between processes is small."""
_START_SECONDS = 60
NEW = "new"
"""In place of an address: a cluster of one's own."""
_NONE = (
    "No Ray cluster runs on this machine: start an engine here first (`seamless-server serve "
    "--role engine`), or name the cluster with --ray-address HOST:6379."
)


class ClusterError(SeamlessError):
    """The Ray cluster cannot be joined; says why and what to do."""

    code = "cluster"


def require_cluster() -> None:
    """Raise `DependencyError` if the extra is not installed."""
    try:
        import ray  # noqa: F401
    except ImportError:
        raise DependencyError(
            "ray", "a server on several machines", "pip install 'seamless-server[cluster]'"
        ) from None


def join(address: str, *, computes: bool) -> None:
    """Makes this process part of a Ray cluster, if it is not part of one yet.

    Args:
        address: `host:port`; empty for the cluster of this machine, which an engine starts if
            there is none; `new` for one of its own.
        computes: engines may run on this machine.

    Raises:
        ClusterError: there is none, or it cannot be joined.
    """
    require_cluster()
    import ray

    if ray.is_initialized():
        return
    # Engines find this package as this process did, installed or not.
    paths = os.pathsep.join(path for path in sys.path if path)
    options: dict[str, Any] = {
        "namespace": "seamless",
        "configure_logging": False,
        "log_to_driver": False,
        "runtime_env": {"env_vars": {"PYTHONPATH": paths}},
    }
    local = {"address": "local", "object_store_memory": _OBJECT_STORE_BYTES}
    try:
        if address == NEW:
            _init(**local, include_dashboard=False, **options)
            return
        try:
            _init(address=address or "auto", **options)
        except ConnectionError as error:
            # This machine is no part of a cluster yet.
            logger.debug("ray: %r", error)
            if address:
                _start(address, computes=computes)
                _init(address=address, **options)
            elif computes:
                _init(**local, include_dashboard=False, **options)
            else:
                raise ClusterError(_NONE) from None
    except SeamlessError:
        raise
    except Exception as error:
        raise _refusal(address, error) from None


def _init(**options: Any) -> None:
    import ray

    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ray.init(**options)


def _start(address: str, *, computes: bool) -> None:
    """Runs Ray on this machine, as a part of the cluster at ``address``."""
    command = [str(Path(sys.executable).with_name("ray")), "start", "--disable-usage-stats"]
    command += ["--address", address, "--object-store-memory", str(_OBJECT_STORE_BYTES)]
    if not computes:
        command += ["--num-cpus", "0", "--num-gpus", "0"]
    with tempfile.TemporaryFile() as said:
        try:
            done = subprocess.run(command, stdout=said, stderr=said, timeout=_START_SECONDS)
            code = done.returncode
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _refusal(address, error) from None
        if code:
            said.seek(0)
            lines = said.read().decode(errors="replace").strip().splitlines()
            raise _refusal(address, RuntimeError(lines[-1] if lines else f"ray start: {code}"))


def _refusal(address: str, error: BaseException) -> ClusterError:
    said = str(error)
    where = f"The Ray cluster at {address or 'this machine'}"
    if "Version mismatch" in said or ("version" in said.lower() and "ray" in said.lower()):
        return ClusterError(
            f"{where} runs another version of Ray or Python than this machine: install the same "
            f"on all ({said.strip().splitlines()[0]})."
        )
    first = said.strip().splitlines()[0] if said.strip() else type(error).__name__
    return ClusterError(
        f"{where} cannot be joined ({first}): is it running, and are its ports open to this "
        "machine?"
    )
