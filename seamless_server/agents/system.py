"""What agents are made of."""

from __future__ import annotations

from dataclasses import dataclass

from seamless_server.checkpoints.loader import Checkpoint
from seamless_server.engine import Engine


@dataclass(frozen=True)
class AgentSystem:
    """What agents are made of: the description of a model and the engine that computes it."""

    checkpoint: Checkpoint
    engine: Engine
