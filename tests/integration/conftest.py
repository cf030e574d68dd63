"""One Ray for all tests that need one: it takes seconds to start."""

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """This process is connected to a Ray of its own; a `RayRuntime` started now uses it."""
    os.environ.setdefault("RAY_metrics_report_interval_ms", "500")  # Ray's default is 10 s
    from rookery.actors.runtime_ray import RayOptions, connect

    connection = connect(RayOptions(dashboard=False, dashboard_token=False))
    yield
    connection.close()
