"""What a deleted tweet leaves behind is cleared away, whole and once."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rookery.errors import NotFound, StoreUnavailable
from rookery.events.encoding import decoded
from rookery.events.kinds import TweetDeleted
from rookery.ids import first_id_at
from rookery.messages import Invalidation
from rookery.models import Identity, Tweet
from rookery.services.deferred import LOOK_S
from rookery.services.tweets.removals import AWAITED_STEPS, STEP, Removals
from rookery.services.tweets.tweets import NewTweet
from rookery.store.engine import Expect, Insert, Put, WriteBatch
from rookery.store.records.outbox import stored_event
from rookery.store.records.removals import OVERTAKEN
from rookery.store.schema import (
    BOOKMARKERS,
    BOOKMARKS,
    CONVERSATIONS,
    FAVOURITERS,
    FAVOURITES,
    OUTBOX,
    PINS,
    POSTS,
    QUOTES,
    REMOVALS,
    REPLIES,
    RETWEETS,
    TOMBSTONES,
    TWEET_COUNTS,
    TWEET_EDITS,
    TWEETS,
    USER_COUNTS,
)
from tests.unit.services.server import Server
from tests.unit.services.tweets.people import change_user


def likes_of(server: Server) -> dict[int, int]:
    """The counts of those who like something."""
    counts = {row["user_id"]: row["likes"] for row in server.store.documents(USER_COUNTS)}
    return {user_id: likes for user_id, likes in counts.items() if likes}


def listed_likes(server: Server) -> dict[int, int]:
    """The same, counted in the list."""
    return dict(Counter(row["user_id"] for row in server.store.documents(FAVOURITES)))


async def liked_by_many(server: Server, author: Identity, count: int) -> Tweet:
    """A tweet that `count` users like, written as loaded data is."""
    tweet = await server.post(author)
    rows: list[Any] = []
    for number in range(count):
        like = {"user_id": 1000 + number, "tweet_id": tweet.id, "favourite_id": 1 + number}
        rows += [Insert(FAVOURITES.name, like), Insert(FAVOURITERS.name, like)]
        rows.append(Put(USER_COUNTS.name, {"user_id": 1000 + number, "likes": 1}))
    rows.append(Put(TWEET_COUNTS.name, {"tweet_id": tweet.id, "likes": count}))
    await server.store.write(WriteBatch(tuple(rows)))
    return tweet


async def retweeted_by_many(server: Server, tweet: Tweet, count: int) -> None:
    """As many users retweet a tweet."""
    for number in range(count):
        user = await server.sign_up(f"user{number}")
        await server.retweets.retweet(user, tweet.id)


async def test_a_deleted_tweet_takes_its_likes_with_it() -> None:
    """Both directions, and the counts of those who liked it, before the deletion is answered."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    tweet, other = await server.post(ann), await server.post(ann)
    for identity in (ann, bob):
        await server.engagement.like(identity, tweet.id)
    await server.engagement.like(bob, other.id)
    await server.tweets.delete(ann, tweet.id)
    assert likes_of(server) == {bob.user_id: 1}
    assert [row["tweet_id"] for row in server.store.documents(FAVOURITES)] == [other.id]
    assert [row["tweet_id"] for row in server.store.documents(FAVOURITERS)] == [other.id]
    assert server.store.documents(REMOVALS) == []


async def test_a_tweet_that_many_like_is_cleared_in_bounded_steps() -> None:
    """The deletion itself is of one size, and so is each step after it."""
    server = Server()
    ann = await server.sign_up("ann")
    tweet = await liked_by_many(server, ann, 10 * STEP + 1)
    written = len(server.store.batches)
    await server.tweets.delete(ann, tweet.id)
    assert len(server.store.batches) - written <= 1 + AWAITED_STEPS
    assert await server.tweets.removals.finish(tweet.id)
    await server.tweets.removals.close()
    assert likes_of(server) == listed_likes(server) == {}
    assert server.store.documents(FAVOURITERS) == server.store.documents(REMOVALS) == []
    assert max(len(batch.operations) for batch in server.store.batches[written:]) < 5 * STEP


