"""Posting."""

import asyncio

import msgspec
import pytest

from rookery.errors import IdempotencyMismatch, InvalidText, NotFound
from rookery.events.encoding import read_record, without_secrets
from rookery.events.kinds import TweetPosted
from rookery.models import PostKind, Tweet, TweetCounts
from rookery.services.tweets.tweets import NewTweet, Posted
from rookery.store.engine import Put, WriteBatch
from rookery.store.schema import IDEMPOTENCY, OUTBOX, TWEETS
from tests.unit.services.server import Server


async def test_a_plain_tweet_is_one_write_and_no_read() -> None:
    """The author comes from the cache."""
    server = Server()
    ann = await server.sign_up("ann")
    await server.post(ann)
    server.store.reads.clear()
    batches = len(server.store.batches)
    tweet = await server.post(ann, "plain, but with #tags and https://example.org/")
    assert server.store.reads == {}
    assert len(server.store.batches) == batches + 1
    assert await server.reading.seen_tweet(None, tweet.id) == tweet
    assert (tweet.kind, tweet.conversation_id, tweet.version) == (0, tweet.id, 1)


async def test_the_event_carries_what_showing_the_tweet_takes() -> None:
    """Delivering needs no read."""
    server = Server()
    ann = await server.sign_up("ann")
    tweet = await server.post(ann)
    [event] = server.events()
    assert isinstance(event, TweetPosted)
    assert (event.id, event.author_id, event.tweet_id) == (tweet.id, ann.user_id, tweet.id)
    record = read_record(event.record)
    author = await server.reading.authors.get(ann.user_id)
    assert (record.tweet, record.author) == (tweet, without_secrets(author))


async def test_entities_are_stored_with_their_places_and_mentioned_users() -> None:
    """Names are found without regard to case; a name of nobody has no id."""
    server = Server()
    ann = await server.sign_up("ann")
    text = "Hi @Ann and @nobody: #Birds $ROOK https://example.org/x"
    tweet = await server.post(ann, text)
    assert tweet.entities == {
        "mentions": [
            {"username": "Ann", "id": str(ann.user_id), "start": 3, "end": 7},
            {"username": "nobody", "id": None, "start": 12, "end": 19},
        ],
        "hashtags": [{"tag": "Birds", "start": 21, "end": 27}],
        "cashtags": [{"symbol": "ROOK", "start": 28, "end": 33}],
        "urls": [{"url": "https://example.org/x", "start": 34, "end": 55}],
    }


async def test_all_mentions_are_resolved_in_one_read() -> None:
    """However many there are."""
    server = Server()
    users = [await server.sign_up(f"user{n}") for n in range(6)]
    await server.reading.authors.get(users[0].user_id)
    server.store.reads.clear()
    tweet = await server.post(users[0], " ".join(f"@user{n}" for n in range(6)))
    assert server.store.reads == {"get_many": 1}
    assert [m["id"] for m in tweet.entities["mentions"]] == [str(u.user_id) for u in users]


@pytest.mark.parametrize("text", ["", "  \n ", "x" * 281, "\x00"])
async def test_a_text_that_breaks_the_rules_is_refused(text: str) -> None:
    """With a code and the field, and nothing is written."""
    server = Server()
    ann = await server.sign_up("ann")
    batches = len(server.store.batches)
    with pytest.raises(InvalidText) as refused:
        await server.post(ann, text)
    assert refused.value.field == "text"
    assert refused.value.code.startswith("text_")
    assert len(server.store.batches) == batches


