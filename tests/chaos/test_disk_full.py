"""The disk is full: posts are refused, reads go on, and space is all that it takes to recover."""

import errno
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from rookery.client import Retries, Unavailable
from tests.chaos.process import ServerProcess
from tests.integration.server.world import (
    PASSWORD,
    Person,
    World,
    config,
    newest_first,
    settled,
    until,
)

SIZE_BYTES = 16 << 20
MOST_POSTS = 3_000
"""So many fit into the room that the store has kept for its log, at the most."""


class Disk:
    """Where the server's data lies, and how to leave no room there."""

    def __init__(self, folder: Path, sort: str) -> None:
        self.folder = folder
        self.sort = sort

    async def fill(self, server: ServerProcess) -> None:
        if self.sort == "file size limit":
            await server.tell("limit 1")
            return
        with (self.folder / "ballast").open("wb", buffering=0) as ballast:
            for size in (65_536, 512):
                try:
                    while True:
                        ballast.write(bytes(size))
                except OSError as error:
                    assert error.errno == errno.ENOSPC

    async def clear(self, server: ServerProcess) -> None:
        if self.sort == "file size limit":
            await server.tell("unlimit")
        else:
            (self.folder / "ballast").unlink()


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A disk in memory of `SIZE_BYTES`, mounted there."""
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_BYTES}", "tmpfs", str(folder)]
    try:
        subprocess.run(mounting, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"a small disk cannot be mounted here: {error}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(params=["tmpfs", "file size limit"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    """A real disk that can be full, and one simulated by the system's limit on file sizes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if request.param == "tmpfs":
        with small_disk(folder):
            yield Disk(folder, request.param)
    else:
        yield Disk(folder, request.param)


@pytest_asyncio.fixture
async def server(disk: Disk) -> AsyncIterator[ServerProcess]:
    settings = config(disk.folder / "data", "inline")
    async with ServerProcess(settings, Path("/dev/null")) as running:
        yield running


async def test_a_full_disk_refuses_posts_and_nothing_else(
    disk: Disk, server: ServerProcess
) -> None:
    """With 503 and Retry-After; what was refused did not happen; posts work once there is room."""
    async with World(server) as world:
        ada, bob = await world.people(2)
        await bob.follow(ada)
        posted = [await ada.post("before")]
        listener = await bob.listen()
        impatient = Person(
            await world.client(token=ada.session.token, retries=Retries(max_attempts=1)),
            ada.session,
            world,
        )
        await disk.fill(server)
        with pytest.raises(Unavailable) as refusal:
            for number in range(MOST_POSTS):
                posted.append(await impatient.post(f"until it is full {number}"))
        assert refusal.value.code == "store_unavailable"
        assert refusal.value.retry_after_s is not None and refusal.value.retry_after_s > 0

        await assert_refused(world, ada, "refused")
        tweet = await bob.client.tweet(posted[0])
        assert (tweet.text, tweet.reply_count) == ("before", 0)
        with pytest.raises(Unavailable):
            await impatient.post("a reply", reply_to=posted[0])
        assert await bob.home() == newest_first(posted)
        readiness = await bob.client.ready()
        assert not readiness.ready
        assert [name for name, fine in readiness.checks.items() if not fine] == ["writes"]

        await disk.clear(server)

        async def posts_work() -> bool:
            try:
                posted.append(await impatient.post("after"))
            except Unavailable:
                return False
            return True

        await until(posts_work, what="a post once there is room")

        async def is_ready() -> bool:
            return (await bob.client.ready()).ready

        await until(is_ready, what="readiness once there is room")
        again = await world.client()
        await again.log_in(PASSWORD, username=ada.username)
        await settled(world)
        assert await bob.home() == newest_first(posted)
        assert await ada.home() == newest_first(posted)
        assert (await bob.client.tweet(posted[0])).reply_count == 0
        assert (await bob.client.user(ada.id)).tweets_count == len(posted)
        await listener.until(lambda: len(listener.tweet_ids) >= len(posted) - 1)
        assert sorted(listener.tweet_ids) == posted[1:]
        assert await world.faults() == []


async def assert_refused(world: World, who: Person, text: str) -> None:
    """What a client without our library sees."""
    headers = {"Authorization": f"Bearer {who.session.token}"}
    async with aiohttp.ClientSession(headers=headers) as http:
        async with http.post(f"{world.url}/api/v1/tweets", json={"text": text}) as answer:
            assert answer.status == 503
            assert int(answer.headers["Retry-After"]) >= 1
            assert (await answer.json())["code"] == "store_unavailable"
