"""Editing and deleting."""

import asyncio

import pytest

from rookery.errors import Forbidden, InvalidRequest, InvalidText, NotFound, RookeryError
from rookery.events.encoding import read_record
from rookery.events.kinds import TweetDeleted, TweetEdited
from rookery.models import TweetCounts
from rookery.services.ports import Invalidation
from rookery.services.tweets.tweets import NewTweet
from rookery.store.engine import WriteBatch
from rookery.store.schema import POSTS, TWEET_EDITS, TWEETS
from tests.unit.services.server import Server


async def test_a_deleted_tweet_is_gone_and_announced() -> None:
    """The broadcast was awaited, and the outbox tells the timelines."""
    server = Server()
    ann = await server.sign_up("ann")
    tweet = await server.post(ann)
    await server.tweets.delete(ann, tweet.id)
    with pytest.raises(NotFound):
        await server.reading.seen_tweet(None, tweet.id)
    assert server.store.documents(POSTS) == []
    assert server.broadcasts.sent == [Invalidation(tweets=[tweet.id])]
    event = server.events()[-1]
    assert isinstance(event, TweetDeleted)
    assert event.tweet_id == tweet.id


async def test_deleting_twice_is_not_found() -> None:
    """Of several requests at once one succeeds."""
    server = Server()
    ann = await server.sign_up("ann")
    tweet = await server.post(ann)
    results = await asyncio.gather(
        *(server.tweets.delete(ann, tweet.id) for _ in range(4)), return_exceptions=True
    )
    assert results.count(None) == 1
    assert sum(isinstance(result, NotFound) for result in results) == 3
    assert [type(event) for event in server.events()].count(TweetDeleted) == 1


@pytest.mark.parametrize(
    ("role", "allowed"), [("user", False), ("moderator", True), ("admin", True)]
)
async def test_only_moderators_delete_tweets_of_others(role: str, allowed: bool) -> None:
    """By the role in the store."""
    server = Server()
    ann, other = await server.sign_up("ann"), await server.sign_up("other", role)
    tweet = await server.post(ann)
    if allowed:
        await server.tweets.delete(other, tweet.id)
        assert server.store.documents(TWEETS) == []
    else:
        with pytest.raises(Forbidden):
            await server.tweets.delete(other, tweet.id)
        assert len(server.store.documents(TWEETS)) == 1


async def test_replies_to_a_deleted_tweet_stay() -> None:
    """In their author's posts and in the conversation."""
    server = Server()
    ann = await server.sign_up("ann")
    root = await server.post(ann)
    reply = await server.post(ann, "reply", root)
    await server.tweets.delete(ann, root.id)
    assert (await server.conversations.conversation(None, reply.id, 0, 20)).ids == [reply.id]
    with pytest.raises(NotFound):
        await server.conversations.replies(None, root.id, 0, 20)
    await server.tweets.delete(ann, reply.id)
    assert await server.engagement.counts([root.id]) == [TweetCounts()]


async def test_deleting_a_reply_lowers_the_count_of_its_parent() -> None:
    """And the parent's count is announced with the deletion."""
    server = Server()
    ann = await server.sign_up("ann")
    root = await server.post(ann)
    reply = await server.post(ann, "reply", root)
    await server.changes.settled()
    await server.tweets.delete(ann, reply.id)
    assert await server.engagement.counts([root.id]) == [TweetCounts()]
    assert server.broadcasts.sent[-1] == Invalidation(tweets=[reply.id], counts=[root.id])


async def test_a_reply_is_deleted_although_its_parent_goes_at_the_same_time() -> None:
    """The condition that the parent exists fails once, and the reply goes without it."""
    server = Server()
    ann = await server.sign_up("ann")
    root = await server.post(ann)
    reply = await server.post(ann, "reply", root)

    async def delete_the_parent_first(batch: WriteBatch) -> None:
        server.store.before_write = None
        await server.tweets.delete(ann, root.id)

    server.store.before_write = delete_the_parent_first
    await server.tweets.delete(ann, reply.id)
    assert server.store.documents(TWEETS) == []


async def test_an_edit_keeps_the_former_version() -> None:
    """History has all versions, newest first, each with the time when it came to be."""
    server = Server()
    ann = await server.sign_up("ann")
    tweet = await server.post(ann, "one #a")
    server.clock.now_ms += 10
    await server.tweets.edit(ann, tweet.id, "two #b")
    second_ms = server.clock.now_ms
    server.clock.now_ms += 10
    edited = await server.tweets.edit(ann, tweet.id, "three #c")
    assert (edited.version, edited.edited_ms) == (3, server.clock.now_ms)
    assert await server.reading.seen_tweet(None, tweet.id) == edited
    history, end = await server.conversations.history(None, tweet.id, 0, 100)
    assert end == 0
    assert [(v.version, v.text, v.entities["hashtags"][0]["tag"]) for v in history] == [
        (3, "three #c", "c"),
        (2, "two #b", "b"),
        (1, "one #a", "a"),
    ]
    assert [v.created_ms for v in history] == [server.clock.now_ms, second_ms, tweet.created_ms]