async def test_a_reply_joins_the_conversation_of_its_parent() -> None:
    """Also a reply to a reply; and the parent's count follows."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    root = await server.post(ann)
    reply = await server.post(bob, "reply", root)
    nested = await server.post(ann, "nested", reply)
    assert nested.conversation_id == reply.conversation_id == root.id
    assert (nested.reply_to_id, nested.reply_to_user_id) == (reply.id, bob.user_id)
    assert reply.kind == PostKind.REPLY
    assert await server.engagement.counts([root.id]) == [TweetCounts(replies=1)]
    assert (await server.conversations.replies(None, root.id, 0, 20)).ids == [reply.id]
    assert (await server.conversations.conversation(None, nested.id, 0, 20)).ids == [
        root.id,
        reply.id,
        nested.id,
    ]
    await server.changes.settled()
    announced = [tweet_id for change in server.broadcasts.sent for tweet_id in change.counts]
    assert announced == [root.id, reply.id]


async def test_a_reply_to_nothing_is_not_found() -> None:
    """The text says what was not found."""
    server = Server()
    ann = await server.sign_up("ann")
    with pytest.raises(NotFound, match="Tweet to reply to not found"):
        await server.tweets.create(ann, NewTweet(text="reply", reply_to_id=404))


async def test_a_reply_to_a_tweet_deleted_meanwhile_is_not_found() -> None:
    """Deleted between the read and the write: nothing is written."""
    server = Server()
    ann = await server.sign_up("ann")
    parent = await server.post(ann)

    async def delete_first(batch: WriteBatch) -> None:
        server.store.before_write = None
        await server.tweets.delete(ann, parent.id)

    server.store.before_write = delete_first
    with pytest.raises(NotFound, match="Tweet to reply to not found"):
        await server.post(ann, "reply", parent)
    assert server.store.documents(TWEETS) == []


async def test_a_retweet_shows_the_original() -> None:
    """A retweet of a retweet too; with a text of its own it is a quote."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    original = await server.post(ann)
    create = server.tweets.create
    retweet = await create(ann, NewTweet(text="", retweet_of_id=original.id))
    again = await create(bob, NewTweet(text="", retweet_of_id=retweet.id))
    quote = await create(ann, NewTweet(text="look", retweet_of_id=retweet.id))
    assert retweet.retweet_of_id == again.retweet_of_id == quote.quote_of_id == original.id
    assert (retweet.kind, quote.kind) == (PostKind.RETWEET, PostKind.QUOTE)
    counts = await server.engagement.counts([original.id])
    assert counts == [TweetCounts(retweets=2, quotes=1)]
    with pytest.raises(NotFound, match="Tweet to retweet not found"):
        await create(ann, NewTweet(text="", retweet_of_id=404))


async def test_the_same_key_posts_once() -> None:
    """All of several requests at once get the one tweet."""
    server = Server()
    ann = await server.sign_up("ann")
    new = NewTweet(text="once")
    tweets: list[Tweet] = await asyncio.gather(
        *(server.tweets.create(ann, new, "key") for _ in range(3))
    )
    assert tweets[0] == tweets[1] == tweets[2]
    assert len(server.store.documents(TWEETS)) == len(server.store.documents(OUTBOX)) == 1


async def test_a_repetition_gets_the_tweet_as_it_is_now() -> None:
    """The same tweet, with what has become of it since."""
    server = Server()
    ann = await server.sign_up("ann")
    new = NewTweet(text="once @ann")
    tweet = await server.tweets.create(ann, new, "key")
    edited = await server.tweets.edit(ann, tweet.id, "edited")
    assert await server.tweets.post(ann, new, "key") == Posted(edited, False)


async def test_a_repetition_after_the_deletion_is_not_found() -> None:
    """The tweet is not posted a second time, either."""
    server = Server()
    ann = await server.sign_up("ann")
    tweet = await server.tweets.create(ann, NewTweet(text="once"), "key")
    await server.tweets.delete(ann, tweet.id)
    with pytest.raises(NotFound, match="Tweet not found"):
        await server.tweets.create(ann, NewTweet(text="once"), "key")
    assert server.store.documents(TWEETS) == []


async def test_a_record_of_an_earlier_release_is_answered_too() -> None:
    """It holds the whole tweet, of which the id is used."""
    server = Server()
    ann = await server.sign_up("ann")
    tweet = await server.tweets.create(ann, NewTweet(text="once"), "key")
    [record] = server.store.documents(IDEMPOTENCY)
    record["result"] = {"tweet": msgspec.structs.asdict(tweet)}
    await server.store.write(WriteBatch((Put(IDEMPOTENCY.name, record),)))
    assert await server.tweets.create(ann, NewTweet(text="once"), "key") == tweet


async def test_the_record_of_a_key_holds_nothing_of_the_text() -> None:
    """So nothing of a deleted tweet lives on in it."""
    server = Server()
    ann = await server.sign_up("ann")
    await server.tweets.create(ann, NewTweet(text="a secret"), "key")
    assert "secret" not in str(server.store.documents(IDEMPOTENCY))


async def test_the_same_key_for_another_text_is_refused() -> None:
    """Keys of other users are unrelated."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    await server.tweets.create(ann, NewTweet(text="one"), "key")
    with pytest.raises(IdempotencyMismatch):
        await server.tweets.create(ann, NewTweet(text="two"), "key")
    assert (await server.tweets.create(bob, NewTweet(text="two"), "key")).author_id == bob.user_id
