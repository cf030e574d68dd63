"""Accounts that are hidden, over every engine: suspended while devices log in, blocked back, and
counted as they are shown."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import cast

import pytest
import pytest_asyncio

from rookery.errors import Forbidden
from rookery.services.checking.counts import Counts
from rookery.services.tweets.new_tweets import NewTweet
from rookery.store.engine import Store
from rookery.store.schema import BLOCKED_BY, BLOCKS, COLLECTIONS, DEVICES, MUTES
from tests.contract.conftest import ENGINES, OPENED
from tests.unit.memory_store import MemoryStore
from tests.unit.services.server import Server

ROUNDS = 8
LOG_INS = 4


@pytest_asyncio.fixture(params=ENGINES)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store of each engine, with the collections of Rookery."""
    async with OPENED[request.param](request, tmp_path, COLLECTIONS) as opened:
        yield opened.store


def gateway(store: Store, worker: int = 0) -> Server:
    """The services over a store of any engine."""
    return Server(cast(MemoryStore, store), worker=worker)


async def test_no_device_of_a_suspended_account_is_left(store: Store) -> None:
    """However many log in at the same moment, through another process."""
    here, there = gateway(store), gateway(store, worker=1)
    for server in (here, there):
        await server.keys.load()
    await here.sign_up("ada")
    for number in range(ROUNDS):
        acts: list[Awaitable[object]] = [there.accounts.issue_for("ada") for _ in range(LOG_INS)]
        acts.insert(number % (LOG_INS + 1), here.suspensions.suspend("ada"))
        for outcome in await asyncio.gather(*acts, return_exceptions=True):
            assert not isinstance(outcome, BaseException) or isinstance(outcome, Forbidden)
        assert await store.reader.range(DEVICES, limit=100) == []
        await here.suspensions.restore("ada")
    await there.accounts.issue_for("ada")
    assert len(await store.reader.range(DEVICES, limit=100)) == 1


async def test_who_is_hidden_is_blocked_and_muted(store: Store) -> None:
    """Nobody is, where there is nobody; all of it is ended again."""
    server = gateway(store)
    ada, bob = await server.sign_up("ada"), await server.sign_up("bob")
    await server.blocks.block(ada, bob.user_id)
    for user_id in (ada.user_id, 404):
        await server.blocks.block(bob, user_id)
        await server.mutes.mute(bob, user_id, 60)
    for collection in (BLOCKS, BLOCKED_BY):
        assert len(await store.reader.range(collection, limit=10)) == 2
    assert [each["muted_id"] for each in await store.reader.range(MUTES, limit=10)] == [ada.user_id]
    for user_id in (ada.user_id, 404):
        await server.blocks.unblock(bob, user_id)
        await server.mutes.unmute(bob, user_id)
    assert len(await store.reader.range(BLOCKS, limit=10)) == 1
    assert await store.reader.range(MUTES, limit=10) == []


async def test_counts_are_as_they_are_shown(store: Store) -> None:
    """Pins by the viewer, tweets but for those for whom they mention; the check agrees."""
    server = gateway(store)
    ada, bob = await server.sign_up("ada"), await server.sign_up("bob")
    for visibility in ("public", "followers", "mentioned"):
        tweet = await server.tweets.create(ada, NewTweet(text="hi", visibility=visibility))
        await server.pins.pin(ada, tweet.id)
    for viewer, pins in ((bob, 1), (ada, 3)):
        counts = (await server.profiles.by_id(ada.user_id, viewer.user_id)).counts
        assert (counts.pins, counts.tweets) == (pins, 2)
    found = [each.wrong async for each in Counts(store).run(repair=False)]
    assert not any(found)
