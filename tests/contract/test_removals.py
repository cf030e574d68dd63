"""Deletions with all that they take, over every engine, and what they left behind before."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest
from bson import Int64
from pymongo import AsyncMongoClient

from rookery import config
from rookery.errors import Conflict, NotFound
from rookery.models import User
from rookery.services.reading.shown import id_of
from rookery.services.tweets.tweets import NewTweet
from rookery.store.engine import Collection, Document, Store, WriteBatch
from rookery.store.mongo import MongoStore
from rookery.store.mongo.migrations import migrate, migrations
from rookery.store.records.users import Users
from rookery.store.schema import (
    BOOKMARKERS,
    BOOKMARKS,
    COLLECTIONS,
    FAVOURITERS,
    FAVOURITES,
    PINS,
    QUOTES,
    REMOVALS,
    REPLIES,
    RETWEETED,
    RETWEETS,
    TWEET_COUNTS,
    TWEETS,
    USER_COUNTS,
)
from rookery.store.sqlite import SqliteStore
from tests.unit.memory_store import MemoryStore
from tests.unit.services.server import Clock, Server


@pytest.fixture(params=["sqlite", "memory"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store of each engine but MongoDB, with the collections of Rookery."""
    if request.param == "memory":
        yield MemoryStore()
    else:
        opened = SqliteStore(tmp_path / "rookery.sqlite", COLLECTIONS, clock_ms=lambda: 0)
        yield opened
        await opened.close()


@pytest.fixture
async def mongo_store(mongo_database: config.Store) -> AsyncIterator[Store]:
    """An empty store in each MongoDB there is."""
    opened = await MongoStore.open(mongo_database, COLLECTIONS)
    yield opened
    await opened.close()


def gateway(store: Store, clock: Clock | None = None, worker: int = 0) -> Server:
    """The services over a store of any engine; what a test reads, it reads by `documents`."""
    return Server(cast(MemoryStore, store), clock, worker=worker)


async def documents(store: Store, collection: Collection) -> list[Document]:
    return await store.reader.range(collection, limit=10_000)


async def likes(store: Store) -> dict[int, int]:
    """The counts of those who like something."""
    found = await documents(store, USER_COUNTS)
    return {row["user_id"]: row["likes"] for row in found if row["likes"]}


async def test_counts_equal_lists_when_all_comes_at_once(store: Store) -> None:
    """Likes, unlikes and deletions of the same tweets, through two gateways."""
    await _all_at_once(store)


async def test_counts_equal_lists_in_mongodb(mongo_store: Store) -> None:
    """As above, where transactions conflict."""
    await _all_at_once(mongo_store)


async def _all_at_once(store: Store) -> None:
    first = gateway(store)
    servers = [first, gateway(store, first.clock, 1)]
    users = [await first.sign_up(f"user{number}") for number in range(6)]
    tweets = [await first.post(users[0]) for _ in range(4)]
    for server in servers:
        await server.reading.authors.many(user.user_id for user in users)

    async def act(number: int) -> None:
        server, user = servers[number % 2], users[number % 6]
        tweet = tweets[number * 7 % 4]
        try:
            if number % 11 == 10 and tweet is not tweets[3]:
                await server.tweets.delete(users[0], tweet.id)
            elif number % 3:
                await server.engagement.like(user, tweet.id)
            else:
                await server.engagement.unlike(user, tweet.id)
        except NotFound:
            pass

    for begin in range(0, 60, 12):
        await asyncio.gather(*(act(number) for number in range(begin, begin + 12)))
    favourites = await documents(store, FAVOURITES)
    favouriters = await documents(store, FAVOURITERS)
    assert await documents(store, REMOVALS) == []
    assert await likes(store) == dict(Counter(row["user_id"] for row in favourites))
    counts = {row["tweet_id"]: row["likes"] for row in await documents(store, TWEET_COUNTS)}
    by_tweet = Counter(row["tweet_id"] for row in favouriters)
    assert {tweet_id: count for tweet_id, count in counts.items() if count} == dict(by_tweet)
    assert set(by_tweet) <= {row["id"] for row in await documents(store, TWEETS)}


async def test_everything_goes_with_a_tweet(store: Store) -> None:
    """Likes, versions and retweets; the reply stays, and finds what it answered by its place."""
    await _everything_goes(store)


async def test_everything_goes_with_a_tweet_in_mongodb(mongo_store: Store) -> None:
    """As above."""
    await _everything_goes(mongo_store)


async def _everything_goes(store: Store) -> None:
    server = gateway(store)
    ann = await server.sign_up("ann")
    root = await server.post(ann, "root")
    tweet = await server.post(ann, "middle", root)
    reply = await server.post(ann, "reply", tweet)
    await server.tweets.create(ann, NewTweet(text="", retweet_of_id=tweet.id))
    quote = await server.tweets.create(ann, NewTweet(text="look", retweet_of_id=tweet.id))
    await server.tweets.edit(ann, tweet.id, "edited")
    await server.engagement.like(ann, tweet.id)
    await server.bookmarks.add(ann, tweet.id)
    await server.pins.pin(ann, tweet.id)
    await server.tweets.delete(ann, tweet.id)
    assert await likes(store) == {}
    gone = (RETWEETS, RETWEETED, QUOTES, BOOKMARKS, BOOKMARKERS, PINS, REMOVALS)
    for collection in gone:
        assert await documents(store, collection) == []
    assert [row["pins"] for row in await documents(store, USER_COUNTS)] == [0]
    assert (await server.reading.seen_tweet(None, quote.id)).quote_of_id == tweet.id
    context = await server.conversations.context(None, reply.id, 0, 20)
    assert [id_of(each) for each in context.ancestors] == [root.id, tweet.id]
    below = await server.conversations.context(None, root.id, 0, 20)
    assert [id_of(each) for each in below.descendants] == [tweet.id, reply.id]
    await server.tweets.delete(ann, reply.id)
    assert await documents(store, REPLIES) == []