async def test_the_likes_of_a_deleted_tweet_are_hidden_at_once() -> None:
    """Also while the rows are still there."""
    server = Server()
    ann = await server.sign_up("ann")
    tweet = await liked_by_many(server, ann, STEP * (AWAITED_STEPS + 1))
    await server.tweets.delete(ann, tweet.id)
    await server.tweets.removals.close()
    liker = server.store.documents(FAVOURITES)[0]["user_id"]
    with pytest.raises(NotFound):
        await server.likes.liked_by(None, liker, 0, 20)  # no account, and nothing in the list
    with pytest.raises(NotFound):
        await server.likes.likers(None, tweet.id, 0, 20)


async def test_a_removal_goes_on_where_a_dead_process_left_it() -> None:
    """Another process looks, and the counts come out as if nothing had happened."""
    server = Server()
    ann = await server.sign_up("ann")
    tweet = await liked_by_many(server, ann, STEP * (AWAITED_STEPS + 2))
    await server.tweets.delete(ann, tweet.id)
    await server.tweets.removals.close()  # as a kill would
    assert server.store.documents(REMOVALS)
    other = Server(server.store, server.clock, worker=1)
    assert await other.tweets.removals.look() == 0  # the process may still be at it
    server.clock.now_ms += int(LOOK_S * 1000) + 1
    assert await other.tweets.removals.look() == 1
    assert likes_of(server) == listed_likes(server) == {}
    assert server.store.documents(REMOVALS) == []


async def test_a_clock_that_is_put_back_puts_no_removal_off() -> None:
    """Ages are told by ids, whose time never goes back."""
    server = Server()
    ann = await server.sign_up("ann")
    tweet = await liked_by_many(server, ann, STEP * (AWAITED_STEPS + 2))
    await server.tweets.delete(ann, tweet.id)
    await server.tweets.removals.close()  # as a kill would
    later = server.clock.now_ms + int(LOOK_S * 1000) + 1
    server.clock.now_ms -= 3_600_000
    made = first_id_at(later)
    other = Removals(server.store, lambda: made, _nothing)
    assert await other.look() == 1
    assert likes_of(server) == listed_likes(server) == {}


async def _nothing(change: Invalidation) -> None:
    """Nobody is to be told."""


async def test_whoever_settles_does_not_wait_for_the_half_minute() -> None:
    """Everything that is left is cleared, however young, so that counts can be compared."""
    server = Server()
    ann = await server.sign_up("ann")
    tweet = await liked_by_many(server, ann, STEP * (AWAITED_STEPS + 2))
    await server.tweets.delete(ann, tweet.id)
    await server.tweets.removals.close()  # as a kill would
    assert likes_of(server) != {}
    other = Server(server.store, server.clock, worker=1)
    await other.tweets.removals.settle()
    assert likes_of(server) == listed_likes(server) == {}
    assert server.store.documents(REMOVALS) == []


async def test_two_processes_at_one_removal_count_each_like_once() -> None:
    """Whoever comes second with a step looks again."""
    server = Server()
    ann = await server.sign_up("ann")
    tweet = await liked_by_many(server, ann, 5 * STEP)
    await server.tweets.delete(ann, tweet.id)
    await server.tweets.removals.close()
    other = Server(server.store, server.clock, worker=1)
    await asyncio.gather(
        *(each.tweets.removals.finish(tweet.id) for each in (server, other, server))
    )
    assert {row["likes"] for row in server.store.documents(USER_COUNTS)} == {0}
    assert server.store.documents(FAVOURITES) == []


