"""Nodes join, die and are drained while traffic runs; timelines stay exact."""

import asyncio
import gzip
import os
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import psutil
import pytest

from rookery.actors import names
from rookery.bulk import higgs
from rookery.bulk.higgs import user_id
from rookery.bulk.loading import Loader
from rookery.bulk.replaying import BruteForce, Replay, chosen_readers, differences
from rookery.client import ApiError, ClientError, Retries
from rookery.control import Control
from rookery.store import StoreParts
from tests.chaos.test_kills import Load, Probe
from tests.cluster.raylets import Raylets
from tests.integration.server.reader import Reader
from tests.integration.server.world import (
    SOON,
    Person,
    ServerThread,
    World,
    newest_first,
    pid_of,
    settled,
    until,
)

SHARED = Path(__file__).parents[3] / "shared" / "data" / "higgs-activity_time.txt.gz"
EVENTS = int(os.environ.get("ROOKERY_TEST_EVENTS", "2000"))
READERS = 300
JOINED_S = 60.0
RECOVERY_S = 10.0
CALM_S = 1.0
POSTS_PER_S = 10.0
"""With a page read as often by each follower; three nodes and a database that share two cores are
too slow for more while one of them starts, and then requests fail for want of time."""
READ_EVERY_S = 0.2

pytestmark = [pytest.mark.ray, pytest.mark.timeout(120 + EVENTS // 40)]


def shards(server: ServerThread) -> tuple[str, ...]:
    return server.server.view.serving.shards


async def serving(server: ServerThread, count: int) -> None:
    """Wait until so many shards serve, and nobody else is present."""

    async def is_so() -> bool:
        view = server.server.view
        return len(view.serving.shards) == count and view.present == view.serving

    await until(is_so, within_s=JOINED_S, what=f"{count} serving shards")


async def kill(raylets: Raylets, node: str) -> None:
    """Kill a node, and see that its processes are gone."""
    family = psutil.Process(raylets.pid_of(node)).children(recursive=True)
    assert any("ray::TimelineShard" in " ".join(each.cmdline()) for each in family)
    await raylets.kill(node)

    async def are_gone() -> bool:
        return not any(each.is_running() for each in family)

    await until(are_gone, what="the end of the node's processes")


async def node_of_a_shard(server: ServerThread, raylets: Raylets) -> str:
    """A node that may be killed, and serves."""
    placed = server.server.cluster.controller.nodes.placed  # type: ignore[union-attr]
    return next(node for node in raylets.other_ids if placed[node].actors.shards)


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.exists(), reason=f"the data set {SHARED} is not there")
async def test_a_replay_is_exact_while_a_node_joins_and_one_is_killed(
    server: ServerThread,
    raylets: Raylets,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    """A real network's posts, compared with brute force; afterwards the audit finds nothing."""
    cut = tmp_path / "events.txt"
    with gzip.open(SHARED, "rt") as whole:
        cut.write_text("".join(islice(whole, EVENTS)))
    network = higgs.read(cut)
    backend = server.server.backend
    store = StoreParts(backend.reader, backend.writer)
    began_s = time.monotonic()
    await server.on_loop(Loader(store, network, "load higgs").run(lambda *_: None))
    loaded_s = time.monotonic() - began_s
    readers = chosen_readers(network, READERS)
    async with Control(Path(server.config.server.data_dir)) as control:
        await control.call("warm", user_ids=[user_id(number) for number in readers])
        replay = Replay(control, batch=200)
        began_s = time.monotonic()
        victim = await node_of_a_shard(server, raylets)
        before = shards(server)
        changes: list[asyncio.Task[object]] = []
        async for done in replay.run(network.events):
            if done >= EVENTS // 4 and not changes:
                changes.append(asyncio.create_task(raylets.add()))
            if done >= EVENTS // 2 and len(changes) == 1:
                changes.append(asyncio.create_task(kill(raylets, victim)))
        await asyncio.gather(*changes)
        await control.call("settle")
        replayed_s = time.monotonic() - began_s
        await serving(server, len(before))
        truth = BruteForce(network, replay.posted)
        wrong: list[object] = []
        async for _, found in differences(control, truth, readers):
            wrong += found
    assert wrong == []
    async with World(server) as world:
        assert await world.faults() == []
    record_property(
        "measured",
        f"{len(network.users)} users loaded in {loaded_s:.1f} s; {EVENTS} events replayed in"
        f" {replayed_s:.1f} s ({EVENTS / replayed_s:,.0f}/s) while a node joined and one died;"
        f" {len(readers)} homes exact",
    )


@pytest.mark.slow
async def test_reads_and_posts_work_again_after_a_node_died(
    server: ServerThread,
    raylets: Raylets,
    world: World,
    record_property: Callable[[str, object], None],
) -> None:
    """Within ten seconds, on the nodes that are left."""
    await serving(server, 1 + len(raylets.other_ids))
    victim = await node_of_a_shard(server, raylets)
    gone = server.server.cluster.controller.nodes.placed[victim].actors.shards  # type: ignore[union-attr]
    author = await world.person("author")
    while server.server.view.shard_map.owner((person := await world.person()).id) not in gone:
        pass
    await person.follow(author)
    client = await world.client(
        token=person.session.token, timeout_s=2.0, retries=Retries(max_attempts=1)
    )
    posted: list[int] = []

    async def read() -> None:
        await client.home().page()

    async def post() -> None:
        posted.append(await author.post("probe"))

    reads, posts = Probe(read), Probe(post)
    killed_s = time.monotonic()
    await kill(raylets, victim)

    async def is_calm() -> bool:
        since_s = max(killed_s + 3, reads.last_failure_s, posts.last_failure_s) + CALM_S
        return min(reads.last_success_s, posts.last_success_s) > since_s

    await until(is_calm, within_s=RECOVERY_S + CALM_S, what="calm after the end of a node")
    await reads.end()
    await posts.end()
    failed_s = [max(0.0, probe.last_failure_s - killed_s) for probe in (reads, posts)]
    await settled(world)
    home = await person.home()
    # The last one may have been posted without an answer, when the probe ended.
    assert [i for i in home if i in posted] == newest_first(posted)
    assert len(home) <= len(posted) + 1
    await raylets.add()
    await serving(server, 1 + len(raylets.other_ids))
    assert await person.home() == home
    record_property(
        "measured",
        f"a node killed: reads of its users fail for {failed_s[0]:.1f} s, posts for"
        f" {failed_s[1]:.1f} s (longest read {reads.longest_s:.1f} s)",
    )


@pytest.mark.slow
async def test_a_rolling_restart_loses_no_request_and_no_event(
    server: ServerThread,
    raylets: Raylets,
    world: World,
    record_property: Callable[[str, object], None],
) -> None:
    """Each node is drained, stopped and replaced in turn, under posts, reads and open streams."""
    await serving(server, 1 + len(raylets.other_ids))
    authors = await world.people(3, "author")
    followers = await world.people(6, "follower")
    for follower in followers:
        await follower.follow(*authors)
    readers = [await _reader(follower) for follower in followers]
    load = Load(authors, POSTS_PER_S)
    reads = failed = 0
    over = asyncio.Event()

    async def read(person: Person) -> None:
        nonlocal reads, failed
        while not over.is_set():
            try:
                await person.client.home(limit=20).page()
                reads += 1
            except ClientError:
                failed += 1
            await asyncio.sleep(READ_EVERY_S)

    reading = [asyncio.create_task(read(person)) for person in followers]
    began_s = time.monotonic()
    for node in list(raylets.other_ids):
        await world.control("drain", node=node[:12])
        assert not any(
            each.actors.all
            for each in server.server.cluster.controller.nodes.placed.values()  # type: ignore[union-attr]
            if each.node.id == node
        )
        await raylets.kill(node)
        await raylets.add()
        await serving(server, 1 + len(raylets.other_ids))
    await world.control("drain", node=raylets.head_id)
    await world.control("undrain", node=raylets.head_id)
    await serving(server, 1 + len(raylets.other_ids))
    took_s = time.monotonic() - began_s
    over.set()
    await asyncio.gather(*reading)
    await load.end()
    await settled(world)
    expected = newest_first([i for ids in load.accepted.values() for i in ids])
    assert (load.errors, failed) == ([], 0)
    for person, reader in zip(followers, readers, strict=True):
        assert await person.home() == expected
        await until(
            lambda reader=reader: asyncio.sleep(0, reader.known == set(expected)),  # type: ignore[misc]
            what="a reader who knows its home",
        )
        reader.promise.check()
        await reader.aclose()
    assert await world.faults() == []
    resets = sum(reader.promise.resets for reader in readers)
    record_property(
        "measured",
        f"three nodes restarted one by one in {took_s:.0f} s under {len(expected)} posts and"
        f" {reads} reads: none failed; {len(readers)} streams, {resets} resets",
    )


async def _reader(person: Person) -> Reader:
    stream = person.client.stream(settings=SOON, connection_events=True)

    async def refetch() -> list[int]:
        while True:
            try:
                return await person.home()
            except ClientError:
                continue

    reader = Reader(stream, refetch)
    await until(lambda: asyncio.sleep(0, stream.connected), what="a live stream")
    return reader


async def test_a_slow_shard_slows_nobody_else(
    server: ServerThread,
    world: World,
    record_property: Callable[[str, object], None],
) -> None:
    """While one stands still, users of the others read, post and get pushes as ever."""
    await serving(server, len(shards(server)))
    still = next(name for name in shards(server) if name != names.timeline_shard(0))
    owner = server.server.view.shard_map.owner
    celebrity, author = await world.people(2, "author")
    people = await world.people(24)
    for person in people:
        await person.follow(celebrity, author)
    elsewhere = [person for person in people if owner(person.id) != still]
    stuck = [person for person in people if owner(person.id) == still]
    assert len(elsewhere) >= 4
    assert stuck
    listener = await elsewhere[0].listen()
    for person in people:
        await person.home()
    impatient = await world.client(
        token=stuck[0].session.token, timeout_s=9.0, retries=Retries(max_attempts=1)
    )
    process = psutil.Process(await server.on_loop(pid_of(still, server.namespace)))
    process.suspend()
    try:
        waiting = asyncio.create_task(impatient.home().page())
        began_s = time.monotonic()
        posted: list[int] = []
        for number in range(20):
            posted.append(await (celebrity, author)[number % 2].post(f"post {number}"))
            await elsewhere[1 + number % 3].home()
        took_s = time.monotonic() - began_s
        await listener.until(lambda: set(listener.tweet_ids) == set(posted), within_s=3.0)
        with pytest.raises(ApiError) as refused:
            await waiting
        assert refused.value.status == 503
        assert refused.value.retry_after_s
        assert process.status() == psutil.STATUS_STOPPED
    finally:
        process.resume()
    await settled(world)
    for person in people:
        assert await person.home() == newest_first(posted)
    record_property(
        "measured",
        f"a shard stood still: 20 posts and reads elsewhere took {took_s:.1f} s, its own user got"
        f" {refused.value.status} to retry after {refused.value.retry_after_s} s",
    )


@pytest.mark.slow
async def test_only_the_users_who_moved_are_rebuilt(
    server: ServerThread, raylets: Raylets, world: World
) -> None:
    """From one shard to four and back to three; everybody's timeline stays exact."""
    for node in list(raylets.other_ids):
        await kill(raylets, node)
    await serving(server, 1)
    (first,) = shards(server)
    author = await world.person("author")
    people = await world.people(60)
    for person in people:
        await person.follow(author)
    posted = [await author.post(f"post {number}") for number in range(5)]
    await settled(world)
    for person in people:
        assert await person.home() == newest_first(posted)
    before = (await server.actor(first, "figures_now"))["builds"]
    for _ in range(3):
        await raylets.add()
    await serving(server, 4)
    posted.append(await author.post("after"))
    await settled(world)
    for person in people:
        assert await person.home() == newest_first(posted)
    builds = {name: (await server.actor(name, "figures_now"))["builds"] for name in shards(server)}
    owner = server.server.view.shard_map.owner
    moved = [person for person in people if owner(person.id) != first]
    assert 20 < len(moved) < 60
    assert builds.pop(first) == before
    assert sum(builds.values()) == len(moved)
    assert await world.faults() == []
    await kill(raylets, raylets.other_ids[-1])
    await serving(server, 3)
    for person in people:
        assert await person.home() == newest_first(posted)


async def test_status_shows_every_node_and_actor(server: ServerThread, world: World) -> None:
    """With figures; nobody is silent."""
    found = await world.control("status")
    nodes = {node["id"]: node["actors"] for node in found["nodes"]}
    assert len(nodes) == 1 + len(server.server.cluster.controller.nodes.placed)  # type: ignore[union-attr]
    assert nodes[""].keys() == {
        names.CONNECTION_MANAGER,
        names.CELEBRITY_LISTS,
        names.FANOUT_WORKER,
    }
    shown = {name for actors in nodes.values() for name in actors}
    assert shown >= set(server.server.view.present.all)
    assert all(figures is not None for actors in nodes.values() for figures in actors.values())
