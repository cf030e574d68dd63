"""Retweeting, quoting, and taking a retweet back."""

import asyncio

import pytest

from rookery.errors import Forbidden, IdempotencyMismatch, InvalidRequest, InvalidText, NotFound
from rookery.models import PostKind, Tweet, TweetCounts
from rookery.services.ports import Invalidation
from rookery.services.reading.shown import Marks, Unavailable
from rookery.services.tweets.new_tweets import NewTweet, Posted
from rookery.store.engine import WriteBatch
from rookery.store.schema import IDEMPOTENCY, QUOTES, RETWEETED, RETWEETS, TWEETS, USER_COUNTS
from tests.unit.services.server import Server
from tests.unit.services.tweets.people import block, change_user


async def counted(server: Server, tweet: Tweet) -> TweetCounts:
    (counts,) = await server.engagement.counts([tweet.id])
    return counts


async def test_a_retweet_is_unique_under_64_parallel_tries() -> None:
    """Through two gateways: one is new, all have the same id, and the count is one."""
    first = Server()
    servers = [first, Server(first.store, first.clock, worker=1)]
    ann, bob = await first.sign_up("ann"), await first.sign_up("bob")
    tweet = await first.post(ann)
    tries = [servers[each % 2].retweets.retweet(bob, tweet.id) for each in range(64)]
    posted = await asyncio.gather(*tries)
    assert sum(each.is_new for each in posted) == 1
    assert len({each.tweet.id for each in posted}) == 1
    assert len(first.store.documents(RETWEETED)) == len(first.store.documents(RETWEETS)) == 1
    assert await counted(first, tweet) == TweetCounts(retweets=1)


async def test_counts_equal_the_lists_whatever_comes_at_once() -> None:
    """Retweets, undoing and the deletion of the retweet by its own id, in a storm."""
    server = Server()
    users = [await server.sign_up(f"user{number}") for number in range(4)]
    tweet = await server.post(users[0])

    async def act(number: int) -> None:
        user = users[number % 4]
        if number % 3 == 0:
            await server.retweets.undo(user, tweet.id)
            return
        retweet = (await server.retweets.retweet(user, tweet.id)).tweet
        if number % 3 == 1:
            await server.retweets.undo(user, retweet.id)

    await asyncio.gather(*map(act, range(48)))
    rows = server.store.documents(RETWEETS)
    assert (await counted(server, tweet)).retweets == len(rows)
    assert {row["tweet_id"] for row in server.store.documents(RETWEETED)} == {
        row["tweet_id"] for row in rows
    }
    tweets = {row["user_id"]: row["tweets"] for row in server.store.documents(USER_COUNTS)}
    assert sum(tweets.values()) == 1 + len(rows)


async def test_a_retweet_and_the_deletion_of_its_original_leave_nothing() -> None:
    """Whichever comes first, no retweet of what is gone is left."""
    server = Server()
    elsewhere = Server(server.store, server.clock, worker=1)
    ann = await server.sign_up("ann")
    users = [await server.sign_up(f"user{number}") for number in range(20)]
    tweet = await server.post(ann)
    acts = [elsewhere.retweets.retweet(user, tweet.id) for user in users]
    acts.insert(10, server.tweets.delete(ann, tweet.id))  # type: ignore[arg-type]
    outcomes = await asyncio.gather(*acts, return_exceptions=True)
    refused = [each for each in outcomes if isinstance(each, Exception)]
    assert all(isinstance(each, NotFound) for each in refused)
    await server.tweets.removals.settle()
    for collection in (TWEETS, RETWEETS, RETWEETED):
        assert server.store.documents(collection) == []


async def test_a_retweet_of_a_retweet_shows_the_original() -> None:
    """And is the same as one of the original."""
    server = Server()
    ann, bob, cat = [await server.sign_up(name) for name in ("ann", "bob", "cat")]
    tweet = await server.post(ann)
    retweet = (await server.retweets.retweet(bob, tweet.id)).tweet
    again = (await server.retweets.retweet(cat, retweet.id)).tweet
    assert (again.retweet_of_id, again.text, again.kind) == (tweet.id, "", PostKind.RETWEET)
    assert await server.retweets.retweet(cat, tweet.id) == Posted(again, False)
    assert await counted(server, tweet) == TweetCounts(retweets=2)
    assert await counted(server, retweet) == TweetCounts()


