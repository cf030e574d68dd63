"""The REST surface is tested on the event loop that servers run on."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import pytest_asyncio
import uvloop

from tests.integration.http_world import World, http_world


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """uvloop alone."""
    return {"uvloop": uvloop.new_event_loop}


@pytest_asyncio.fixture
async def world() -> AsyncIterator[World]:
    """A server of the test's own."""
    async with http_world() as made:
        yield made
