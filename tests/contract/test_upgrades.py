"""Stores of the release before, with what its API let people do, serve as if made by this one."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from pymongo import AsyncMongoClient

from rookery import config
from rookery.events.encoding import decoded, read_record
from rookery.events.kinds import FollowChanged, TweetPosted
from rookery.models import PostKind, User
from rookery.services.checking.references import References
from rookery.services.reading.shown import Unavailable
from rookery.store.engine import Collection, Document, Insert, Operation, Store, WriteBatch, Writer
from rookery.store.mongo import MongoStore, MongoWriter, backfills
from rookery.store.mongo import migrations as mongo_migrations
from rookery.store.mongo.shapes import Stored
from rookery.store.records.outbox import Outbox
from rookery.store.records.tweets import TweetRepository
from rookery.store.records.users import Users
from rookery.store.schema import (
    COLLECTIONS,
    FAVOURITES,
    POSTS,
    QUOTES,
    REMOVALS,
    RETWEETED,
    RETWEETS,
    TOMBSTONES,
    TWEET_COUNTS,
    TWEETS,
)
from rookery.store.sqlite import SqliteStore
from rookery.store.sqlite.migrations import migrations as sqlite_migrations
from rookery.store.sqlite.writer import SqliteWriter
from tests.unit.memory_store import MemoryStore
from tests.unit.services.server import Server
from tests.unit.store.former import FORMER_COLLECTIONS, MONGO_VERSION, SQLITE_VERSION

ANN, BOB, CID = 1, 2, 3
ROOT, GONE = 10, 9
FIRST, SECOND, THIRD = 21, 22, 23
"""Bob's retweets of `ROOT`: formerly one could retweet as often as one liked."""
OF_ANN, QUOTE, QUOTE_OF_GONE, REPLY_TO_THIRD = 24, 25, 26, 27
FOLLOW, POST = 31, 32
"""Entries of the outbox that were not delivered."""
CARD: dict[str, Any] = {
    "id": str(ROOT), "author": {"id": str(ANN), "username": "user1", "name": "User",
    "avatarUrl": "a", "verified": False}, "text": "hello", "entities": {}, "media": [],
    "inReplyToId": None, "inReplyToUserId": None, "conversationId": str(ROOT),
    "retweetOfId": None, "quoteOfId": None, "sensitive": False, "lang": None,
    "visibility": "public", "version": 1, "createdAt": "2026-11-01T00:00:00.000Z",
    "editedAt": None,
}  # fmt: skip
"""What the former release sent to followers."""


def tweet(tweet_id: int, author_id: int, kind: int = 0, **fields: Any) -> list[Operation]:
    """A tweet as the former release stored it, with the lists it stands in."""
    document = {
        "id": tweet_id, "author_id": author_id, "text": "", "kind": kind, "entities": {},
        "reply_to_id": None, "reply_to_user_id": None, "conversation_id": tweet_id,
        "retweet_of_id": None, "quote_of_id": None, "media": [], "sensitive": False, "lang": None,
        "visibility": "public", "version": 1, "edited_ms": None,
    } | fields  # fmt: skip
    original_id = document["retweet_of_id"]
    operations: list[Operation] = [
        Insert("tweets", document),
        Insert("posts", {"author_id": author_id, "tweet_id": tweet_id, "kind": kind}),
    ]
    if original_id is None:
        conversation = {"conversation_id": document["conversation_id"], "tweet_id": tweet_id}
        operations.append(Insert("conversations", conversation))
    else:
        operations.append(Insert("retweets", {"original_id": original_id, "tweet_id": tweet_id}))
    return operations


def undelivered() -> list[Document]:
    follow = {"id": FOLLOW, "event": 100, "author_id": CID, "subject_id": ANN, "kind": 1}
    post = {"id": POST, "event": 1, "author_id": ANN, "subject_id": ROOT, "kind": 0}
    return [follow | {"payload": b""}, post | {"payload": msgspec.msgpack.encode(CARD)}]


