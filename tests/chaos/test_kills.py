"""Every kind of process is killed under load, and nothing acknowledged is lost or doubled.

One server for all, in processes of its own. The kills come one after the other while posts go on;
then everything is checked, and at last the driver itself is killed.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import aiohttp
import psutil
import pytest
import pytest_asyncio

from rookery.actors import names
from rookery.client import ApiError, ClientError, ConnectionFailed, Retries
from rookery.cluster.topology import fixed_view
from tests.chaos.process import ServerProcess, is_alive
from tests.integration.server.reader import Reader
from tests.integration.server.world import (
    SOON,
    Person,
    ServerThread,
    World,
    config,
    newest_first,
    settled,
    until,
)

pytestmark = [
    pytest.mark.ray,
    pytest.mark.timeout(120),
    pytest.mark.asyncio(loop_scope="module"),
]

REPLACED_S = 30.0
RECOVERY_S = 10.0
"""Reads and posts work again within so long after any kill."""
GONE_S = 15.0
"""Nothing is left of a server so long after its driver was killed."""
POSTS_PER_S = 200.0
SENDERS = 8
BURST = 300
CALM_S = 1.0
PROBE_S = 0.05
VICTIMS = [
    names.gateway(0),
    names.connection_server(0),
    names.CONNECTION_MANAGER,
    names.timeline_shard(0),
    names.CELEBRITY_LISTS,
    names.FANOUT_WORKER,
    names.STORE_WRITER,
]


class Load:
    """Authors posting at a steady rate over HTTP, several at a time each; what was accepted."""

    def __init__(self, authors: list[Person], posts_per_s: float = POSTS_PER_S) -> None:
        self.accepted: dict[int, list[int]] = {author.id: [] for author in authors}
        self.failed = 0
        self.errors: list[str] = []
        self.took_s = 0.0
        self._began_s = time.monotonic()
        self._ended = False
        senders = authors * SENDERS
        pace_s = len(senders) / posts_per_s
        self._tasks = [asyncio.create_task(self._post(author, pace_s)) for author in senders]

    async def end(self) -> None:
        if not self._ended:
            self._ended = True
            await asyncio.gather(*self._tasks)
            self.took_s = time.monotonic() - self._began_s

    async def _post(self, author: Person, pace_s: float) -> None:
        number = 0
        due_s = time.monotonic()
        while not self._ended:
            number += 1
            try:
                self.accepted[author.id].append(await author.post(f"post {number}"))
            except ClientError as error:
                self.failed += 1
                self.errors.append(repr(error))
            # After an outage it goes on at the same rate, without making up for it.
            due_s = max(due_s + pace_s, time.monotonic() - pace_s)
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))


class Probe:
    """Asks all the time, repeating nothing, whether something works, and notes when it did not."""

    def __init__(self, ask: Callable[[], Awaitable[object]]) -> None:
        self._ask = ask
        self.last_failure_s = 0.0
        self.last_success_s = 0.0
        self.longest_s = 0.0
        self.failures: list[tuple[float, str]] = []
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            began_s = time.monotonic()
            try:
                await self._ask()
                self.last_success_s = began_s
                self.longest_s = max(self.longest_s, time.monotonic() - began_s)
            except (ApiError, ConnectionFailed) as error:
                self.last_failure_s = time.monotonic()
                self.failures.append((self.last_failure_s, repr(error)))
            await asyncio.sleep(max(0.0, began_s + PROBE_S - time.monotonic()))

    async def end(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


class Scene:
    """The server, its people and the load on it."""

    def __init__(self, server: ServerProcess, world: World) -> None:
        self.server = server
        self.world = world
        self.readers: dict[int, Reader] = {}
        self.probed: list[int] = []

    async def open(self) -> None:
        """Four authors, the first of them a celebrity, and followers of each sort."""
        self.authors = await self.world.people(4, "author")
        self.followers = await self.world.people(6, "follower")
        self.follows: dict[int, list[int]] = {}
        for number, follower in enumerate(self.followers):
            followed = self.authors if number < 4 else self.authors[:1]
            await follower.follow(*followed)
            self.follows[follower.id] = [author.id for author in followed]
        for number in (0, 1, 4):
            self.readers[self.followers[number].id] = await self._reader(self.followers[number])
        await self.followers[2].home()  # warm but not connected; the others are cold
        self.prober = await self._impatient()
        self.load = Load(self.authors)

    async def _reader(self, follower: Person) -> Reader:
        stream = follower.client.stream(settings=SOON, connection_events=True)

        async def refetch() -> list[int]:
            while True:
                try:
                    return await follower.home()
                except ClientError:
                    continue

        reader = Reader(stream, refetch)
        await until(lambda: asyncio.sleep(0, stream.connected), what="a live stream")
        return reader

    async def _impatient(self) -> Person:
        """Somebody who follows the others and repeats no request; the shard to be killed has it."""
        owner = fixed_view(self.server.config).shard_map.owner
        while owner((person := await self.world.person("prober")).id) != names.timeline_shard(0):
            pass
        await person.follow(*self.authors)
        client = await self.world.client(
            token=person.session.token, timeout_s=2.0, retries=Retries(max_attempts=1)
        )
        return Person(client, person.session, self.world)

    def accepted(self, follower: Person) -> list[int]:
        """The posts that must be in a follower's home."""
        return [i for author in self.follows[follower.id] for i in self.load.accepted[author]]

    @property
    def all_accepted(self) -> list[int]:
        return [i for ids in self.load.accepted.values() for i in ids] + self.probed

    async def kill(self, name: str) -> str:
        """Kill an actor and wait until all is well again; how long that took."""
        pid = (await self.server.pids())[name]
        process = psutil.Process(pid)
        assert self.server.process in process.parents()

        async def read() -> None:
            await self.prober.client.home().page()

        async def post() -> None:
            self.probed.append(await self.prober.post("probe"))

        async def is_replaced() -> bool:
            return (await self.server.pids()).get(name, pid) != pid

        async def is_calm() -> bool:
            since_s = max(replaced_s, reads.last_failure_s, posts.last_failure_s) + CALM_S
            return min(reads.last_success_s, posts.last_success_s) > since_s

        async def are_live() -> bool:
            return all(reader.stream.connected for reader in self.readers.values())

        reads, posts = Probe(read), Probe(post)
        # Committed a moment before, so that much is on its way when the process dies.
        author = self.authors[1].id
        burst = [(author, f"burst {number}", None, None) for number in range(BURST)]
        self.load.accepted[author] += map(int, await self.world.control("post", posts=burst))
        killed_s = time.monotonic()
        process.kill()
        try:
            await until(is_replaced, within_s=REPLACED_S, what=f"another {name}")
            assert not is_alive(process)
            replaced_s = time.monotonic()
            await until(are_live, within_s=RECOVERY_S, what=f"live streams after {name}")
            live_s = time.monotonic()
            await until(is_calm, within_s=RECOVERY_S + CALM_S, what=f"calm after {name}")
        finally:
            await reads.end()
            await posts.end()
        for probe in (reads, posts):
            assert probe.last_failure_s < killed_s + RECOVERY_S
        failed_s = [max(0.0, probe.last_failure_s - killed_s) for probe in (reads, posts)]
        return (
            f"{name} killed: reads fail for {failed_s[0]:.1f} s (longest {reads.longest_s:.1f} s),"
            f" posts for {failed_s[1]:.1f} s (longest {posts.longest_s:.1f} s),"
            f" replaced after {replaced_s - killed_s:.1f} s, streams {live_s - killed_s:.1f} s"
        )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    folder = tmp_path_factory.mktemp("kills")
    settings = config(
        folder / "data", "ray", live={"log_events": 512}, timelines={"ring_size": 400}
    )
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(ServerProcess(settings, folder / "log"))
        world = await stack.enter_async_context(World(server))
        made = Scene(server, world)
        await made.open()
        yield made
        await made.load.end()


