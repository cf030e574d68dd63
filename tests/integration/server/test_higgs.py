"""A real network: loaded, replayed, compared with brute force, broken by hand and repaired."""

import asyncio
import gzip
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from rookery.bulk import higgs
from rookery.bulk.higgs import Network, user_id
from rookery.bulk.loading import Loader
from rookery.bulk.replaying import BruteForce, Replay, chosen_readers, differences
from rookery.config import Config
from rookery.control import Control
from rookery.domain.timelines import WarmTimelines
from rookery.store import StoreParts, open_reader, open_writer
from rookery.store.engine import Reader
from rookery.store.schema import FOLLOWEES, FOLLOWERS, JOBS, USER_COUNTS, USERNAMES, USERS
from tests.integration.server.world import ServerThread, World, config, until

SHARED = Path(__file__).parents[4] / "shared" / "data" / "higgs-activity_time.txt.gz"
EVENTS = 20_000
READERS = 300
JOB = "load higgs"

pytestmark = pytest.mark.skipif(not SHARED.exists(), reason=f"the data set {SHARED} is not there")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first events of the data set."""
    cut = tmp_path_factory.mktemp("higgs") / "events.txt"
    with gzip.open(SHARED, "rt") as whole:
        cut.write_text("".join(islice(whole, EVENTS)))
    return cut


@pytest.fixture(scope="module")
def network(file: Path) -> Network:
    return higgs.read(file)


async def load(config: Config, network: Network) -> bool:
    writer = open_writer(config)
    reader = open_reader(config)
    try:
        return await Loader(StoreParts(reader, writer), network, JOB).run(lambda *_: None)
    finally:
        await reader.close()
        await writer.close()


async def contents(reader: Reader, network: Network) -> dict[str, Any]:
    """How much of each collection a load has written, and each account's counts."""
    sizes = {
        each.name: len(await reader.select(each, tuple(each.key), limit=1_000_000))
        for each in (USERS, USERNAMES, FOLLOWEES, FOLLOWERS)
    }
    keys = [(user_id(number),) for number in network.users]
    counts = await reader.get_many(USER_COUNTS, keys)
    return {**sizes, "counts": counts}


async def test_a_load_that_was_killed_is_completed_by_the_next(
    tmp_path: Path, file: Path, network: Network
) -> None:
    """Whatever it had written by then: afterwards every account, follow and count is exact."""
    settings = config(tmp_path / "data", "inline")
    reader = open_reader(settings)
    loading = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "import rookery.cli; rookery.cli.main()"),
        *("load", str(file), "--data", str(tmp_path / "data")),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )

    async def chunks_done() -> int:
        try:
            note = await reader.get(JOBS, (JOB,))
        except Exception:  # there is no store yet
            return 0
        return int(note["done"]) if note else 0

    try:
        await until(chunks_done, within_s=30, what="the first chunk")
    finally:
        loading.kill()
        assert await loading.wait() == -9
    done = await chunks_done()
    try:
        assert await load(settings, network)
        assert done < await chunks_done()
        followers = Counter(follow.followee for follow in network.follows)
        followees = Counter(follow.follower for follow in network.follows)
        found = await contents(reader, network)
        for number, counts in zip(network.users, found.pop("counts"), strict=True):
            assert counts["followers"] == followers[number]
            assert counts["followees"] == followees[number]
        users, follows = len(network.users), len(network.follows)
        assert list(found.values()) == [users, users, follows, follows]
        assert not await load(settings, network)
    finally:
        await reader.close()


class Replayed:
    """A server on which the network was replayed, and what its homes must be."""

    def __init__(self, server: ServerThread, truth: BruteForce, readers: list[int]) -> None:
        self.server = server
        self.truth = truth
        self.readers = readers
        self.measured = ""

    @property
    def warm(self) -> WarmTimelines:
        """The insides of the only shard; to be touched by `ServerThread.on_loop` only."""
        warm: WarmTimelines = self.server.instance("TimelineShard-0")._warm
        return warm

    async def wrong_homes(self) -> list[object]:
        found: list[object] = []
        async with Control(Path(self.server.config.server.data_dir)) as control:
            async for _, wrong in differences(control, self.truth, self.readers):
                found += wrong
        return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def replayed(
    tmp_path_factory: pytest.TempPathFactory, network: Network
) -> AsyncIterator[Replayed]:
    """The whole way: load, start, warm readers, replay, settle."""
    settings = config(
        tmp_path_factory.mktemp("replay") / "data",
        "inline",
        timelines={"ring_size": 100, "celebrity_threshold": 500},
    )
    began_s = time.monotonic()
    await load(settings, network)
    loaded_s = time.monotonic() - began_s
    server = ServerThread(settings)
    await asyncio.to_thread(server.start)
    try:
        async with Control(Path(settings.server.data_dir)) as control:
            readers = chosen_readers(network, READERS)
            await control.call("warm", user_ids=[user_id(number) for number in readers])
            began_s = time.monotonic()
            replay = Replay(control)
            async for _ in replay.run(network.events):
                pass
            await control.call("settle")
            replayed_s = time.monotonic() - began_s
        made = Replayed(server, BruteForce(network, replay.posted), readers)
        made.measured = (
            f"{len(network.users)} users and {len(network.follows)} follows loaded in"
            f" {loaded_s:.1f} s, {len(network.events)} events replayed in {replayed_s:.1f} s"
        )
        yield made
    finally:
        await asyncio.to_thread(server.stop)