def former_store() -> list[Operation]:
    operations: list[Operation] = []
    for user_id, tweets, likes in ((ANN, 2, 0), (BOB, 5, 0), (CID, 1, 1)):
        counts = {"followers": 0, "followees": 0, "tweets": tweets, "likes": likes}
        name = f"user{user_id}"
        operations += [
            Insert("users", {"id": user_id, "version": 1, "username": name, "name": name}),
            Insert("user_counts", {"user_id": user_id, **counts}),
        ]
    operations += tweet(ROOT, ANN)
    for tweet_id, author_id in ((FIRST, BOB), (SECOND, BOB), (THIRD, BOB), (OF_ANN, ANN)):
        operations += tweet(tweet_id, author_id, PostKind.RETWEET, retweet_of_id=ROOT)
    operations += tweet(QUOTE, BOB, PostKind.QUOTE, quote_of_id=ROOT, text="see")
    operations += tweet(QUOTE_OF_GONE, BOB, PostKind.QUOTE, quote_of_id=GONE, text="gone")
    operations += tweet(
        REPLY_TO_THIRD, CID, PostKind.REPLY, reply_to_id=THIRD, reply_to_user_id=BOB,
        conversation_id=THIRD, text="yes",
    )  # fmt: skip
    like = {"user_id": CID, "tweet_id": SECOND, "favourite_id": 28}
    zeros = {"likes": 0, "retweets": 0, "replies": 0, "quotes": 0}
    return [
        *operations,
        Insert("replies", {"parent_id": THIRD, "tweet_id": REPLY_TO_THIRD, "author_id": CID}),
        Insert("favourites", like),
        Insert("favouriters", like),
        Insert("tweet_counts", zeros | {"tweet_id": ROOT, "retweets": 4, "quotes": 1}),
        Insert("tweet_counts", zeros | {"tweet_id": SECOND, "likes": 1}),
        Insert("tweet_counts", zeros | {"tweet_id": THIRD, "replies": 1}),
        *(Insert("outbox", entry) for entry in undelivered()),
    ]


async def fill(writer: Writer) -> None:
    await writer.write(WriteBatch(tuple(former_store())))


async def sqlite_store(path: Path) -> SqliteStore:
    """A file of the former version, upgraded."""
    steps = sqlite_migrations(FORMER_COLLECTIONS)[:SQLITE_VERSION]
    former = SqliteWriter(path, FORMER_COLLECTIONS, clock_ms=lambda: 0, steps=steps)
    await fill(former)
    await former.close()
    return SqliteStore(path, COLLECTIONS, clock_ms=lambda: 0)


async def former_database(settings: config.Store) -> None:
    """Make the database one of the former version."""
    async with AsyncMongoClient[Stored](settings.mongo_uri) as client:
        steps = mongo_migrations.migrations(FORMER_COLLECTIONS)[:MONGO_VERSION]
        await mongo_migrations.migrate(client[settings.mongo_database], steps)
    former = MongoWriter(settings, FORMER_COLLECTIONS)
    await fill(former)
    await former.close()


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[Store]:
    store = await sqlite_store(tmp_path / "rookery.sqlite")
    yield store
    await store.close()


@pytest.fixture
async def mongo(mongo_database: config.Store) -> AsyncIterator[Store]:
    await former_database(mongo_database)
    store = await MongoStore.open(mongo_database, COLLECTIONS)
    yield store
    await store.close()


async def documents(store: Store, collection: Collection) -> list[Document]:
    return await store.reader.range(collection, limit=1000)


async def check_what_is_listed(store: Store) -> None:
    """Right after the upgrade: nothing is deleted yet, and what is to be is noted."""
    retweets = [(ROOT, FIRST, BOB), (ROOT, SECOND, BOB), (ROOT, THIRD, BOB), (ROOT, OF_ANN, ANN)]
    names = ("original_id", "tweet_id", "author_id")
    assert [tuple(row[n] for n in names) for row in await documents(store, RETWEETS)] == retweets
    assert await documents(store, RETWEETED) == [
        {"author_id": ANN, "original_id": ROOT, "tweet_id": OF_ANN},
        {"author_id": BOB, "original_id": ROOT, "tweet_id": FIRST},
    ]
    assert await documents(store, QUOTES) == [
        {"original_id": ROOT, "tweet_id": QUOTE, "author_id": BOB, "counted": 1}
    ]
    assert [row["tweet_id"] for row in await documents(store, REMOVALS)] == [SECOND, THIRD]
    # What is there is read as this release reads it.
    tweets = await TweetRepository(store.reader).counts([ROOT, THIRD])
    users = await Users(store.reader).counts_many([ANN, BOB, CID])
    assert [(each.retweets, each.pins) for each in tweets] == [(4, 0), (0, 0)]
    assert [(each.tweets, each.pins) for each in users] == [(2, 0), (5, 0), (1, 0)]


