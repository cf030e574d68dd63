"""The steps from one schema version to the next, over databases that are large."""

import pytest
from bson import Int64
from pymongo import AsyncMongoClient

from rookery import config
from rookery.store.mongo import backfills, migrations
from rookery.store.mongo.migrations import migrate
from rookery.store.mongo.shapes import Stored
from rookery.store.schema import COLLECTIONS

AT_ONCE = 40
"""So many documents a command may look at, in place of the real bound."""
MANY = 5 * AT_ONCE


def like(tweet_id: int, user_id: int) -> Stored:
    return {
        "_id": f"[{tweet_id},{user_id}]",
        "tweet_id": Int64(tweet_id),
        "user_id": Int64(user_id),
        "favourite_id": Int64(user_id),
    }


def post(tweet_id: int, kind: int) -> Stored:
    return {
        "_id": f"[7,{tweet_id}]",
        "author_id": Int64(7),
        "tweet_id": Int64(tweet_id),
        "kind": Int64(kind),
    }


async def test_noting_removals_looks_at_a_bounded_part_a_command(
    mongo_database: config.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command must end within the time of a request, however many likes and posts there are."""
    monkeypatch.setattr(backfills, "AT_ONCE", AT_ONCE)
    steps = migrations.migrations(COLLECTIONS)
    async with AsyncMongoClient[Stored](mongo_database.mongo_uri) as client:
        database = client[mongo_database.mongo_database]
        if "setName" not in await database.command("hello"):
            pytest.skip("a router keeps no profile of its commands")
        await migrate(database, steps[:2])
        # Tweets 1 to MANY are there but for each tenth; the first has a long list of likes.
        ids = range(1, MANY + 1)
        await database["tweets"].insert_many(
            {"_id": Int64(each), "author_id": Int64(7), "retweet_of_id": Int64(MANY + each)}
            for each in ids
            if each % 10
        )
        await database["posts"].insert_many(post(each, 2 * (each % 2)) for each in ids)
        await database["favouriters"].insert_many(
            [like(each, 7) for each in ids] + [like(1, 100 + each) for each in ids]
        )
        await database.command("profile", 2)
        await migrate(database, steps)
        await database.command("profile", 0)
        looked_at = [
            max(each.get("keysExamined", 0), each.get("docsExamined", 0))
            async for each in database["system.profile"].find({"op": {"$in": ["query", "command"]}})
        ]
        noted = [each["_id"] async for each in database["removals"].find().sort("_id")]
        retweets = await database["retweets"].count_documents({})
    assert max(looked_at) <= 2 * AT_ONCE
    originals = {MANY + each for each in ids if each % 2}
    assert noted == sorted({*range(10, MANY + 1, 10), *originals})
    assert retweets == len(originals)