@pytest.mark.parametrize("name", VICTIMS)
async def test_reads_and_posts_work_again_after_a_kill(
    scene: Scene, name: str, record_property: Callable[[str, object], None]
) -> None:
    """Within ten seconds, in a new process."""
    record_property("measured", await scene.kill(name))


async def test_what_was_accepted_is_in_every_home_exactly_once(
    scene: Scene, record_property: Callable[[str, object], None]
) -> None:
    """And readable by its id; ordered by id; streams were whole or said that they were not."""
    await scene.load.end()
    await settled(scene.world)
    accepted = scene.all_accepted
    assert len(accepted) == len(set(accepted))
    assert await existing(scene.world, accepted) == set(accepted)
    resets = merged = doubled = 0
    for follower in scene.followers:
        home = await follower.home()
        assert home == newest_first(home)
        assert len(home) == len(set(home))
        # A post that was never answered may have come about all the same.
        unanswered = set(home) - set(scene.accepted(follower))
        assert len(unanswered) <= scene.load.failed
        assert set(scene.accepted(follower)) <= set(home)
        reader = scene.readers.get(follower.id)
        if reader is not None:
            await until(
                lambda reader=reader, home=home: asyncio.sleep(0, reader.known == set(home)),  # type: ignore[misc]
                what="a reader who knows its home",
            )
            reader.promise.check()
            resets += reader.promise.resets
            merged += reader.promise.merged
            doubled += len(reader.came) - len(set(reader.came))
    record_property(
        "measured",
        f"{len(accepted)} posts accepted in {scene.load.took_s:.0f} s,"
        f" {scene.load.failed} not answered; {len(scene.readers)} streams:"
        f" {resets} resets, {merged} events merged, {doubled} again after a reset",
    )


