"""What chaos is let loose on: a server of each deployment, and what can be done to it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from redis.asyncio import Redis

from rookery.actors import names
from rookery.config import Config
from tests.chaos.process import ServerProcess
from tests.chaos.proxy import Proxy
from tests.chaos.schedule import Card
from tests.chaos.town import CELEBRITY_THRESHOLD
from tests.integration.server.world import config, until
from tests.servers.machine import free_port
from tests.servers.mongo import MongoServer
from tests.servers.redis import RedisServer

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
IMPAIRMENTS = ("pause", "refuse", "hang")
JOINED_WITHIN_S = 60.0
NODES = 3
SERVER = "server"
MONGO = "MongoDB"
REDIS = "Redis"
NODE = "a node"


class LocalSite:
    """A server on one machine with its SQLite file, nothing else."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server

    async def pids(self) -> Mapping[str, int]:
        """See `tests.chaos.injecting.Site`, as for the others."""
        return await self.server.pids()

    def revivable(self, name: str) -> Callable[[], Awaitable[None]] | None:
        return None

    async def restart(self, name: str, *, at_work: bool = False) -> bool:
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

    async def restart(self, name: str, *, at_work: bool = False) -> bool:
        answer = await self.server.tell(f"{'interrupt' if at_work else 'restart'} {name}")
        return bool(answer["replaced"])


class ClusterSite(LocalSite):
    """A server on nodes of a Ray cluster, with MongoDB and Redis behind proxies."""

    def __init__(
        self,
        server: ServerProcess,
        mongo: MongoServer,
        redis: RedisServer,
        proxies: Mapping[str, Proxy],
    ) -> None:
        super().__init__(server)
        self._mongo = mongo
        self._redis = redis
        self._proxies = proxies

    async def pids(self) -> Mapping[str, int]:
        found = dict(await super().pids())
        for name, service in ((MONGO, self._mongo), (REDIS, self._redis)):
            with suppress(AssertionError):  # while it is being started again
                found[name] = service.pid
        return found

    def revivable(self, name: str) -> Callable[[], Awaitable[None]] | None:
        async def start_mongo() -> None:
            await asyncio.to_thread(self._mongo.kill)  # it is dead: takes its end note of
            await asyncio.to_thread(self._mongo.start)

        async def start_redis() -> None:
            await asyncio.to_thread(self._redis.restart)

        return {MONGO: start_mongo, REDIS: start_redis}.get(name)

    def proxy(self, name: str) -> Proxy:
        return self._proxies[name]

    async def flush(self, name: str) -> int:
        async with Redis.from_url(self._redis.url) as client:
            held = int(await client.dbsize())
            await client.flushall()
            return held

    async def kill_node(self) -> str:
        gone = await self.server.tell("kill-node")
        return f"node {gone['node'][:8]} (raylet {gone['pid']}, {gone['processes']} processes)"

    async def add_node(self) -> str:
        added: str = (await self.server.tell("add-node"))["node"]

        async def serves() -> bool:
            return added in await self.server.tell("nodes")

        await until(serves, within_s=JOINED_WITHIN_S, what="a node that serves")
        return f"node {added[:8]}"


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


@asynccontextmanager
async def cluster(folder: Path, build: str | None) -> AsyncIterator[ClusterSite]:
    mongo = MongoServer(folder / "mongo")
    redis = RedisServer(folder / "redis", persistent=True)
    await asyncio.to_thread(mongo.start)
    await asyncio.to_thread(redis.start)
    try:
        async with Proxy(mongo.port) as to_mongo, Proxy(redis.port) as to_redis:
            given = settings(
                folder,
                "ray",
                store={
                    "engine": "mongo",
                    # Else the driver would go on to the address that the server calls its own.
                    "mongo_uri": f"mongodb://127.0.0.1:{to_mongo.port}/?directConnection=true",
                    "timeout_s": 3.0,
                },
                redis={"url": f"redis://127.0.0.1:{to_redis.port}/0"},
                http={"gateways": 1},
                timelines={"shards": 1},
                live={"drain_s": 0.5},
            )
            async with ServerProcess(given, folder / "log", build, raylets=NODES) as server:
                proxies = {MONGO: to_mongo, REDIS: to_redis}
                yield ClusterSite(server, mongo, redis, proxies)
    finally:
        await asyncio.to_thread(redis.stop)
        await asyncio.to_thread(mongo.stop)


def _decks() -> Mapping[str, Sequence[Card]]:
    kills = [Card("kill", name) for name in ACTORS]
    pauses = [Card("pause", name, *PAUSES_S) for name in ACTORS]
    services = [
        *(Card("kill", name, 0.2, 2.0) for name in (MONGO, REDIS)),
        *(Card(kind, name, *OUTAGES_S) for name in (MONGO, REDIS) for kind in IMPAIRMENTS),
        Card("flush", REDIS),
        Card("lose", NODE, 1.0, 3.0),
    ]
    return {
        "inline": [
            Card("kill", SERVER, 0.1, 1.0),
            Card("pause", SERVER, *PAUSES_S),
            Card("fill disk of", SERVER, *OUTAGES_S),
            *(Card("restart", name) for name in WITHOUT_SOCKETS),
        ],
        "single": [*kills, *pauses, Card("fill disk of", names.STORE_WRITER, *OUTAGES_S)],
        "cluster": [
            *(card for card in (*kills, *pauses) if card.target != names.STORE_WRITER),
            *services,
        ],
    }


DECKS = _decks()
ACTIONS_PER_S = {"inline": 80.0, "single": 80.0, "cluster": 25.0}
"""Of all people together, three quarters of them writes; what two cores carry with ease."""
SITES = {"inline": inline, "single": single, "cluster": cluster}
