"""Counts are compared with their lists, and put right."""

from rookery.services.references import Checked, References, WrongReference
from rookery.services.tweets import NewTweet
from rookery.store.engine import Delete, Increment, Insert, WriteBatch
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
    found: list[Checked] = [each async for each in references.run(repair=repair)]
    return [wrong for each in found for wrong in each.wrong]


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
    assert await check(server, repair=False) == []
