"""What the tests of networks, agents and streams share: the recorded model, loaded once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from seamless_server.agents.loading import AgentSystem, load_system
from seamless_server.checkpoints.loader import Checkpoint
from seamless_server.streaming import Model, load_model
from tests.recorded import CHECKPOINT

# The networks here are too small to share between cores.
torch.set_num_threads(1)
settings.register_profile("suite", deadline=None, max_examples=20, derandomize=True)
settings.load_profile("suite")

DEVICE = os.environ.get("SEAMLESS_TEST_DEVICE", "cpu")
"""Where the recorded model computes: `bench gpu-check` holds a GPU to the recordings."""
# Convolutions on a GPU would round what the recordings did not.
torch.backends.cudnn.allow_tf32 = False

SLOW = frozenset((Path(__file__).parent / "slow.txt").read_text("utf-8").splitlines())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what was measured to be slow, so that ``-m "not slow"`` is the fast set."""
    for item in items:
        if item.nodeid.partition("[")[0] in SLOW:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def agent_system() -> AgentSystem:
    """The recorded model and its engine."""
    return load_system(CHECKPOINT, DEVICE, "fp32")


@pytest.fixture(scope="session")
def checkpoint(agent_system: AgentSystem) -> Checkpoint:
    """The recorded model's networks and tokenizers."""
    return agent_system.checkpoint


@pytest.fixture(scope="session")
def model(agent_system: AgentSystem) -> Model:
    """The recorded model, for streams."""
    return load_model(CHECKPOINT, DEVICE, "fp32")