async def test_a_store_that_fails_after_the_deletion_does_not_undo_it() -> None:
    """The tweet is gone, the answer is that, and the rest is done later."""
    server = Server()
    ann = await server.sign_up("ann")
    tweet = await server.post(ann)
    await server.engagement.like(ann, tweet.id)

    async def fail_after_the_first(batch: WriteBatch) -> None:
        if not any(isinstance(each, Put) for each in batch.operations):
            raise StoreUnavailable("no")

    server.store.before_write = fail_after_the_first
    await server.tweets.delete(ann, tweet.id)
    server.store.before_write = None
    assert server.store.documents(TWEETS) == []
    assert likes_of(server) == {ann.user_id: 1}
    assert await server.tweets.removals.finish(tweet.id)
    assert likes_of(server) == {}


async def test_unliking_a_deleted_tweet_is_no_error() -> None:
    """Done twice it is done once, whether the removal came first or not."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    tweet = await liked_by_many(server, ann, STEP * (AWAITED_STEPS + 1))
    await server.tweets.delete(ann, tweet.id)
    await server.tweets.removals.close()
    last = server.store.documents(FAVOURITES)[-1]["user_id"]
    liker = Identity(last, "liker", "device")
    assert await server.engagement.unlike(liker, tweet.id)
    assert not await server.engagement.unlike(liker, tweet.id)
    assert not await server.engagement.unlike(bob, tweet.id)
    await server.tweets.removals.finish(tweet.id)
    assert not await server.engagement.unlike(liker, tweet.id)
    assert likes_of(server) == {}
    assert server.store.documents(TWEET_COUNTS) == []


async def test_former_versions_go_with_a_tweet() -> None:
    """However often it was edited."""
    server = Server()
    ann = await server.sign_up("ann")
    tweet = await server.post(ann)
    for number in range(2 * STEP):
        await server.tweets.edit(ann, tweet.id, str(number))
    await server.tweets.delete(ann, tweet.id)
    assert server.store.documents(TWEET_EDITS) == []


async def test_retweets_go_with_what_they_show() -> None:
    """From their authors' posts and counts, and from timelines by the outbox; quotes stay."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    tweet = await server.post(ann)
    create = server.tweets.create
    retweet = await create(bob, NewTweet(text="", retweet_of_id=tweet.id))
    quote = await create(bob, NewTweet(text="look", retweet_of_id=tweet.id))
    await server.engagement.like(ann, retweet.id)
    await server.tweets.delete(ann, tweet.id)
    assert [row["tweet_id"] for row in server.store.documents(POSTS)] == [quote.id]
    assert server.store.documents(RETWEETS) == server.store.documents(REMOVALS) == []
    assert likes_of(server) == {}
    counts = {row["user_id"]: row["tweets"] for row in server.store.documents(USER_COUNTS)}
    assert counts == {ann.user_id: 0, bob.user_id: 1}
    deleted = [each.tweet_id for each in server.events() if isinstance(each, TweetDeleted)]
    assert deleted == [tweet.id, retweet.id]


def deletion_of(server: Server, tweet_id: int) -> TweetDeleted:
    """The event that tells of it."""
    events = [decoded(stored_event(each)) for each in server.store.documents(OUTBOX)]
    [event] = [e for e in events if isinstance(e, TweetDeleted) and e.tweet_id == tweet_id]
    return event


@pytest.mark.parametrize("is_private", [False, True])
async def test_the_end_of_a_retweet_is_told_to_who_could_see_it(is_private: bool) -> None:
    """Although what it showed is gone: who hides its author or conversation is not told."""
    server = Server()
    ann, bob, cat = [await server.sign_up(name) for name in ("ann", "bob", "cat")]
    parent = await server.post(ann)
    new = NewTweet(text="hello @cat", reply_to_id=parent.id)
    tweet = await server.tweets.create(ann, new)
    dan = await server.sign_up("dan")
    await server.graph.follow(dan, ann.user_id)
    retweet = (await server.retweets.retweet(bob, tweet.id)).tweet
    of_follower = (await server.retweets.retweet(dan, tweet.id)).tweet
    await change_user(server, ann, is_private=is_private)
    await server.tweets.delete(ann, tweet.id)
    event = deletion_of(server, retweet.id)
    assert (event.original_author_id, event.original_conversation_id) == (ann.user_id, parent.id)
    seeing = [ann.user_id, cat.user_id] if is_private else None
    assert event.original_audience == seeing
    audience = deletion_of(server, of_follower.id).original_audience
    assert audience == (seeing and [*seeing, dan.user_id]), "whomever dan mutes"