async def test_a_comment_makes_a_quote_each_time_anew() -> None:
    """Quotes are counted, and are no retweets."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    tweet = await server.post(ann)
    quotes = [(await server.retweets.retweet(bob, tweet.id, "look")).tweet for _ in range(2)]
    assert [each.quote_of_id for each in quotes] == [tweet.id, tweet.id]
    assert quotes[0].id != quotes[1].id
    assert await counted(server, tweet) == TweetCounts(quotes=2)
    page = await server.retweets.quotes(ann.user_id, tweet.id, 0, 1)
    rest = await server.retweets.quotes(ann.user_id, tweet.id, page.next_id, 1)
    assert [each.id for each in (*page.tweets, *rest.tweets)] == [quotes[1].id, quotes[0].id]
    with pytest.raises(InvalidText):
        await server.retweets.retweet(bob, tweet.id, "x" * 281)
    await server.tweets.delete(bob, quotes[0].id)
    assert await counted(server, tweet) == TweetCounts(quotes=1)


async def test_a_quote_outlives_what_it_quotes() -> None:
    """It says that it is deleted."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    tweet = await server.post(ann)
    quote = (await server.retweets.retweet(bob, tweet.id, "look")).tweet
    await server.tweets.delete(ann, tweet.id)
    shown = await server.reading.one(ann.user_id, quote.id)
    assert shown.quoted == Unavailable(tweet.id, "deleted")
    assert server.store.documents(QUOTES) == []
    await server.tweets.delete(bob, quote.id)  # lowers no count of what is gone
    assert server.store.documents(TWEETS) == []


async def test_taking_a_retweet_back() -> None:
    """By the id of the original, or of any retweet of it; again it changes nothing."""
    server = Server()
    ann, bob, cat = [await server.sign_up(name) for name in ("ann", "bob", "cat")]
    tweet = await server.post(ann)
    other = (await server.retweets.retweet(cat, tweet.id)).tweet
    for by_id in (tweet.id, other.id):
        await server.retweets.retweet(bob, tweet.id)
        assert await server.retweets.undo(bob, by_id)
        assert not await server.retweets.undo(bob, by_id)
    own = (await server.retweets.retweet(bob, tweet.id)).tweet
    assert await server.retweets.undo(bob, own.id)
    assert await counted(server, tweet) == TweetCounts(retweets=1)
    assert (await server.retweets.retweet(bob, tweet.id)).is_new


async def test_taking_back_is_possible_whatever_became_of_the_original() -> None:
    """Its author blocks the retweeter; of what is hidden or never was the answer is the same."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    tweet, hidden = await server.post(ann), await server.post(ann)
    await server.retweets.retweet(bob, tweet.id)
    retweet = (await server.retweets.retweet(ann, tweet.id)).tweet
    await block(server, ann, bob)
    assert not await server.retweets.undo(bob, retweet.id)  # which bob may not see either
    assert await server.retweets.undo(bob, tweet.id)
    for gone in (tweet.id, hidden.id, 404):
        assert not await server.retweets.undo(bob, gone)
        assert await server.retweets.count_shown(bob.user_id, gone) == 0
    assert await server.retweets.count_shown(ann.user_id, tweet.id) == 1


@pytest.mark.parametrize("visibility", ["followers", "mentioned"])
async def test_what_is_not_for_everybody_is_retweeted_by_its_author_alone(visibility: str) -> None:
    """Who may see it gets 403, who may not 404, for retweets and quotes alike."""
    server = Server()
    ann, bob, cat = [await server.sign_up(name) for name in ("ann", "bob", "cat")]
    tweet = await server.tweets.create(ann, NewTweet(text="@bob hi", visibility=visibility))
    for comment in ("", "look"):
        with pytest.raises(Forbidden):
            await server.retweets.retweet(bob, tweet.id, comment)
        with pytest.raises(NotFound, match="Tweet to retweet not found"):
            await server.retweets.retweet(cat, tweet.id, comment)
        with pytest.raises(NotFound, match="Tweet to retweet not found"):
            await server.retweets.retweet(cat, 404, comment)
        assert (await server.retweets.retweet(ann, tweet.id, comment)).is_new


async def test_a_private_account_is_not_retweeted_by_others() -> None:
    """Not even by those who follow it."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    tweet = await server.post(ann)
    await server.graph.follow(bob, ann.user_id)
    await change_user(server, ann, is_private=True)
    with pytest.raises(Forbidden):
        await server.retweets.retweet(bob, tweet.id)
    assert (await server.retweets.retweet(ann, tweet.id)).tweet.kind & PostKind.RESTRICTED


