"""What the tests of networks, agents and streams share: the recorded model, loaded once."""

from __future__ import annotations

import pytest
import torch
from hypothesis import settings

from seamless_server.agents.loading import load_system as load_agent_system
from seamless_server.agents.system import AgentSystem
from seamless_server.checkpoints import Checkpoint
from seamless_server.streaming import System, load_system
from tests.recorded import CHECKPOINT

# The networks here are too small to share between cores.
torch.set_num_threads(1)
settings.register_profile("suite", deadline=None, max_examples=20, derandomize=True)
settings.load_profile("suite")


@pytest.fixture(scope="session")
def agent_system() -> AgentSystem:
    """The recorded model and its engine."""
    return load_agent_system(CHECKPOINT, "cpu", "fp32")


@pytest.fixture(scope="session")
def checkpoint(agent_system: AgentSystem) -> Checkpoint:
    """The recorded model's networks and tokenizers."""
    return agent_system.checkpoint


@pytest.fixture(scope="session")
def system(agent_system: AgentSystem) -> System:
    """The recorded model, for streams."""
    return load_system(CHECKPOINT, "cpu", "fp32")