async def test_the_end_of_a_retweet_is_told_to_whom_alone_it_was_for() -> None:
    """Of a tweet that is for whom it mentions."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    tweet = await server.tweets.create(ann, NewTweet(text="@bob", visibility="mentioned"))
    retweet = (await server.retweets.retweet(ann, tweet.id)).tweet
    await server.tweets.delete(ann, tweet.id)
    assert deletion_of(server, retweet.id).audience == sorted([ann.user_id, bob.user_id])


async def test_a_retweet_that_is_undone_before_its_turn_is_told_alike() -> None:
    """What it showed is deleted, and the removal has yet to come to it."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    tweet = await server.post(ann)
    retweet = (await server.retweets.retweet(bob, tweet.id)).tweet
    operations = await server.tweets.removals.deleting(tweet, is_own=True)
    await server.store.write(WriteBatch(operations))
    assert await server.retweets.undo(bob, tweet.id)
    assert deletion_of(server, retweet.id).original_author_id == ann.user_id


async def test_many_retweets_go_in_few_announcements() -> None:
    """Caches are told of all that go in a step together."""
    server = Server()
    ann = await server.sign_up("ann")
    tweet = await server.post(ann)
    await retweeted_by_many(server, tweet, 2 * STEP)
    await server.changes.settled()
    server.broadcasts.sent.clear()
    await server.tweets.delete(ann, tweet.id)
    await server.tweets.removals.finish(tweet.id)
    await server.tweets.removals.close()
    assert server.store.documents(TWEETS) == server.store.documents(RETWEETS) == []
    assert len(server.broadcasts.sent) == 3


async def test_a_deleted_reply_keeps_its_place_for_as_long_as_it_leads_somewhere() -> None:
    """With its last reply it goes, and so does a deleted parent that only led to it."""
    server = Server()
    ann = await server.sign_up("ann")
    root = await server.post(ann, "root")
    middle = await server.post(ann, "middle", root)
    lower = await server.post(ann, "lower", middle)
    leaf = await server.post(ann, "leaf", lower)
    for tweet in (middle, lower):
        await server.tweets.delete(ann, tweet.id)
    assert [row["tweet_id"] for row in server.store.documents(REPLIES)] == [
        middle.id, lower.id, leaf.id,
    ]  # fmt: skip
    await server.tweets.delete(ann, leaf.id)
    assert server.store.documents(REPLIES) == []
    assert [row["tweet_id"] for row in server.store.documents(CONVERSATIONS)] == [root.id]


async def test_a_deleted_parent_does_not_stay_because_its_last_reply_goes_at_once() -> None:
    """Either's last step may see the other one's tweet as it was before."""
    server = Server()
    ann = await server.sign_up("ann")
    root = await server.post(ann, "root")
    parent = await server.post(ann, "parent", root)
    reply = await server.post(ann, "reply", parent)
    other = Server(server.store, server.clock, worker=1)

    async def parent_first(batch: WriteBatch) -> None:
        if any(isinstance(each, Expect) and each.label == OVERTAKEN for each in batch.operations):
            server.store.before_write = None
            await other.tweets.delete(ann, parent.id)

    server.store.before_write = parent_first
    await server.tweets.delete(ann, reply.id)
    assert server.store.documents(REPLIES) == server.store.documents(REMOVALS) == []