async def test_retweeters_are_newest_first_and_only_those_the_viewer_may_see() -> None:
    """Without who is in a block with the viewer, and without private accounts."""
    server = Server()
    ann = await server.sign_up("ann")
    users = [await server.sign_up(f"user{number}") for number in range(6)]
    tweet = await server.post(ann)
    for user in users:
        await server.retweets.retweet(user, tweet.id)
    await block(server, users[4], ann)
    await change_user(server, users[2], is_private=True)
    ids = [user.user_id for user in users]
    first, before = await server.retweets.retweeters(ann.user_id, tweet.id, 0, 2)
    rest, end = await server.retweets.retweeters(ann.user_id, tweet.id, before, 2)
    assert (first, rest, end) == ([ids[5], ids[3]], [ids[1], ids[0]], 0)
    mine = await server.retweets.retweeters(users[2].user_id, tweet.id, 0, 20)
    assert mine.ids == ids[::-1]
    with pytest.raises(NotFound):
        await server.retweets.retweeters(users[4].user_id, tweet.id, 0, 20)
    with pytest.raises(InvalidRequest):
        await server.retweets.retweeters(ann.user_id, tweet.id, 0, 101)


async def test_ones_own_retweet_is_seen_in_the_next_read() -> None:
    """The mark and the count, in every process, whether made, taken back or deleted."""
    server = Server()
    ann = await server.sign_up("ann")
    tweet = await server.post(ann)

    async def seen() -> tuple[int | None, int]:
        shown = await server.reading.one(ann.user_id, tweet.id)
        return shown.marks, shown.entry.counts.retweets

    assert await seen() == (0, 0)
    retweet = (await server.retweets.retweet(ann, tweet.id)).tweet
    await server.changes.settled()
    told = Invalidation(counts=[tweet.id], viewers=[ann.user_id])
    assert server.broadcasts.sent[-1] == told
    assert await seen() == (Marks.RETWEETED, 1)
    await server.tweets.delete(ann, retweet.id)
    assert server.broadcasts.sent[-1] == Invalidation(
        tweets=[retweet.id], counts=[tweet.id], viewers=[ann.user_id]
    )
    assert await seen() == (0, 0)


async def test_the_same_key_retweets_and_quotes_once() -> None:
    """For something else the key is refused."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    tweet = await server.post(ann)
    for comment in ("", "look"):
        key = f"key {comment}"
        tries = [server.retweets.retweet(bob, tweet.id, comment, key) for _ in range(3)]
        posted = await asyncio.gather(*tries)
        assert sum(each.is_new for each in posted) == 1
        assert len({each.tweet.id for each in posted}) == 1
        with pytest.raises(IdempotencyMismatch):
            await server.retweets.retweet(bob, tweet.id, "another comment", key)


async def test_a_late_repetition_does_not_retweet_anew() -> None:
    """The key was used when the tweet was retweeted already, which is its outcome."""
    server = Server()
    ann = await server.sign_up("ann")
    tweet = await server.post(ann)
    retweet = (await server.retweets.retweet(ann, tweet.id)).tweet
    assert await server.retweets.retweet(ann, tweet.id, "", "key") == Posted(retweet, False)
    assert len(server.store.documents(IDEMPOTENCY)) == 1
    await server.retweets.undo(ann, tweet.id)
    with pytest.raises(NotFound):
        await server.retweets.retweet(ann, tweet.id, "", "key")
    assert server.store.documents(RETWEETED) == []


async def test_a_retweet_taken_back_at_the_same_moment_is_made_anew() -> None:
    """The batch fails because there is one, which is gone when it is looked for."""
    server = Server()
    ann = await server.sign_up("ann")
    tweet = await server.post(ann)
    former = (await server.retweets.retweet(ann, tweet.id)).tweet
    retweet_of = server.tweets._posting._retweets.retweet_of

    async def undone_first(user_id: int, original_id: int) -> int | None:
        server.tweets._posting._retweets.retweet_of = retweet_of  # type: ignore[method-assign]
        await server.retweets.undo(ann, tweet.id)
        return await retweet_of(user_id, original_id)

    server.tweets._posting._retweets.retweet_of = undone_first  # type: ignore[method-assign]
    posted = await server.retweets.retweet(ann, tweet.id)
    assert posted.is_new
    assert posted.tweet.id != former.id


async def test_a_retweet_of_what_is_deleted_meanwhile_is_not_found() -> None:
    """Deleted between the read and the write: nothing is written."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    tweet = await server.post(ann)

    async def delete_first(batch: WriteBatch) -> None:
        server.store.before_write = None
        await server.tweets.delete(ann, tweet.id)

    server.store.before_write = delete_first
    with pytest.raises(NotFound, match="Tweet to retweet not found"):
        await server.retweets.retweet(bob, tweet.id)
    assert server.store.documents(TWEETS) == server.store.documents(RETWEETED) == []
