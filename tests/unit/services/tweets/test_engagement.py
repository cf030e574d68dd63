"""Liking and unliking."""

import asyncio
import random

import msgspec
import pytest

from rookery.errors import InvalidRequest, NotFound, Protected, Unavailable
from rookery.models import Identity, Tweet, TweetCounts
from rookery.services.ports import Invalidation
from rookery.services.reading.shown import Marks
from rookery.store.engine import WriteBatch
from rookery.store.records.users import Users
from rookery.store.schema import FAVOURITERS, FAVOURITES, TWEET_COUNTS, USER_COUNTS
from tests.unit.services.reading.rows import add, block
from tests.unit.services.server import Server


async def likes(server: Server, user: Identity, tweet: Tweet) -> bool:
    """Whether the user is shown that they like the tweet."""
    [shown] = await server.reading.tweets(user.user_id, [tweet.id])
    assert shown.marks is not None
    return bool(shown.marks & Marks.LIKED)


async def test_a_like_writes_both_directions_and_counts_in_one_batch() -> None:
    """Nothing of a like can exist without the rest."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    tweet = await server.post(ann)
    batches = len(server.store.batches)
    assert await server.engagement.like(bob, tweet.id)
    assert len(server.store.batches) == batches + 1
    [favourite] = server.store.documents(FAVOURITES)
    assert (favourite["user_id"], favourite["tweet_id"]) == (bob.user_id, tweet.id)
    assert server.store.documents(FAVOURITERS) == [favourite]
    assert await server.engagement.counts([tweet.id]) == [TweetCounts(likes=1)]
    likes = {row["user_id"]: row["likes"] for row in server.store.documents(USER_COUNTS)}
    assert likes == {ann.user_id: 0, bob.user_id: 1}


async def test_liking_and_unliking_twice_changes_nothing() -> None:
    """The answer says whether anything changed."""
    server = Server()
    ann = await server.sign_up("ann")
    tweet = await server.post(ann)
    assert not await server.engagement.unlike(ann, tweet.id)
    assert await server.engagement.like(ann, tweet.id)
    assert not await server.engagement.like(ann, tweet.id)
    assert await server.engagement.unlike(ann, tweet.id)
    assert not await server.engagement.unlike(ann, tweet.id)
    assert server.store.documents(FAVOURITES) == server.store.documents(FAVOURITERS) == []
    assert await server.engagement.counts([tweet.id]) == [TweetCounts()]


async def test_an_unknown_tweet_is_not_found() -> None:
    """But for taking a like back, which is the same wherever there is none."""
    server = Server()
    ann = await server.sign_up("ann")
    with pytest.raises(NotFound):
        await server.engagement.like(ann, 404)
    assert not await server.engagement.unlike(ann, 404)
    with pytest.raises(NotFound):
        await server.likes.likers(None, 404, 0, 20)
    with pytest.raises(NotFound):
        await server.likes.liked_by(None, 404, 0, 20)


async def test_counts_do_not_drift_under_concurrent_changes() -> None:
    """Whatever order a storm of likes and unlikes takes, counts equal the favourites."""
    server = Server()
    users = [await server.sign_up(f"user{n}") for n in range(3)]
    tweets = [await server.post(user) for user in users]
    chance = random.Random(3)
    requests = []
    for _ in range(300):
        act = chance.choice([server.engagement.like, server.engagement.unlike])
        requests.append(act(chance.choice(users), chance.choice(tweets).id))
    changed = await asyncio.gather(*requests)
    assert 0 < sum(changed) < 300
    favourites = server.store.documents(FAVOURITES)
    assert len(favourites) == len(server.store.documents(FAVOURITERS))
    for row in server.store.documents(TWEET_COUNTS):
        assert row["likes"] == sum(f["tweet_id"] == row["tweet_id"] for f in favourites)
    for row in server.store.documents(USER_COUNTS):
        assert row["likes"] == sum(f["user_id"] == row["user_id"] for f in favourites)


async def test_likes_at_the_same_time_are_announced_together() -> None:
    """Likes that come while a broadcast is under way go out together."""
    server = Server()
    users = [await server.sign_up(f"user{n}") for n in range(10)]
    tweet, other = await server.post(users[0]), await server.post(users[0])
    await asyncio.gather(*(server.engagement.like(user, tweet.id) for user in users))
    await server.engagement.like(users[0], other.id)
    await server.changes.settled()
    announced = [tweet_id for change in server.broadcasts.sent for tweet_id in change.counts]
    assert set(announced) == {tweet.id, other.id}
    assert len(server.broadcasts.sent) < 6


async def test_likers_are_newest_first_and_paged() -> None:
    """By the time of liking."""
    server = Server()
    users = [await server.sign_up(f"user{n}") for n in range(5)]
    tweet = await server.post(users[0])
    order = random.Random(2).sample(users, 5)
    for user in order:
        await server.engagement.like(user, tweet.id)
    first, before = await server.likes.likers(None, tweet.id, 0, 3)
    rest, end = await server.likes.likers(None, tweet.id, before, 3)
    assert first + rest == [user.user_id for user in reversed(order)]
    assert end == 0


async def test_liked_tweets_leave_out_the_deleted_and_fill_the_page() -> None:
    """A page is full although half of what it would have shown is gone."""
    server = Server()
    ann = await server.sign_up("ann")
    tweets = [await server.post(ann) for _ in range(9)]
    for tweet in tweets:
        await server.engagement.like(ann, tweet.id)
    for tweet in tweets[1::2]:
        await server.tweets.delete(ann, tweet.id)
    kept = [tweet.id for tweet in reversed(tweets[::2])]
    first = await server.likes.liked_by(None, ann.user_id, 0, 3)
    rest = await server.likes.liked_by(None, ann.user_id, first.next_id, 3)
    assert (first.ids, rest.ids, rest.next_id) == (kept[:3], kept[3:], 0)


async def test_a_limit_out_of_bounds_is_refused() -> None:
    """Pages have 1 to 100 entries."""
    server = Server()
    ann = await server.sign_up("ann")
    with pytest.raises(InvalidRequest):
        await server.likes.liked_by(None, ann.user_id, 0, 101)


async def test_the_users_own_like_is_seen_at_once() -> None:
    """Although what the user likes was cached a moment before."""
    server = Server()
    ann = await server.sign_up("ann")
    tweet = await server.post(ann)
    assert not await likes(server, ann, tweet)
    await server.engagement.like(ann, tweet.id)
    assert await likes(server, ann, tweet)
    await server.engagement.unlike(ann, tweet.id)
    assert not await likes(server, ann, tweet)


async def test_a_like_of_unknown_outcome_is_not_hidden_by_the_cache() -> None:
    """The store took it, but the answer was lost: the next read asks the store."""
    server = Server()
    ann = await server.sign_up("ann")
    tweet = await server.post(ann)
    assert not await likes(server, ann, tweet)
    write = server.store.write

    async def losing_the_answer(batch: WriteBatch) -> None:
        await write(batch)
        raise Unavailable()

    server.store.write = losing_the_answer  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        await server.engagement.like(ann, tweet.id)
    assert await likes(server, ann, tweet)


async def test_invalidations_name_counts_and_liker_only() -> None:
    """A like must not make gateways read the tweet's text again."""
    server = Server()
    ann = await server.sign_up("ann")
    tweet = await server.post(ann)
    await server.engagement.like(ann, tweet.id)
    await server.changes.settled()
    assert server.broadcasts.sent == [Invalidation(counts=[tweet.id], viewers=[ann.user_id])]