async def test_a_deletion_is_answered_before_hundreds_of_retweets_are_gone() -> None:
    """They go in the background; the first ones, and those of most tweets, at once."""
    server = Server()
    ann = await server.sign_up("ann")
    tweet = await server.post(ann)
    await retweeted_by_many(server, tweet, 3 * STEP + 50)
    written = len(server.store.batches)
    await server.tweets.delete(ann, tweet.id)
    assert len(server.store.batches) - written <= 2 + 2 * STEP
    await server.tweets.removals.finish(tweet.id)
    await server.tweets.removals.close()
    await server.tweets.removals.settle()
    assert server.store.documents(TWEETS) == server.store.documents(RETWEETS) == []
    assert server.store.documents(REMOVALS) == []


async def test_the_removals_of_retweets_are_done_together() -> None:
    """Each takes a commit, and a commit may carry all of them."""
    server = Server()
    ann = await server.sign_up("ann")
    tweet = await server.post(ann)
    await retweeted_by_many(server, tweet, 20)
    at_once: list[int] = []
    waiting = 0

    async def wait(batch: WriteBatch) -> None:
        nonlocal waiting
        waiting += 1
        at_once.append(waiting)
        for _ in range(10):
            await asyncio.sleep(0)
        waiting -= 1

    server.store.before_write = wait
    await server.tweets.delete(ann, tweet.id)
    assert server.store.documents(REMOVALS) == []
    assert at_once.count(20) == 2


async def test_a_retweet_that_goes_tells_of_the_counts_that_it_lowers() -> None:
    """It may be a reply as well, whose parent stays."""
    server = Server()
    ann = await server.sign_up("ann")
    tweet, parent = await server.post(ann), await server.post(ann)
    new = NewTweet(text="", retweet_of_id=tweet.id, reply_to_id=parent.id)
    retweet = await server.tweets.create(ann, new)
    await server.changes.settled()
    server.broadcasts.sent.clear()
    await server.tweets.delete(ann, tweet.id)
    [change] = [each for each in server.broadcasts.sent if retweet.id in each.tweets]
    assert list(change.counts) == [parent.id]


