"""Counts are compared with their lists, and put right."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from rookery.models import Identity
from rookery.services.accounts.profiles import ProfileChanges
from rookery.services.checking.counts import Counts
from rookery.services.checking.findings import WrongReference
from rookery.services.checking.orphans import Orphans
from rookery.services.checking.references import References
from rookery.services.tweets.tweets import NewTweet
from rookery.store.engine import Collection, Delete, Increment, Insert, WriteBatch
from rookery.store.schema import (
    FAVOURITERS,
    FAVOURITES,
    REMOVALS,
    TWEET_COUNTS,
    TWEETS,
    USER_COUNTS,
)
from tests.unit.services.server import Server


async def check(server: Server, *, repair: bool) -> list[WrongReference]:
    references = References(server.store, server.tweets.removals)
    return [wrong async for each in references.run(repair=repair) for wrong in each.wrong]


async def check_counts(server: Server) -> list[WrongReference]:
    """Check and repair counts alone, so that nothing else reads their lists."""
    return [wrong async for each in Counts(server.store).run(repair=True) for wrong in each.wrong]


Act = Callable[[], Awaitable[object]]


def around(
    monkeypatch: pytest.MonkeyPatch,
    server: Server,
    method: str,
    collection: Collection,
    acts: list[tuple[Act | None, Act | None]],
) -> None:
    """Let others act before and after reads of a collection: a pair for each such read."""
    read = getattr(server.store, method)
    left = list(acts)

    async def hooked(of: Collection, *args: Any, **options: Any) -> Any:
        before, after = left.pop(0) if of is collection and left else (None, None)
        if before is not None:
            await before()
        found = await read(of, *args, **options)
        if after is not None:
            await after()
        return found

    monkeypatch.setattr(server.store, method, hooked)


async def test_nothing_is_wrong_with_what_was_done_here() -> None:
    """Posts, replies, retweets, likes, follows and deletions leave counts and lists equal."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    tweet = await server.post(ann)
    gone = await server.post(ann, "reply", tweet)
    for each in (tweet, gone):
        await server.engagement.like(bob, each.id)
    await server.tweets.create(bob, NewTweet(text="", retweet_of_id=tweet.id))
    await server.graph.follow(bob, ann.user_id)
    await server.tweets.delete(ann, gone.id)
    assert await check(server, repair=False) == []


async def test_nothing_is_wrong_with_what_people_do_to_each_other() -> None:
    """Private accounts, blocks, retweets, quotes, bookmarks and pins, done, undone and deleted."""
    server = Server()
    ann, bob, cid = [await server.sign_up(name) for name in ("ann", "bob", "cid")]
    await server.profiles.update(cid, ProfileChanges(is_private=True))
    for follower, followee in ((ann, bob), (bob, ann), (ann, cid), (bob, cid)):
        await server.graph.follow(follower, followee.user_id)
    await server.requests.approve(cid, ann.user_id)
    tweets = [await server.post(ann) for _ in range(3)]
    for each in tweets[:2]:
        await server.retweets.retweet(bob, each.id)
        await server.tweets.create(cid, NewTweet(text="for few", retweet_of_id=each.id))
        await server.tweets.create(bob, NewTweet(text="for all", retweet_of_id=each.id))
        await server.engagement.like(bob, each.id)
        await server.bookmarks.add(bob, each.id)
        await server.pins.pin(ann, each.id)
    await server.pins.unpin(ann, tweets[1].id)
    await server.retweets.undo(bob, tweets[1].id)
    assert await check(server, repair=False) == []
    await server.tweets.delete(ann, tweets[0].id)
    await server.blocks.block(ann, bob.user_id)
    await server.blocks.block(cid, bob.user_id)
    assert await check(server, repair=False) == []
    counts = {row["tweet_id"]: row["quotes"] for row in server.store.documents(TWEET_COUNTS)}
    assert counts[tweets[1].id] == 1


async def test_wrong_counts_are_found_and_put_right() -> None:
    """Of users and of tweets, too high, too low, or not there at all."""
    server = Server()
    ann = await server.sign_up("ann")
    tweet = await server.post(ann)
    await server.engagement.like(ann, tweet.id)
    await server.store.write(
        WriteBatch(
            (
                Increment(USER_COUNTS.name, (ann.user_id,), {"likes": 2, "followers": -1}),
                Delete(TWEET_COUNTS.name, (tweet.id,)),
            )
        )
    )
    expected = [
        WrongReference(owner="user", id=ann.user_id, what="likes", counted=3, listed=1),
        WrongReference(owner="user", id=ann.user_id, what="followers", counted=-1, listed=0),
        WrongReference(owner="tweet", id=tweet.id, what="likes", counted=0, listed=1),
    ]
    assert await check(server, repair=False) == expected
    assert await check(server, repair=True) == expected
    assert await check(server, repair=True) == []