async def test_a_tweet_that_is_not_for_the_user_is_not_found() -> None:
    """A like from before can still be taken back, which tells nothing."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    tweet = await server.post(ann)
    await server.engagement.like(bob, tweet.id)
    await add(server.store, *block(ann.user_id, bob.user_id))
    server.reading.invalidate(Invalidation(viewers=[ann.user_id, bob.user_id]))
    batches = len(server.store.batches)
    with pytest.raises(NotFound):
        await server.engagement.like(bob, tweet.id)
    assert len(server.store.batches) == batches
    assert await server.engagement.unlike(bob, tweet.id)
    assert server.store.documents(FAVOURITES) == []
    for hidden in (tweet.id, 404):
        assert not await server.engagement.unlike(bob, hidden)
        assert await server.engagement.likes_shown(bob.user_id, hidden) == 0


async def test_nobody_replies_to_what_is_not_for_them() -> None:
    """As to a tweet that is not there."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    tweet = await server.post(ann)
    await add(server.store, *block(ann.user_id, bob.user_id))
    batches = len(server.store.batches)
    with pytest.raises(NotFound, match="Tweet to reply to not found"):
        await server.post(bob, "reply", tweet)
    assert len(server.store.batches) == batches


async def test_likers_are_those_whose_likes_the_viewer_may_know() -> None:
    """Without who is in a block with the viewer, hides likes, or is private and not followed."""
    server = Server()
    ann, bob, cyd = [await server.sign_up(name) for name in ("ann", "bob", "cyd")]
    tweet = await server.post(ann)
    for user in (ann, bob, cyd):
        await server.engagement.like(user, tweet.id)

    async def likers(viewer: Identity | None) -> list[int]:
        viewer_id = None if viewer is None else viewer.user_id
        return (await server.likes.likers(viewer_id, tweet.id, 0, 20)).ids

    everybody = [cyd.user_id, bob.user_id, ann.user_id]
    assert await likers(None) == await likers(ann) == everybody
    for change in ({"is_private": True}, {"is_private": False, "hide_likes": True}):
        await change_user(server, bob, **change)
        assert await likers(None) == await likers(ann) == [cyd.user_id, ann.user_id]
        assert await likers(bob) == everybody
        with pytest.raises(Protected):
            await server.likes.liked_by(ann.user_id, bob.user_id, 0, 20)
        assert (await server.likes.liked_by(bob.user_id, bob.user_id, 0, 20)).ids == [tweet.id]
    await add(server.store, *block(cyd.user_id, ann.user_id))
    server.reading.invalidate(Invalidation(viewers=[ann.user_id, cyd.user_id]))
    assert await likers(ann) == [ann.user_id]
    with pytest.raises(NotFound):
        await likers(cyd)


async def change_user(server: Server, user: Identity, **fields: bool) -> None:
    former = await Users(server.store).get(user.user_id)
    assert former is not None
    changed = msgspec.structs.replace(former, version=former.version + 1, **fields)
    await server.store.write(WriteBatch(Users.replace(former, changed)))
    server.reading.invalidate(Invalidation(users=[user.user_id]))