@pytest.mark.asyncio(loop_scope="module")
async def test_every_home_is_what_brute_force_says(
    replayed: Replayed, record_property: Callable[[str, object], None]
) -> None:
    """After a replay through the whole server, and the audit finds nothing."""
    record_property("measured", replayed.measured)
    assert sum(len(replayed.truth.home(reader)) for reader in replayed.readers) > 1_000
    assert await replayed.wrong_homes() == []
    async with World(replayed.server) as world:
        assert await world.faults() == []


class Vandal:
    """Breaks timelines in memory, each in another way."""

    def __init__(self, replayed: Replayed) -> None:
        self.warm = replayed.warm
        self._rows = [
            (user_id(reader), row)
            for reader in replayed.readers
            if (row := self.warm.row_of(user_id(reader))) is not None
            and len(self.warm.rings.raw(row)[0]) >= 5
            and len(self.warm.adjacency.following(row)) >= 2
        ]

    def _load(self, row: int, ids: Any, kinds: Any) -> None:
        self.warm.rings.load(row, np.array(ids), np.array(kinds), self.warm.rings.floor(row))
        self.warm.rings.disordered[row] = False

    def remove(self, user: int, row: int) -> str:
        ids, kinds = self.warm.rings.raw(row)
        self._load(row, np.delete(ids, -3), np.delete(kinds, -3))
        return "missing"

    def swap(self, user: int, row: int) -> str:
        ids, kinds = self.warm.rings.raw(row)
        ids[[-2, -3]] = ids[[-3, -2]]
        self._load(row, ids, kinds)
        return "disordered"

    def double(self, user: int, row: int) -> str:
        ids, kinds = self.warm.rings.raw(row)
        ids[-3] = ids[-2]
        self._load(row, ids, kinds)
        # Merging with a celebrity's list hides it from readers; the ring is wrong all the same.
        return "disordered" if self.warm._lists_of(row) else "doubled"

    def add_foreign(self, user: int, row: int) -> str:
        ids, kinds = self.warm.rings.raw(row)
        self._load(row, np.append(ids, ids[-1] + 1), np.append(kinds, kinds[-1]))
        return "foreign"

    def change_kind(self, user: int, row: int) -> str:
        ids, kinds = self.warm.rings.raw(row)
        kinds[-2] ^= 1
        self._load(row, ids, kinds)
        return "wrongKind"

    def drop_edge(self, user: int, row: int) -> str:
        followed = [each for each in self.warm.adjacency.following(row) if each != user]
        self.warm.adjacency.remove(row, followed[0])
        return "notFollowed"

    def add_edge(self, user: int, row: int) -> str:
        self.warm.adjacency.add(row, 1)
        return "notUnfollowed"

    async def ravage(self) -> dict[int, str]:
        """Do each of it to another three users; by user, what the audit must call it."""
        ways = (
            self.remove,
            self.swap,
            self.double,
            self.add_foreign,
            self.change_kind,
            self.drop_edge,
            self.add_edge,
        )
        done = {}
        rows = iter(self._rows)
        for way in ways * 3:
            user, row = next(rows)
            done[user] = way(user, row)
        return done


@pytest.mark.asyncio(loop_scope="module")
async def test_the_audit_finds_and_repairs_every_sort_of_fault(replayed: Replayed) -> None:
    """Each by its name, and nothing else; afterwards homes are right again."""
    done = await replayed.server.on_loop(Vandal(replayed).ravage())
    async with World(replayed.server) as world:
        reported = {int(each["userId"]): each for each in await world.faults()}
        assert reported.keys() == done.keys()
        for user, name in done.items():
            assert reported[user][name], (name, reported[user])
        assert len(await world.faults(repair=True)) == len(done)
        assert await world.faults() == []
    assert await replayed.wrong_homes() == []
