"""The head of a cluster dies, with Ray's control processes and its actors, or the controller."""

import asyncio
import os
import sys
import time
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio

from rookery.actors import names
from rookery.client import Retries
from rookery.config import Config
from rookery.control import Control
from rookery.domain.placement import ShardMap
from rookery.errors import RookeryError
from tests.chaos.test_kills import Probe
from tests.integration.server.world import World, config, newest_first, settled, until
from tests.servers.machine import free_port
from tests.servers.mongo import MongoServer
from tests.servers.redis import RedisServer

ROOT = Path(__file__).parents[2]
UP_S = 90.0
RECOVERY_S = 10.0
CALM_S = 1.0
WORKERS = 2

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(300)]


class Head:
    """``deploy/head.sh`` and `WORKERS` nodes that join it: a `Place`."""

    def __init__(self, settings: Config, folder: Path, redis: RedisServer) -> None:
        self.config = settings
        self._folder = folder
        self._port = int(settings.ray.address.rpartition(":")[2])
        self._processes: list[psutil.Process] = []
        self._head: psutil.Process | None = None
        self._workers: list[psutil.Process] = []
        # What `rookery serve` cannot be given on the command line of head.sh.
        self._environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "RAY_AUTH_MODE": "disabled",
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # and so on loopback only
            "RAY_PORT": str(self._port),
            "ROOKERY_SERVER_DATA_DIR": settings.server.data_dir,
            "ROOKERY_RAY_ADDRESS": settings.ray.address,
            "ROOKERY_STORE_ENGINE": "mongo",
            "ROOKERY_STORE_MONGO_URI": settings.store.mongo_uri,
            "ROOKERY_STORE_MONGO_DATABASE": settings.store.mongo_database,
            "ROOKERY_REDIS_URL": settings.redis.url,
            "ROOKERY_HTTP_PORT": str(settings.http.port),
            "ROOKERY_LIVE_PORT": "0",
            "ROOKERY_TIMELINES_SHARDS": "1",
            "ROOKERY_HTTP_GATEWAYS": "1",
            "ROOKERY_AUTH_ARGON2_TIME_COST": "1",
            "ROOKERY_AUTH_ARGON2_MEMORY_KIB": "64",
        }
        self._at_redis = f"127.0.0.1:{redis.port}"

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self.config.http.port}"

    async def open(self) -> dict[str, Mapping[str, Any]]:
        """Start everything; the actors of each node, when all serve."""
        await self.start()
        await self._answers()
        for _ in range(WORKERS):  # one by one: two at once would choose the same names
            join = (sys.executable, "-m", "tests.cluster.node", f"--join={self._port}")
            self._workers.append(await self._run(*join))
            await asyncio.sleep(3.0)
        return await self.serving(1 + WORKERS)

    def close(self) -> None:
        for process in self._processes:
            _kill(process)

    async def start(self) -> None:
        """Start the head, as its service would."""
        self._head = await self._start_ray("deploy/head.sh")

    async def start_ray(self) -> None:
        """Start Ray's head without `rookery serve`."""
        await self._start_ray()

    async def start_serve(self) -> psutil.Process:
        """Start `rookery serve` beside it, and wait until it serves."""
        process = await self._run("rookery", "serve")
        await self.serving(1)
        return process

    async def _start_ray(self, *under: str) -> psutil.Process:
        node = (sys.executable, "-m", "tests.cluster.node", f"--head={self._port}")
        return await self._run(*under, *node, RAY_REDIS_ADDRESS=self._at_redis)

    async def _run(self, *command: str, **environment: str) -> psutil.Process:
        log = self._folder / f"{len(self._processes)}.log"
        with log.open("wb") as output:
            started = await asyncio.create_subprocess_exec(
                *command,
                cwd=ROOT,
                env={**self._environment, **environment},
                stdin=DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        process = psutil.Process(started.pid)
        self._processes.append(process)
        return process

    def kill(self) -> list[str]:
        """Kill the head with all its processes, as a power cut would; what they were."""
        assert self._head is not None
        return _kill(self._head)

    def shards_of_workers(self) -> set[int]:
        """The processes of the shards on the nodes that joined."""
        children = [child for each in self._workers for child in each.children(recursive=True)]
        return {each.pid for each in children if "ray::TimelineShard" in " ".join(each.cmdline())}

    async def nodes(self) -> dict[str, Mapping[str, Any]]:
        """The actors of each node that serves, with their figures."""
        with suppress(RookeryError, OSError):
            async with Control(Path(self.config.server.data_dir)) as control:
                found = (await control.call("status"))["nodes"]
            return {n["id"]: n["actors"] for n in found if n["state"] == "serving"}
        return {}

    async def _answers(self) -> None:
        async def does() -> bool:
            return bool(await self.nodes())

        await until(does, within_s=UP_S, what="an answer of the controller")

    async def serving(self, count: int) -> dict[str, Mapping[str, Any]]:
        """Wait until so many nodes serve, and all their actors answer."""
        found: dict[str, Mapping[str, Any]] = {}

        async def do() -> bool:
            nonlocal found
            found = await self.nodes()
            silent = [
                a for actors in found.values() for a, figures in actors.items() if not figures
            ]
            return len(found) == count and not silent

        await until(do, within_s=UP_S, what=f"{count} nodes that serve")
        return found


def _kill(process: psutil.Process) -> list[str]:
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
    killed: list[str] = []
    for each in family:
        with suppress(psutil.NoSuchProcess):
            killed.append(" ".join(each.cmdline()))
            each.kill()
    psutil.wait_procs(family, timeout=5.0)
    return killed


@pytest_asyncio.fixture
async def head(mongo: MongoServer, tmp_path: Path) -> AsyncIterator[Head]:
    """A cluster that is yet to be started."""
    redis = RedisServer(tmp_path, persistent=True)
    redis.start()
    settings = config(
        tmp_path / "data",
        "ray",
        ray={"address": f"127.0.0.1:{free_port()}"},
        store={"engine": "mongo", "mongo_uri": mongo.uri, "mongo_database": "head"},
        redis={"url": redis.url.rpartition("/")[0] + "/1"},
        http={"port": free_port()},
    )
    made = Head(settings, tmp_path, redis)
    try:
        yield made
    finally:
        made.close()
        redis.stop()


async def test_the_others_go_on_without_the_head_and_it_finds_them_again(
    head: Head, record_property: Callable[[str, object], None]
) -> None:
    """Its users are served elsewhere within ten seconds; its return disturbs nobody."""
    before = await head.open()
    heads = names.timeline_shard(0)  # the head was alone at first
    shards = [n for actors in before.values() for n in actors if n.startswith("TimelineShard")]
    owner = ShardMap(shards).owner
    async with World(head) as world:
        author = await world.person("author")
        while owner((person := await world.person()).id) != heads:
            pass
        await person.follow(author)
        assert await person.home() == []
        reader, writer = [
            await world.client(
                token=each.session.token, timeout_s=2.0, retries=Retries(max_attempts=1)
            )
            for each in (person, author)
        ]
        posted: list[int] = []

        async def read() -> None:
            await reader.home().page()

        async def post() -> None:
            posted.append(int((await writer.post("probe")).id))

        reads, posts = Probe(read), Probe(post)
        await asyncio.sleep(1.0)
        killed_s = time.monotonic()
        killed = head.kill()
        assert any("gcs_server" in each for each in killed)
        assert any("rookery serve" in each for each in killed)
        survivors = head.shards_of_workers()
        assert len(survivors) == WORKERS

        async def is_calm() -> bool:
            since_s = max(killed_s + 3, reads.last_failure_s, posts.last_failure_s) + CALM_S
            return min(reads.last_success_s, posts.last_success_s) > since_s

        try:
            await until(
                is_calm, within_s=RECOVERY_S + CALM_S, what="calm after the end of the head"
            )
        except AssertionError:
            raise AssertionError(killed_s, reads.failures[-3:], posts.failures[-3:]) from None
        failed_s = [max(0.0, probe.last_failure_s - killed_s) for probe in (reads, posts)]
        # Deliveries go on, too: they do not depend on the head where there are other nodes.
        last = posted[-1]

        async def is_delivered() -> bool:
            return last in await person.home()

        await until(is_delivered, what="a delivery without the head")
        back_s = time.monotonic()
        await head.start()
        after = await head.serving(1 + WORKERS)
        took_s = time.monotonic() - back_s
        await reads.end()
        await posts.end()
        disturbed = [each for each in reads.failures + posts.failures if each[0] > back_s]
        assert disturbed == []
        assert head.shards_of_workers() == survivors
        assert len(before.keys() & after.keys()) == WORKERS
        await settled(world)
        home = await person.home()
        assert [i for i in home if i in posted] == newest_first(posted)
        # What failed may have been posted all the same, and the last one as its probe ended.
        assert len(home) <= len(posted) + len(posts.failures) + 1
        assert await world.faults() == []
    record_property(
        "measured",
        f"the head killed: reads of its users fail for {failed_s[0]:.1f} s, posts for"
        f" {failed_s[1]:.1f} s (longest read {reads.longest_s:.1f} s); back after {took_s:.1f} s,"
        f" which nobody noticed",
    )


async def test_the_controller_alone_may_die_and_come_back(head: Head) -> None:
    """Its actors go on meanwhile, on the port that the next one is to use; that one ends them."""
    await head.start_ray()
    serve = await head.start_serve()
    async with World(head) as world:
        person = await world.person()
        tweet = await person.post("before")
        await settled(world)
        client = await world.client(
            token=person.session.token, timeout_s=2.0, retries=Retries(max_attempts=1)
        )
        reads = Probe(lambda: client.home().page())
        serve.kill()
        serve.wait(5.0)
        serve = await head.start_serve()
        await reads.end()
        assert reads.failures == []
        assert await person.home() == [tweet]
    serve.terminate()
    serve.wait(20.0)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", head.config.http.port)