async def test_likes_of_a_tweet_that_is_gone_are_cleared_away() -> None:
    """With their effect on the counts of who liked it, as an earlier release left them."""
    server = Server()
    ann = await server.sign_up("ann")
    tweet = await server.post(ann)
    await server.engagement.like(ann, tweet.id)
    await server.store.write(WriteBatch((Delete(TWEETS.name, (tweet.id,)),)))
    (wrong,) = await check(server, repair=True)
    assert (wrong.id, wrong.what, wrong.listed) == (tweet.id, "favouriters", 1)
    for collection in (FAVOURITERS, FAVOURITES, REMOVALS):
        assert server.store.documents(collection) == []
    assert server.store.documents(USER_COUNTS)[0]["likes"] == 0


async def test_a_count_that_moves_is_not_called_wrong() -> None:
    """A like that comes while its list is counted leaves both right."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    tweet = await server.post(ann)
    await server.engagement.like(ann, tweet.id)
    await server.store.write(
        WriteBatch((Increment(USER_COUNTS.name, (ann.user_id,), {"likes": 1}),))
    )

    async def like_first(batch: WriteBatch) -> None:
        server.store.before_write = None
        other = await server.post(bob)
        await server.engagement.like(ann, other.id)

    server.store.before_write = like_first
    await check(server, repair=True)
    assert await check(server, repair=False) == []
    counts = {row["user_id"]: row["likes"] for row in server.store.documents(USER_COUNTS)}
    assert counts[ann.user_id] == 2


async def test_a_long_list_is_counted_whole() -> None:
    """Over several reads."""
    server = Server()
    ann = await server.sign_up("ann")
    likes = [
        Insert(FAVOURITES.name, {"user_id": ann.user_id, "tweet_id": n, "favourite_id": n})
        for n in range(1, 5_011)
    ]
    counted = Increment(USER_COUNTS.name, (ann.user_id,), {"likes": len(likes)})
    await server.store.write(WriteBatch((*likes, counted)))
    assert await check_counts(server) == []


async def test_a_right_count_is_not_called_wrong_because_likes_come_and_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The count is the same before and after its list is read, and the list never was that."""
    server = Server()
    ann, bob, cid = [await server.sign_up(name) for name in ("ann", "bob", "cid")]
    tweet = await server.post(ann)
    await server.engagement.like(ann, tweet.id)

    def likes(user: Identity) -> Act:
        return lambda: server.engagement.like(user, tweet.id)

    def unlikes(user: Identity) -> Act:
        return lambda: server.engagement.unlike(user, tweet.id)

    around(monkeypatch, server, "select_many", FAVOURITERS, [(unlikes(ann), likes(bob))])
    around(monkeypatch, server, "select", FAVOURITERS, [(unlikes(bob), likes(cid))])
    assert await check_counts(server) == []
    [counts] = server.store.documents(TWEET_COUNTS)
    assert counts["likes"] == 1


async def test_a_like_that_comes_and_goes_between_two_looks_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The list is the same before and after its count is read, and the count never was that."""
    server = Server()
    ann, bob = [await server.sign_up(name) for name in ("ann", "bob")]
    tweet = await server.post(ann)

    def like() -> Awaitable[object]:
        return server.engagement.like(bob, tweet.id)

    def unlike() -> Awaitable[object]:
        return server.engagement.unlike(bob, tweet.id)

    around(monkeypatch, server, "select_many", FAVOURITERS, [(like, None)])
    around(monkeypatch, server, "select", FAVOURITERS, [(unlike, like), (unlike, None)])
    assert await check_counts(server) == []
    [counts] = server.store.documents(TWEET_COUNTS)
    assert counts["likes"] == 0


async def test_a_tweet_that_is_deleted_meanwhile_gets_no_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its count goes at once, its likes by and by: they are not to be equal."""
    server = Server()
    ann = await server.sign_up("ann")
    tweet = await server.post(ann)
    await server.engagement.like(ann, tweet.id)

    async def delete() -> None:
        operations = await server.tweets.removals.deleting(tweet, is_own=True)
        await server.store.write(WriteBatch(operations))

    around(monkeypatch, server, "get_many", TWEET_COUNTS, [(delete, None)])
    assert await check_counts(server) == []
    assert server.store.documents(TWEET_COUNTS) == []


async def test_a_list_that_was_just_cleared_away_is_not_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A deletion may end between the read of the list's owner and that of the tweet."""
    server = Server()
    ann = await server.sign_up("ann")
    tweet = await server.post(ann)
    await server.engagement.like(ann, tweet.id)
    deletes = (None, lambda: server.tweets.delete(ann, tweet.id))
    around(monkeypatch, server, "select", FAVOURITERS, [deletes])
    orphans = Orphans(server.store, server.tweets.removals)
    assert [each.wrong async for each in orphans.lists(repair=False)] == [[]]