async def test_a_storm_of_retweets_leaves_one_each(store: Store) -> None:
    """Of 64 parallel tries, through two gateways; the deletion of the original takes all."""
    await _storm_of_retweets(store)


async def test_a_storm_of_retweets_leaves_one_each_in_mongodb(mongo_store: Store) -> None:
    """As above, where transactions conflict."""
    await _storm_of_retweets(mongo_store)


async def _storm_of_retweets(store: Store) -> None:
    first = gateway(store)
    servers = [first, gateway(store, first.clock, 1)]
    ann, bob = await first.sign_up("ann"), await first.sign_up("bob")
    tweet = await first.post(ann)
    tries = [servers[each % 2].retweets.retweet(bob, tweet.id) for each in range(64)]
    posted = await asyncio.gather(*tries)
    assert sum(each.is_new for each in posted) == 1
    assert len({each.tweet.id for each in posted}) == 1
    (counts,) = await first.engagement.counts([tweet.id])
    assert counts.retweets == len(await documents(store, RETWEETS)) == 1
    others = [await first.sign_up(f"user{number}") for number in range(8)]
    acts = [servers[1].retweets.retweet(user, tweet.id) for user in others]
    deletion = asyncio.create_task(first.tweets.delete(ann, tweet.id))
    outcomes = await asyncio.gather(*acts, return_exceptions=True)
    await deletion
    assert all(isinstance(each, NotFound) for each in outcomes if isinstance(each, Exception))
    await first.tweets.removals.settle()
    for collection in (TWEETS, RETWEETS, RETWEETED, REMOVALS):
        assert await documents(store, collection) == []


async def test_at_most_five_pins_whatever_comes_at_once(store: Store) -> None:
    """The store itself keeps the bound."""
    await _storm_of_pins(store)


async def test_at_most_five_pins_in_mongodb(mongo_store: Store) -> None:
    """As above, where transactions conflict."""
    await _storm_of_pins(mongo_store)


async def _storm_of_pins(store: Store) -> None:
    first = gateway(store)
    servers = [first, gateway(store, first.clock, 1)]
    ann = await first.sign_up("ann")
    tweets = [await first.post(ann) for _ in range(9)]
    tries = [servers[at % 2].pins.pin(ann, tweet.id) for at, tweet in enumerate(tweets)]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    assert outcomes.count(True) == 5
    assert sum(isinstance(each, Conflict) for each in outcomes) == 4
    assert len(await documents(store, PINS)) == 5
    assert [row["pins"] for row in await documents(store, USER_COUNTS)] == [5]


async def test_likes_that_an_earlier_release_left_are_mended(
    mongo_database: config.Store,
) -> None:
    """A database of version 1 gets a removal noted for each, which puts the counts right."""
    async with AsyncMongoClient(mongo_database.mongo_uri) as client:  # type: ignore[var-annotated]
        database = client[mongo_database.mongo_database]
        await migrate(database, migrations(COLLECTIONS)[:1])
        for name in ("favourites", "favouriters"):
            row = {"user_id": Int64(7), "tweet_id": Int64(5), "favourite_id": Int64(9)}
            key = "[7,5]" if name == "favourites" else "[5,7]"
            await database[name].insert_one({"_id": key, **row})
        await database["user_counts"].insert_one(
            {"_id": Int64(7), "followers": 0, "followees": 0, "tweets": Int64(2), "likes": Int64(1)}
        )
        for tweet_id, kind, original in ((10, 0, None), (11, 2, 10), (12, 2, 6)):
            await database["tweets"].insert_one(
                {
                    "_id": Int64(tweet_id),
                    "author_id": Int64(7),
                    "version": Int64(1),
                    "text": "",
                    "kind": kind,
                    "conversation_id": Int64(tweet_id),
                    "retweet_of_id": None if original is None else Int64(original),
                }
            )
            await database["posts"].insert_one(
                {
                    "_id": f"[7,{tweet_id}]",
                    "author_id": Int64(7),
                    "tweet_id": Int64(tweet_id),
                    "kind": Int64(kind),
                }
            )
    store = await MongoStore.open(mongo_database, COLLECTIONS)
    try:
        ann = User(id=7, username="ann", name="Ann")
        await store.writer.write(WriteBatch(Users.add(ann)))
        assert [row["tweet_id"] for row in await documents(store, REMOVALS)] == [5, 6]
        assert await documents(store, RETWEETS) == [
            {"original_id": 6, "tweet_id": 12, "author_id": 7},
            {"original_id": 10, "tweet_id": 11, "author_id": 7},
        ]
        server = gateway(store)
        assert await server.tweets.removals.look() == 2
        assert await likes(store) == {}
        assert await documents(store, FAVOURITES) == await documents(store, FAVOURITERS) == []
        assert [row["id"] for row in await documents(store, TWEETS)] == [10, 11]
    finally:
        await store.close()
