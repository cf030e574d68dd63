"""One server of each runtime, which all tests that kill nothing share."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from rookery.config import Config
from tests.integration.server.measured import show
from tests.integration.server.world import ServerThread, World, config

RUNTIMES = ["inline", pytest.param("ray", marks=pytest.mark.ray)]


def _running(config: Config) -> Iterator[ServerThread]:
    server = ServerThread(config)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def inline_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerThread]:
    """The inline server that tests share."""
    yield from _running(config(tmp_path_factory.mktemp("inline") / "data", "inline"))


@pytest.fixture(scope="session")
def ray_server(
    ray_session: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerThread]:
    """The server on Ray that tests share: two gateways, two shards."""
    yield from _running(config(tmp_path_factory.mktemp("ray") / "data", "ray"))


@pytest.fixture(scope="session")
def events() -> int:
    """How many events a reader is to get in all."""
    return 5_000


@pytest.fixture(params=RUNTIMES)
def server(request: pytest.FixtureRequest) -> ServerThread:
    """A shared server of each runtime in turn."""
    running: ServerThread = request.getfixturevalue(f"{request.param}_server")
    return running


@pytest_asyncio.fixture
async def world(server: ServerThread) -> AsyncIterator[World]:
    """Users of a shared server of each runtime in turn."""
    async with World(server) as made:
        yield made


@pytest_asyncio.fixture
async def inline_world(inline_server: ServerThread) -> AsyncIterator[World]:
    """Users of the shared inline server."""
    async with World(inline_server) as made:
        yield made


@pytest_asyncio.fixture
async def ray_world(ray_server: ServerThread) -> AsyncIterator[World]:
    """Users of the shared server on Ray."""
    async with World(ray_server) as made:
        yield made


@pytest_asyncio.fixture
async def start_inline(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[ServerThread]]]:
    """Starts inline servers of the test's own, with settings of its own."""
    async with AsyncExitStack() as stack:

        async def start(**overrides: Mapping[str, Any]) -> ServerThread:
            server = ServerThread(config(tmp_path / "data", "inline", **overrides))
            await asyncio.to_thread(server.start)
            stack.push_async_callback(asyncio.to_thread, server.stop)
            return server

        yield start


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    show(terminalreporter, "tests/integration/server")
