"""A whole server whose store goes away and comes back: shard, gateway and caches as they are."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from rookery.client import Retries, Unavailable
from rookery.errors import StoreUnavailable
from rookery.store.sqlite import SqliteReader, SqliteWriter
from tests.integration.server.world import ServerThread, World, newest_first, settled, until

READS = ("get", "get_many", "range", "select", "select_many", "select_several")


class Switch:
    """While `is_away`, every read and write of SQLite in this process fails."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_away = False
        for owner, names in ((SqliteReader, READS), (SqliteWriter, ("write", "write_many"))):
            for name in names:
                monkeypatch.setattr(owner, name, self._failing(getattr(owner, name)))

    def _failing(self, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def call(*args: Any, **options: Any) -> Any:
            if self.is_away:
                raise StoreUnavailable()
            return await method(*args, **options)

        return call


async def test_a_server_outlives_an_absence_of_its_store(
    start_inline: Callable[..., Awaitable[ServerThread]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Warm homes read, cold ones and changes are 503, and all is well afterwards by itself."""
    switch = Switch(monkeypatch)
    server = await start_inline(auth={"recheck_s": 0.001})
    async with World(server) as world:
        ada, bob = await world.people(2)
        tweet_ids = [int((await ada.client.post(f"number {n}")).id) for n in range(3)]
        await settled(world)
        reader = await world.client(token=ada.client.token, retries=Retries(1))
        cold = await world.client(token=bob.client.token, retries=Retries(1))
        await cold.me()
        before = (await reader.home().page()).items
        assert newest_first(before) == newest_first(tweet_ids)

        switch.is_away = True
        assert (await reader.home().page()).items == before
        for refused in (cold.home().page(), reader.post("lost"), reader.me()):
            with pytest.raises(Unavailable) as told:
                await refused
            assert told.value.retry_after_s
        readiness = await reader.ready()
        assert not readiness.ready
        assert not readiness.checks["store"]
        assert (await reader.health()).status == "ok"

        switch.is_away = False
        async with asyncio.timeout(10):
            posted = await ada.client.post("found")
        await settled(world)
        page = (await reader.home().page()).items
        assert newest_first(page) == newest_first([*tweet_ids, int(posted.id)])
        assert (await cold.home().page()).items == []

        async def is_ready() -> bool:
            return (await reader.ready()).ready

        await until(is_ready, what="readiness, some seconds after the last refused write")