async def test_the_audit_finds_nothing_after_the_kills(scene: Scene) -> None:
    """Every warm timeline is what the store says."""
    await scene.load.end()
    assert await scene.world.faults() == []


async def test_killing_the_driver_leaves_no_process_and_loses_nothing(
    scene: Scene, record_property: Callable[[str, object], None]
) -> None:
    """All is gone soon, and whoever starts on the data folder finds every accepted post."""
    await scene.load.end()
    family = scene.server.process.children(recursive=True)
    assert len(family) > len(VICTIMS)
    before = scene.load.accepted
    load = scene.load = Load(scene.authors)
    await until(lambda: asyncio.sleep(0, all(len(ids) > 10 for ids in load.accepted.values())))
    killed_s = time.monotonic()
    assert await scene.server.kill() == -9

    async def are_gone() -> bool:
        return not any(is_alive(process) for process in family)

    await until(are_gone, within_s=GONE_S, what="the end of all its processes")
    gone_s = time.monotonic() - killed_s
    for reader in scene.readers.values():
        await reader.aclose()
    await load.end()
    for author, ids in before.items():
        load.accepted[author] += ids
    record_property("measured", f"driver killed: nothing left of it after {gone_s:.1f} s")
    again = ServerThread(config(scene.world.data_dir, "inline"))
    await asyncio.to_thread(again.start)
    try:
        async with World(again) as world:
            assert await existing(world, scene.all_accepted) == set(scene.all_accepted)
            for follower in scene.followers:
                client = await world.client(token=follower.session.token)
                home = await Person(client, follower.session, world).home()
                assert set(scene.accepted(follower)) <= set(home)
                assert home == newest_first(home)
    finally:
        await asyncio.to_thread(again.stop)


async def existing(world: World, tweet_ids: list[int]) -> set[int]:
    """Those of the tweets that can be read by their ids."""
    found: set[int] = set()
    waiting = iter(tweet_ids)

    async def read(http: aiohttp.ClientSession) -> None:
        for tweet_id in waiting:
            async with http.get(f"{world.url}/api/v1/tweets/{tweet_id}") as answer:
                if answer.status == 200:
                    found.add(tweet_id)

    async with aiohttp.ClientSession() as http:
        await asyncio.gather(*(read(http) for _ in range(8)))
    return found
