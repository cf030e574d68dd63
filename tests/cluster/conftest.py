"""A server on a cluster of three nodes, with MongoDB and Redis behind it.

The fixtures have the names of those in `tests.integration.server`, so that its tests run here too.
"""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.cluster.raylets import Raylets
from tests.integration.server.measured import show
from tests.integration.server.world import ServerThread, World, config
from tests.servers.mongo import MongoServer, lost_sockets_collected
from tests.servers.mongo import required as need_mongo
from tests.servers.redis import RedisServer
from tests.servers.redis import required as need_redis


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    with lost_sockets_collected():
        yield


@pytest.fixture(scope="session")
def mongo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoServer]:
    """The MongoDB that tests share."""
    need_mongo()
    with MongoServer(tmp_path_factory.mktemp("mongo")) as server:
        yield server


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """The Redis that tests share."""
    need_redis()
    server = RedisServer(tmp_path_factory.mktemp("redis"), persistent=True)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def raylets() -> Iterator[Raylets]:
    """Three nodes; a test that kills one adds another."""
    with Raylets(2) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def server(
    raylets: Raylets,
    mongo: MongoServer,
    redis: RedisServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ServerThread]:
    """The server on the cluster that tests share."""
    settings = config(
        tmp_path_factory.mktemp("cluster") / "data",
        "ray",
        ray={"address": raylets.address},
        store={
            "engine": "mongo",
            "mongo_uri": mongo.uri,
            "mongo_database": "cluster",
            "timeout_s": 10.0,
        },
        redis={"url": redis.url},
        http={"gateways": 1},
        timelines={"shards": 1},
        live={"drain_s": 0.5},
    )
    server = ServerThread(settings)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def events() -> int:
    """Fewer than on one machine: three nodes, MongoDB and Redis share its cores."""
    return 1_000


@pytest.fixture(scope="session")
def ray_server(server: ServerThread) -> ServerThread:
    """The same, for tests that want a server on Ray."""
    return server


@pytest_asyncio.fixture
async def world(server: ServerThread) -> AsyncIterator[World]:
    """Users of the shared server."""
    async with World(server) as made:
        yield made


@pytest_asyncio.fixture
async def ray_world(server: ServerThread) -> AsyncIterator[World]:
    """Users of the shared server, for tests that want one on Ray."""
    async with World(server) as made:
        yield made


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    show(terminalreporter, "tests/cluster")