async def check_what_becomes_of_it(store: Store) -> None:
    """When the server has looked: one retweet of each user, and counts as the lists."""
    server = Server(cast(MemoryStore, store))
    assert await server.tweets.removals.look() == 2
    tweets = [row["id"] for row in await documents(store, TWEETS)]
    assert tweets == [ROOT, FIRST, OF_ANN, QUOTE, QUOTE_OF_GONE, REPLY_TO_THIRD]
    assert [row["tweet_id"] for row in await documents(store, RETWEETS)] == [FIRST, OF_ANN]
    assert [row["tweet_id"] for row in await documents(store, RETWEETED)] == [OF_ANN, FIRST]
    posts = [row["tweet_id"] for row in await documents(store, POSTS) if row["author_id"] == BOB]
    assert posts == [FIRST, QUOTE, QUOTE_OF_GONE]
    assert [row["id"] for row in await documents(store, TOMBSTONES)] == [SECOND, THIRD]
    counts = {row["tweet_id"]: row["retweets"] for row in await documents(store, TWEET_COUNTS)}
    assert counts == {ROOT: 2}
    assert await documents(store, FAVOURITES) == []
    around = await server.conversations.context(None, REPLY_TO_THIRD, 0, 20)
    assert around.ancestors == [Unavailable(THIRD, "deleted")]
    references = References(store, server.tweets.removals)
    assert [wrong async for each in references.run(repair=False) for wrong in each.wrong] == []


async def test_a_sqlite_store_of_the_former_version(sqlite: Store) -> None:
    """Retweets, quotes and pins are listed and counted, and repeated retweets go."""
    await check_what_is_listed(sqlite)
    await check_what_becomes_of_it(sqlite)


async def test_a_mongodb_store_of_the_former_version(mongo: Store) -> None:
    """As above."""
    await check_what_is_listed(mongo)
    await check_what_becomes_of_it(mongo)


async def check_what_was_not_delivered(store: Store) -> None:
    outbox = Outbox(store)
    follow, post = [decoded(each) for each in await outbox.pending((), 10)]
    assert follow == FollowChanged(id=FOLLOW, follower_id=CID, followee_id=ANN, follows=True)
    assert isinstance(post, TweetPosted)
    assert (post.id, post.tweet_id, post.author_id) == (POST, ROOT, ANN)
    record = read_record(post.record)
    assert (record.tweet.text, record.tweet.conversation_id) == ("hello", ROOT)
    assert record.author == User(id=ANN, username="user1", name="User", avatar_url="a")
    await outbox.acknowledge([FOLLOW, POST])
    assert await outbox.pending((), 10) == []


async def test_what_was_not_delivered_is_after_the_upgrade_of_sqlite(sqlite: Store) -> None:
    """An outbox that was not empty when the former release ended."""
    await check_what_was_not_delivered(sqlite)


async def test_what_was_not_delivered_is_after_the_upgrade_of_mongodb(mongo: Store) -> None:
    """As above."""
    await check_what_was_not_delivered(mongo)


class Broken(Exception):
    """The process dies."""


@pytest.mark.parametrize("dies_at", range(1, 9))
async def test_an_upgrade_that_broke_off_is_done_again(
    mongo_database: config.Store, monkeypatch: pytest.MonkeyPatch, dies_at: int
) -> None:
    """Wherever that was, with one document at a time, and the outcome is the same."""
    await former_database(mongo_database)
    monkeypatch.setattr(backfills, "AT_ONCE", 1)
    left = iter(range(dies_at))
    authors, put_all = backfills._authors, backfills._put_all

    async def dying(*arguments: Any) -> Any:
        if next(left, None) is None:
            raise Broken
        return await authors(*arguments)

    async def dying_put(*arguments: Any) -> None:
        await put_all(*arguments)
        if next(left, None) is None:
            raise Broken

    with monkeypatch.context() as patch:
        patch.setattr(backfills, "_authors", dying)
        patch.setattr(backfills, "_put_all", dying_put)
        with pytest.raises(Broken):
            await MongoStore.open(mongo_database, COLLECTIONS)
    store = await MongoStore.open(mongo_database, COLLECTIONS)
    try:
        await check_what_is_listed(store)
    finally:
        await store.close()