async def test_an_edit_is_announced_with_its_new_text() -> None:
    """By a broadcast to caches and by the outbox to timelines."""
    server = Server()
    ann = await server.sign_up("ann")
    tweet = await server.post(ann)
    await server.tweets.edit(ann, tweet.id, "edited")
    event = server.events()[-1]
    assert isinstance(event, TweetEdited)
    assert event.tweet_id == tweet.id
    record = read_record(event.record)
    assert (record.tweet.text, record.tweet.version) == ("edited", 2)
    assert server.broadcasts.sent == [Invalidation(tweets=[tweet.id])]


async def test_the_same_text_again_is_no_edit() -> None:
    """Nothing is written."""
    server = Server()
    ann = await server.sign_up("ann")
    tweet = await server.post(ann, "same")
    batches = len(server.store.batches)
    assert await server.tweets.edit(ann, tweet.id, "same") == tweet
    assert len(server.store.batches) == batches


async def test_nobody_edits_tweets_of_others() -> None:
    """Moderators neither."""
    server = Server()
    ann, admin = await server.sign_up("ann"), await server.sign_up("boss", "admin")
    tweet = await server.post(ann)
    with pytest.raises(Forbidden):
        await server.tweets.edit(admin, tweet.id, "mine now")


async def test_an_edit_follows_the_rules_of_text() -> None:
    """As a new tweet does; a retweet has no text to edit; what is not there is not found."""
    server = Server()
    ann = await server.sign_up("ann")
    tweet = await server.post(ann)
    with pytest.raises(InvalidText):
        await server.tweets.edit(ann, tweet.id, "x" * 281)
    retweet = await server.tweets.create(ann, NewTweet(text="", retweet_of_id=tweet.id))
    with pytest.raises(InvalidRequest):
        await server.tweets.edit(ann, retweet.id, "text")
    with pytest.raises(NotFound):
        await server.tweets.edit(ann, 404, "text")


async def test_an_edit_does_not_bring_back_a_tweet_deleted_meanwhile() -> None:
    """Deleted between the read and the write."""
    server = Server()
    ann = await server.sign_up("ann")
    tweet = await server.post(ann)

    elsewhere = Server(server.store, server.clock, worker=1)

    async def delete_first(batch: WriteBatch) -> None:
        server.store.before_write = None
        await elsewhere.tweets.delete(ann, tweet.id)

    server.store.before_write = delete_first
    with pytest.raises(NotFound):
        await server.tweets.edit(ann, tweet.id, "edited")
    assert server.store.documents(TWEETS) == server.store.documents(TWEET_EDITS) == []


async def test_a_deletion_removes_a_version_written_meanwhile() -> None:
    """Edited between the read and the write: the new version goes, and its history."""
    server = Server()
    ann = await server.sign_up("ann")
    tweet = await server.post(ann)

    elsewhere = Server(server.store, server.clock, worker=1)

    async def edit_first(batch: WriteBatch) -> None:
        server.store.before_write = None
        await elsewhere.tweets.edit(ann, tweet.id, "edited")

    server.store.before_write = edit_first
    await server.tweets.delete(ann, tweet.id)
    assert server.store.documents(TWEETS) == server.store.documents(TWEET_EDITS) == []


async def test_a_crowd_of_edits_is_made_one_after_another() -> None:
    """None is refused because others came first."""
    server = Server()
    ann = await server.sign_up("ann")
    tweet = await server.post(ann)
    await asyncio.gather(*(server.tweets.edit(ann, tweet.id, f"edit {n}") for n in range(50)))
    assert (await server.reading.seen_tweet(None, tweet.id)).version == 51


async def test_history_comes_page_by_page() -> None:
    """Every version once, each with the time when it came to be, whatever the limit."""
    server = Server()
    ann = await server.sign_up("ann")
    tweet = await server.post(ann, "0")
    since = [tweet.created_ms]
    for number in range(1, 8):
        server.clock.now_ms += 10
        await server.tweets.edit(ann, tweet.id, str(number))
        since.append(server.clock.now_ms)
    for limit in range(1, 10):
        found, before = [], 0
        while True:
            page, before = await server.conversations.history(None, tweet.id, before, limit)
            assert 1 <= len(page) <= limit
            found += [(version.text, version.created_ms) for version in page]
            if not before:
                break
        assert found == [(str(number), since[number]) for number in range(7, -1, -1)]


async def test_concurrent_edits_each_keep_their_version() -> None:
    """None overwrites another's; versions count up without a gap."""
    server = Server()
    ann = await server.sign_up("ann")
    tweet = await server.post(ann)
    results = await asyncio.gather(
        *(server.tweets.edit(ann, tweet.id, f"edit {n}") for n in range(4)),
        return_exceptions=True,
    )
    done = [result for result in results if not isinstance(result, RookeryError)]
    assert len(done) == 4
    history, end = await server.conversations.history(None, tweet.id, 0, 100)
    assert end == 0
    assert [version.version for version in history] == [5, 4, 3, 2, 1]
    assert {version.text for version in history} == {"hello", *(f"edit {n}" for n in range(4))}
