"""Pins."""

import asyncio

import pytest

from rookery.errors import Conflict, Forbidden, InvalidRequest, NotFound, Protected
from rookery.models import UserCounts
from rookery.services.ports import Invalidation
from rookery.services.tweets.pins import MAX_PINS
from rookery.store.records.users import Users
from rookery.store.schema import PINS
from tests.unit.services.server import Server
from tests.unit.services.tweets.people import change_user


async def pins_counted(server: Server, user_id: int) -> int:
    counts: list[UserCounts] = await Users(server.store).counts_many([user_id])
    return counts[0].pins


async def test_a_pin_is_counted_once_and_taken_away_once() -> None:
    """In the list, of the user and of the tweet."""
    server = Server()
    ann = await server.sign_up("ann")
    tweet = await server.post(ann)
    for changes in (True, False):
        assert await server.pins.pin(ann, tweet.id) == changes
        assert await pins_counted(server, ann.user_id) == 1
        assert (await server.reading.one(None, tweet.id)).entry.counts.pins == 1
    for changes in (True, False):
        assert await server.pins.unpin(ann, tweet.id) == changes
        assert await pins_counted(server, ann.user_id) == 0
        assert (await server.reading.one(None, tweet.id)).entry.counts.pins == 0
    assert not await server.pins.unpin(ann, 404)
    assert server.store.documents(PINS) == []


async def test_at_most_five_are_pinned_however_many_try_at_once() -> None:
    """Through two gateways; one that is pinned may be pinned again."""
    first = Server()
    servers = [first, Server(first.store, first.clock, worker=1)]
    ann = await first.sign_up("ann")
    tweets = [await first.post(ann) for _ in range(12)]
    tries = [servers[at % 2].pins.pin(ann, tweet.id) for at, tweet in enumerate(tweets)]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    assert outcomes.count(True) == MAX_PINS == 5
    assert sum(isinstance(each, Conflict) for each in outcomes) == 7
    assert len(first.store.documents(PINS)) == await pins_counted(first, ann.user_id) == MAX_PINS
    pinned, other = (tweets[outcomes.index(each)] for each in (True, outcomes[-1]))
    assert not await first.pins.pin(ann, pinned.id)
    if isinstance(outcomes[-1], Conflict):
        await first.pins.unpin(ann, pinned.id)
        assert await first.pins.pin(ann, other.id)


async def test_only_ones_own_tweets_are_pinned() -> None:
    """No retweets; and of what one may not see nothing is told."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    tweet = await server.post(ann)
    with pytest.raises(Forbidden):
        await server.pins.pin(bob, tweet.id)
    retweet = (await server.retweets.retweet(bob, tweet.id)).tweet
    with pytest.raises(InvalidRequest):
        await server.pins.pin(bob, retweet.id)
    await change_user(server, ann, is_private=True)
    for hidden in (tweet.id, 404):
        with pytest.raises(NotFound, match="Tweet not found"):
            await server.pins.pin(bob, hidden)
    assert not await server.pins.unpin(bob, tweet.id)


async def test_pins_are_newest_first_page_by_page() -> None:
    """By the moment of pinning."""
    server = Server()
    ann = await server.sign_up("ann")
    tweets = [await server.post(ann) for _ in range(4)]
    for each in (2, 0, 3):
        await server.pins.pin(ann, tweets[each].id)
    first = await server.pins.of_user(None, ann.user_id, 0, 2)
    rest = await server.pins.of_user(None, ann.user_id, first.next_id, 2)
    ids = [tweets[each].id for each in (3, 0, 2)]
    assert [each.id for each in (*first.tweets, *rest.tweets)] == ids
    assert rest.next_id == 0


async def test_pins_of_a_private_account_are_protected() -> None:
    """For who is not approved; nobody's are not found."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    tweet = await server.post(ann)
    await server.pins.pin(ann, tweet.id)
    await change_user(server, ann, is_private=True)
    with pytest.raises(Protected):
        await server.pins.of_user(bob.user_id, ann.user_id, 0, 20)
    with pytest.raises(NotFound):
        await server.pins.of_user(bob.user_id, 404, 0, 20)
    assert len((await server.pins.of_user(ann.user_id, ann.user_id, 0, 20)).tweets) == 1


async def test_a_pin_is_told_as_a_count_of_its_tweet() -> None:
    """So that no process shows the tweet as it was."""
    server = Server()
    ann = await server.sign_up("ann")
    tweet = await server.post(ann)
    await server.pins.pin(ann, tweet.id)
    assert server.broadcasts.sent[-1] == Invalidation(counts=[tweet.id])
