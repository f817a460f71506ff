"""What Ray Serve is told of the engines: its defaults would cut streams, or never scale down."""

from __future__ import annotations

from typing import Any

from seamless_server.cluster.deploy import make_application
from seamless_server.cluster.router import EngineRouter
from seamless_server.settings import Settings


def deployed(**settings: Any) -> Any:
    """The deployment of the engines."""
    return make_application(Settings(**settings), 1.0)._bound_deployment


def test_every_place_of_an_engine_can_be_used() -> None:
    # A stream holds one call for as long as it lives, and each of its pushes is another one. By
    # default there are five.
    engines = deployed(engines="2", engine_places=8)
    assert engines.max_ongoing_requests >= 2 * 8
    assert engines.num_replicas == 2
    assert engines.ray_actor_options["num_gpus"] == 1.0
    assert engines._deployment_config.autoscaling_config is None


def test_pushes_go_to_the_engine_that_has_the_stream() -> None:
    config = deployed()._deployment_config.request_router_config
    assert config.get_request_router_class().__name__ == EngineRouter.__name__


def test_engines_come_and_go_with_the_places_that_are_used() -> None:
    scaling = deployed(engines="1..3", engine_places=10)._deployment_config.autoscaling_config
    assert (scaling.min_replicas, scaling.max_replicas, scaling.initial_replicas) == (1, 3, 1)
    # Before all places of an engine are used, another one begins to load.
    assert 1 <= scaling.target_ongoing_requests < 10
    # By default Serve looks back for half a minute, every ten seconds.
    assert scaling.metrics_interval_s <= 1
    assert scaling.look_back_period_s <= 3
    assert scaling.upscale_delay_s < scaling.downscale_delay_s
    # One stream alone is no reason for more than one engine, whatever an engine carries.
    few = deployed(engines="1..3", engine_places=1)._deployment_config.autoscaling_config
    assert few.target_ongoing_requests >= 1


def test_an_engine_that_is_to_stop_has_the_time_in_which_its_streams_leave() -> None:
    config = deployed(stop_seconds=90)._deployment_config
    assert config.graceful_shutdown_timeout_s == 90
    assert config.graceful_shutdown_wait_loop_s <= 1
