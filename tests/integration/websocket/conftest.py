"""Servers, and what is closed with a test."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from rookery.connection.settings import StreamSettings
from tests.integration.websocket.serving import (
    SETTINGS,
    Server,
)


@pytest.fixture
async def start() -> AsyncIterator[Callable[..., Any]]:
    """Starts servers, which are stopped after the test; nothing may go unhandled."""
    servers: list[Server] = []
    unhandled: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: unhandled.append(context))

    async def start_server(settings: StreamSettings = SETTINGS) -> Server:
        server = Server(settings)
        server.port = await server.listener.start()
        servers.append(server)
        return server

    yield start_server
    for server in servers:
        await server.listener.stop()
    gc.collect()
    await asyncio.sleep(0)
    assert unhandled == []


@pytest.fixture
async def server(start: Callable[..., Any]) -> Server:
    started: Server = await start()
    return started


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack
