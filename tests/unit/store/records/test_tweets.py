"""Tweets in the store."""

from typing import Any

import msgspec
import pytest

from rookery.models import PostKind, Tweet, TweetCounts
from rookery.store.engine import ConditionFailed, WriteBatch
from rookery.store.records.removals import Removal, RemovalRepository, beginning, clearing, ending
from rookery.store.records.retweets import ALREADY_RETWEETED, RetweetRepository
from rookery.store.records.tweets import Standing, TweetRepository, creating, deleting, replacing
from rookery.store.schema import (
    COLLECTIONS,
    CONVERSATIONS,
    QUOTES,
    RETWEETED,
    RETWEETS,
    TWEET_COUNTS,
    USER_COUNTS,
)
from tests.unit.memory_store import MemoryStore

ROOT = Tweet(id=10, author_id=1, text="root", conversation_id=10)
REPLY = Tweet(
    id=20,
    author_id=2,
    text="reply",
    kind=int(PostKind.REPLY | PostKind.QUOTE),
    reply_to_id=10,
    reply_to_user_id=1,
    quote_of_id=10,
    conversation_id=10,
    entities={"mentions": [{"username": "ann", "id": "1", "start": 0, "end": 4}]},
)


async def _created(*tweets: Tweet) -> tuple[MemoryStore, TweetRepository]:
    store = MemoryStore()
    for tweet in tweets:
        await store.write(WriteBatch(tuple(creating(tweet))))
    return store, TweetRepository(store.reader)


def _rows(store: MemoryStore) -> dict[str, list[dict[str, Any]]]:
    """Everything stored but counts that are all zero."""
    return {
        collection.name: [
            document
            for document in store.documents(collection)
            if collection not in (TWEET_COUNTS, USER_COUNTS)
            or any(document[column] for column in collection.columns)
        ]
        for collection in COLLECTIONS
    }


async def test_a_tweet_is_read_as_it_was_written() -> None:
    """Every field survives, entities included."""
    _, tweets = await _created(ROOT, REPLY)
    assert await tweets.get(20) == REPLY
    assert await tweets.get_many([20, 404, 10]) == [REPLY, None, ROOT]
    assert await tweets.existing([404, 20]) == {20}


async def test_a_tweet_stands_in_all_its_lists() -> None:
    """Its author's posts, its parent's replies, its conversation, and the counts."""
    store, tweets = await _created(ROOT, REPLY)
    assert await tweets.posts(2, 0, 9) == [(20, int(PostKind.REPLY | PostKind.QUOTE))]
    assert await tweets.replies(10, 0, 9) == [20]
    assert await tweets.conversation(10, 0, 9) == [10, 20]
    assert await tweets.counts([10, 20]) == [TweetCounts(replies=1, quotes=1), TweetCounts()]
    assert [row["tweets"] for row in store.documents(USER_COUNTS)] == [1, 1]


async def test_deleting_leaves_the_store_as_before_creating() -> None:
    """But for the tombstone, once the removal has taken what the deletion leaves to it."""
    store, _ = await _created(ROOT)
    before = _rows(store)
    edited = msgspec.structs.replace(REPLY, text="edited", version=2, edited_ms=5)
    for operations in (
        creating(REPLY),
        replacing(REPLY, edited, 5),
        [*deleting(edited, Standing(authors={10: 1})), beginning(edited, 7)],
    ):
        await store.write(WriteBatch(tuple(operations)))
    removals = RemovalRepository(store.reader)
    removal = await removals.get(20)
    assert removal == Removal(
        tweet_id=20, token=7, reply_to_id=10, author_id=2, conversation_id=10, mentioned=[1]
    )
    remains = await removals.remains(removal, 9)
    operations = [*clearing(removal, remains), *ending(removal, remains, 8)]
    await store.write(WriteBatch(tuple(operations)))
    after = _rows(store)
    assert after.pop("tombstones") == [{"id": 20, "reply_to_id": 10, "conversation_id": 10}]
    assert after == {name: rows for name, rows in before.items() if name != "tombstones"}


async def test_a_retweet_is_found_from_its_original_and_from_its_author() -> None:
    """It is no conversation of its own."""
    retweet = Tweet(id=30, author_id=2, text="", kind=2, retweet_of_id=10, conversation_id=30)
    store, _ = await _created(ROOT, retweet)
    row = {"original_id": 10, "tweet_id": 30, "author_id": 2}
    assert store.documents(RETWEETS) == store.documents(RETWEETED) == [row]
    assert await RetweetRepository(store).retweet_of(2, 10) == 30
    assert [row["conversation_id"] for row in store.documents(CONVERSATIONS)] == [10]


async def test_an_author_retweets_a_tweet_once() -> None:
    """The second batch fails as a whole, with a label of its own."""
    retweet = Tweet(id=30, author_id=2, text="", kind=2, retweet_of_id=10, conversation_id=30)
    store, tweets = await _created(ROOT, retweet)
    again = msgspec.structs.replace(retweet, id=31, conversation_id=31)
    with pytest.raises(ConditionFailed, match=ALREADY_RETWEETED):
        await store.write(WriteBatch(tuple(creating(again))))
    assert await tweets.counts([10]) == [TweetCounts(retweets=1)]
    other = msgspec.structs.replace(again, author_id=3)
    await store.write(WriteBatch(tuple(creating(other))))
    assert await RetweetRepository(store).retweets(10, 0, 9) == [(3, 31), (2, 30)]
    assert await RetweetRepository(store).retweets(10, 31, 9) == [(2, 30)]


async def test_another_retweet_of_the_same_tweet_by_its_author_stays() -> None:
    """Earlier releases let an author retweet twice; the one that is undone is the newer one."""
    retweet = Tweet(id=30, author_id=2, text="", kind=2, retweet_of_id=10, conversation_id=30)
    older = msgspec.structs.replace(retweet, id=29, conversation_id=29)
    store, tweets = await _created(ROOT, retweet)
    rows = [each for each in creating(older) if getattr(each, "collection", "") != RETWEETED.name]
    await store.write(WriteBatch(tuple(rows)))
    standing = await tweets.standing(older)
    assert standing == Standing(authors={10: 1}, retweeted_as=30)
    await store.write(WriteBatch(tuple(deleting(older, standing))))
    assert await RetweetRepository(store).retweet_of(2, 10) == 30
    assert await tweets.counts([10]) == [TweetCounts(retweets=1)]


async def test_what_was_not_for_everybody_changes_no_count() -> None:
    """Neither when it is posted nor when it is deleted; it stands in the lists all the same."""
    hidden = msgspec.structs.replace(REPLY, is_counted=False, visibility="followers")
    store, tweets = await _created(ROOT, hidden)
    assert await tweets.counts([10]) == [TweetCounts()]
    assert await tweets.replies(10, 0, 9) == await RetweetRepository(store).quotes(10, 0, 9) == [20]
    assert [row["counted"] for row in store.documents(QUOTES)] == [0]
    await store.write(WriteBatch(tuple(deleting(hidden, await tweets.standing(hidden)))))
    assert await tweets.counts([10]) == [TweetCounts()]
    assert store.documents(QUOTES) == []


async def test_deleting_a_reply_to_a_deleted_tweet_makes_no_counts() -> None:
    """Counts of what is gone must not come back below zero."""
    store, _ = await _created(ROOT, REPLY)
    await store.write(WriteBatch(tuple(deleting(ROOT, Standing()))))
    await store.write(WriteBatch(tuple(deleting(REPLY, Standing()))))
    assert store.documents(TWEET_COUNTS) == []


async def test_posts_are_newest_first_between_their_bounds() -> None:
    """Both bounds are exclusive, 0 is none."""
    posts = [Tweet(id=i, author_id=1, text="post", conversation_id=i) for i in range(1, 7)]
    _, tweets = await _created(*posts)
    assert await tweets.posts_of_many([1, 2], 6, 2, 2) == [[(5, 0), (4, 0)], []]
    assert await tweets.posts_of_many([1], 3, 0, 9) == [[(2, 0), (1, 0)]]
