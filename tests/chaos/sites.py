"""What chaos is let loose on: a server of each deployment, and what can be done to it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil

from rookery.actors import names
from rookery.config import Config
from tests.chaos.process import ServerProcess
from tests.chaos.proxy import Proxy
from tests.chaos.schedule import Card
from tests.chaos.town import CELEBRITY_THRESHOLD
from tests.integration.server.world import config
from tests.servers.mongo import free_port

ACTORS = (
    names.gateway(0),
    names.gateway(1),
    names.connection_server(0),
    names.CONNECTION_MANAGER,
    names.timeline_shard(0),
    names.timeline_shard(1),
    names.CELEBRITY_LISTS,
    names.FANOUT_WORKER,
    names.STORE_WRITER,
)
WITHOUT_SOCKETS = (
    names.CONNECTION_MANAGER,
    names.timeline_shard(0),
    names.CELEBRITY_LISTS,
    names.FANOUT_WORKER,
)
"""Actors that may die within a process without leaving a port or a file locked behind."""
PAUSES_S = (0.5, 4.0)
OUTAGES_S = (1.0, 4.0)
RECHECK_S = 3.0
SERVER = "server"


class LocalSite:
    """A server on one machine with its SQLite file, nothing else."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server

    async def pids(self) -> Mapping[str, int]:
        """See `tests.chaos.injecting.Site`, as for the others."""
        return await self.server.pids()

    def revivable(self, name: str) -> Callable[[], Awaitable[None]] | None:
        return None

    async def restart(self, name: str) -> bool:
        raise AssertionError(f"{name} has a process of its own to be killed")

    def proxy(self, name: str) -> Proxy:
        raise AssertionError(f"nothing stands between the server and {name}")

    async def flush(self, name: str) -> int:
        raise AssertionError(f"there is no {name}")

    async def kill_node(self) -> str:
        raise AssertionError("there is one node only")

    async def add_node(self) -> str:
        raise AssertionError("there is one node only")


class InlineSite(LocalSite):
    """A server that is one process: nobody starts it again but its operator."""

    async def pids(self) -> Mapping[str, int]:
        try:
            return {SERVER: self.server.process.pid}
        except psutil.NoSuchProcess:
            return {}

    def revivable(self, name: str) -> Callable[[], Awaitable[None]] | None:
        async def start_again() -> None:
            await self.server.__aenter__()

        return start_again

    async def restart(self, name: str) -> bool:
        answer = await self.server.tell(f"restart {name}")
        return bool(answer["replaced"])


def settings(folder: Path, runtime: str, **overrides: Mapping[str, Any]) -> Config:
    """Short rings, few for a celebrity, and tokens looked at again soon."""
    given: dict[str, dict[str, Any]] = {
        "http": {"port": free_port()},
        "timelines": {"ring_size": 60, "celebrity_threshold": CELEBRITY_THRESHOLD},
        "auth": {"recheck_s": RECHECK_S},
    }
    for section, values in overrides.items():
        given.setdefault(section, {}).update(values)
    return config(folder / "data", runtime, **given)


@asynccontextmanager
async def single(folder: Path, build: str | None) -> AsyncIterator[LocalSite]:
    async with ServerProcess(settings(folder, "ray"), folder / "log", build) as server:
        yield LocalSite(server)


@asynccontextmanager
async def inline(folder: Path, build: str | None) -> AsyncIterator[LocalSite]:
    async with ServerProcess(settings(folder, "inline"), folder / "log", build) as server:
        yield InlineSite(server)


def _decks() -> Mapping[str, Sequence[Card]]:
    kills = [Card("kill", name) for name in ACTORS]
    pauses = [Card("pause", name, *PAUSES_S) for name in ACTORS]
    return {
        "inline": [
            Card("kill", SERVER, 0.1, 1.0),
            Card("pause", SERVER, *PAUSES_S),
            Card("fill disk of", SERVER, *OUTAGES_S),
            *(Card("restart", name) for name in WITHOUT_SOCKETS),
        ],
        "single": [*kills, *pauses, Card("fill disk of", names.STORE_WRITER, *OUTAGES_S)],
    }


DECKS = _decks()
SITES = {"inline": inline, "single": single}