async def test_bookmarks_and_pins_go_with_a_tweet_and_quotes_stay() -> None:
    """In both directions, with the count of pins; of quotes only the rows of the tweet go."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    tweet, other = await server.post(ann), await server.post(ann)
    for each in (tweet, other):
        await server.bookmarks.add(bob, each.id)
        await server.pins.pin(ann, each.id)
    quote = (await server.retweets.retweet(bob, tweet.id, "look")).tweet
    await server.tweets.delete(ann, tweet.id)
    assert server.store.documents(REMOVALS) == server.store.documents(QUOTES) == []
    assert [row["tweet_id"] for row in server.store.documents(BOOKMARKS)] == [other.id]
    assert [row["tweet_id"] for row in server.store.documents(BOOKMARKERS)] == [other.id]
    assert [row["tweet_id"] for row in server.store.documents(PINS)] == [other.id]
    pins = {row["user_id"]: row["pins"] for row in server.store.documents(USER_COUNTS)}
    assert pins[ann.user_id] == 1
    kept = await server.reading.seen_tweet(None, quote.id)
    assert kept.quote_of_id == tweet.id


async def test_what_many_bookmarked_and_quoted_is_cleared_in_bounded_steps() -> None:
    """As likes are: the deletion is answered before all of it is gone."""
    server = Server()
    ann = await server.sign_up("ann")
    tweet = await server.post(ann)
    rows: list[Any] = []
    for number in range(4 * STEP):
        row = {"user_id": 1000 + number, "tweet_id": tweet.id}
        quote = {"original_id": tweet.id, "tweet_id": 1 + number, "author_id": 9, "counted": 1}
        rows += [Insert(BOOKMARKS.name, {**row, "bookmark_id": 1 + number})]
        rows += [Insert(BOOKMARKERS.name, row), Insert(QUOTES.name, quote)]
    await server.store.write(WriteBatch(tuple(rows)))
    written = len(server.store.batches)
    await server.tweets.delete(ann, tweet.id)
    assert len(server.store.batches) - written <= 1 + AWAITED_STEPS
    await server.tweets.removals.close()
    assert server.store.documents(BOOKMARKS)
    await server.tweets.removals.finish(tweet.id)
    for collection in (BOOKMARKS, BOOKMARKERS, QUOTES, REMOVALS):
        assert server.store.documents(collection) == []
    assert max(len(batch.operations) for batch in server.store.batches[written:]) < 5 * STEP


async def test_a_pin_made_at_the_moment_of_the_deletion_goes_with_the_tweet() -> None:
    """The deletion has read that there is none, and looks again."""
    server = Server()
    ann = await server.sign_up("ann")
    tweet = await server.post(ann)
    elsewhere = Server(server.store, server.clock, worker=1)

    async def pin_first(batch: WriteBatch) -> None:
        server.store.before_write = None
        await elsewhere.pins.pin(ann, tweet.id)

    server.store.before_write = pin_first
    await server.tweets.delete(ann, tweet.id)
    assert server.store.documents(PINS) == []
    assert [row["pins"] for row in server.store.documents(USER_COUNTS)] == [0]


async def test_a_tombstone_holds_nothing_of_author_or_content() -> None:
    """Where the tweet stood, and no more."""
    server = Server()
    ann = await server.sign_up("ann")
    root = await server.post(ann)
    reply = await server.post(ann, "a secret", root)
    await server.tweets.delete(ann, reply.id)
    assert server.store.documents(TOMBSTONES) == [
        {"id": reply.id, "reply_to_id": root.id, "conversation_id": root.id}
    ]


steps = st.lists(
    st.tuples(
        st.sampled_from(["like", "unlike", "delete", "look"]),
        st.integers(0, 2),
        st.integers(0, 3),
        st.integers(0, 1),
    ),
    max_size=40,
)


@given(steps)
def test_counts_equal_lists_after_any_interleaving(
    drawn: list[tuple[str, int, int, int]],
) -> None:
    """Of likes, unlikes and deletions at once, through two gateways."""
    asyncio.run(_interleave(drawn))


async def _interleave(drawn: list[tuple[str, int, int, int]]) -> None:
    first = Server()
    servers = [first, Server(first.store, first.clock, worker=1)]
    users = [await first.sign_up(name) for name in ("ann", "bob", "cat")]
    tweets = [await first.post(users[0]) for _ in range(4)]

    async def act(what: str, user: int, tweet: int, gateway: int) -> None:
        server, tweet_id = servers[gateway], tweets[tweet].id
        try:
            if what == "like":
                await server.engagement.like(users[user], tweet_id)
            elif what == "unlike":
                await server.engagement.unlike(users[user], tweet_id)
            elif what == "delete":
                await server.tweets.delete(users[0], tweet_id)
            else:
                await server.tweets.removals.look()
        except NotFound:
            pass

    for begin in range(0, len(drawn), 8):
        await asyncio.gather(*(act(*each) for each in drawn[begin : begin + 8]))
    first.clock.now_ms += int(LOOK_S * 1000) + 1
    await first.tweets.removals.look()
    assert first.store.documents(REMOVALS) == []
    assert likes_of(first) == listed_likes(first)
    there = {row["id"] for row in first.store.documents(TWEETS)}
    by_tweet = Counter(row["tweet_id"] for row in first.store.documents(FAVOURITERS))
    counts = {row["tweet_id"]: row["likes"] for row in first.store.documents(TWEET_COUNTS)}
    assert set(by_tweet) <= there
    assert {each: likes for each, likes in counts.items() if likes} == dict(by_tweet)
