"""What the steps from one schema version to the next do to the collections and what is in them.

A store may hold many millions of likes and tweets, and each command has to end within
`store.timeout_s`: so everything is read in the order of an index, `AT_ONCE` documents at a time.
Each may be broken off anywhere, and is then done again from its beginning, see `migrations`.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import pymongo
from bson import Int64
from pymongo import ReplaceOne, UpdateOne
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import CollectionInvalid, OperationFailure

from rookery.models import PostKind
from rookery.store.engine import Collection
from rookery.store.mongo.shapes import Shape, Stored, shapes

AT_ONCE = 1000
INDEX_TIMEOUT_S = 24 * 3600.0
"""So long may an index take that is made of a collection that is full already."""
_EXISTS = 48


async def create_all(database: AsyncDatabase[Stored], collections: Iterable[Collection]) -> None:
    """Create `collections` and their indexes, as far as they are not there."""
    for shape in shapes(collections).values():
        try:
            await database.create_collection(shape.name, check_exists=False)
        except CollectionInvalid:
            pass
        except OperationFailure as error:
            if error.code != _EXISTS:
                raise
        for name, (fields, removes) in shape.indexes().items():
            options: dict[str, Any] = {"expireAfterSeconds": 0} if removes else {}
            with pymongo.timeout(INDEX_TIMEOUT_S):  # the client's own is that of a request
                await database[shape.name].create_index(
                    [(field, 1) for field in fields], name=name, **options
                )


async def note_removals(database: AsyncDatabase[Stored], collections: Iterable[Collection]) -> None:
    """Note what tweets deleted so far left behind, and who retweets what.

    The removals themselves are done by the running server, step by step, with their counts.
    """
    by_name = shapes(collections)
    if not {"removals", "retweets", "posts", "tweets", "favouriters"} <= by_name.keys():
        return  # a part of the collections, as tests make it
    async for posts in _all(database["posts"], "_id", ("tweet_id", "kind")):
        ids = [post["tweet_id"] for post in posts if (post.get("kind") or 0) & PostKind.RETWEET]
        if not ids:
            continue
        found = database["tweets"].find({"_id": {"$in": ids}}, {"retweet_of_id": 1})
        pairs = [(int(each["retweet_of_id"]), int(each["_id"])) async for each in found]
        rows = [by_name["retweets"].keyed(pair) for pair in pairs]
        await _put_all(database["retweets"], rows)
        listed = [by_name["conversations"].id((tweet_id, tweet_id)) for _, tweet_id in pairs]
        await database["conversations"].delete_many({"_id": {"$in": listed}})
    for name, field in (("favouriters", "tweet_id"), ("retweets", "original_id")):
        async for some in _all(database[name], field):
            ids = sorted({each[field] for each in some})
            there = await _authors(database, ids)
            rows = [{"_id": Int64(each), "token": Int64(1)} for each in ids if each not in there]
            await _put_all(database["removals"], rows)


async def _all(
    collection: AsyncCollection[Stored], field: str, others: Sequence[str] = ()
) -> AsyncIterator[list[Stored]]:
    """`field` and `others` of a collection's documents in the order of `field`, by `AT_ONCE`.

    `field` must be `_id` or the first of an index. Documents that have the same value there as
    the last one of a batch are left out: what is read is every value, not every document.
    """
    projection = {"_id": 0} | dict.fromkeys((field, *others), 1)
    where: Stored = {}
    while True:
        found = collection.find(where, projection, limit=AT_ONCE, batch_size=AT_ONCE)
        some = await found.sort(field, 1).to_list()
        if not some:
            return
        yield some
        where = {field: {"$gt": some[-1][field]}}


async def _put_all(collection: AsyncCollection[Stored], rows: Sequence[Stored]) -> None:
    if rows:
        await collection.bulk_write(
            [ReplaceOne({"_id": row["_id"]}, row, upsert=True) for row in rows]
        )


async def list_retweets_and_quotes(
    database: AsyncDatabase[Stored], collections: Iterable[Collection]
) -> None:
    """Give counts their pins, and list who retweets and who quotes what, from the tweets.

    Of several retweets of a tweet by the same user, which former releases took, the oldest is
    listed as that user's. For the others removals are noted: the running server deletes them, with
    all that this takes.
    """
    by_name = shapes(collections)
    for name in {"user_counts", "tweet_counts"} & by_name.keys():
        async for some in _all(database[name], "_id"):
            ids = [each["_id"] for each in some]
            await database[name].update_many(
                {"_id": {"$in": ids}, "pins": None}, {"$set": {"pins": Int64(0)}}
            )
    if not {"retweets", "retweeted", "quotes", "removals", "posts", "tweets"} <= by_name.keys():
        return  # a part of the collections, as tests make it
    await _list_retweets(database, by_name)
    await _note_repeated_retweets(database, by_name)
    await _list_quotes(database, by_name["quotes"])


async def _list_retweets(database: AsyncDatabase[Stored], by_name: dict[str, Shape]) -> None:
    retweeted = by_name["retweeted"]
    async for some in _all(database["retweets"], "_id", ("original_id", "tweet_id")):
        authors = await _authors(database, [each["tweet_id"] for each in some])
        known = [(authors[each["tweet_id"]], each) for each in some if each["tweet_id"] in authors]
        if not known:
            continue
        await database["retweets"].bulk_write(
            [
                UpdateOne(
                    {"_id": each["_id"], "original_id": each["original_id"]},
                    {"$set": {"author_id": Int64(author_id)}},
                )
                for author_id, each in known
            ]
        )
        # The smallest is the oldest, whichever comes first, and however often this is done.
        await database["retweeted"].bulk_write(
            [
                UpdateOne(
                    retweeted.filter(key),
                    {
                        "$min": {"tweet_id": Int64(each["tweet_id"])},
                        "$setOnInsert": {"original_id": Int64(each["original_id"])},
                    },
                    upsert=True,
                )
                for author_id, each in known
                if (key := (author_id, int(each["original_id"])))
            ]
        )


async def _note_repeated_retweets(
    database: AsyncDatabase[Stored], by_name: dict[str, Shape]
) -> None:
    retweeted = by_name["retweeted"]
    fields = ("original_id", "tweet_id", "author_id")
    async for some in _all(database["retweets"], "_id", fields):
        of = {
            each["tweet_id"]: retweeted.id((int(each["author_id"]), int(each["original_id"])))
            for each in some
            if each.get("author_id") is not None
        }
        found = database["retweeted"].find({"_id": {"$in": list(set(of.values()))}})
        listed = {each["_id"]: each["tweet_id"] async for each in found}
        repeated = [tweet_id for tweet_id, id_ in of.items() if listed[id_] != tweet_id]
        rows = [{"_id": Int64(each), "token": Int64(1)} for each in repeated]
        await _put_all(database["removals"], rows)


async def _list_quotes(database: AsyncDatabase[Stored], quotes: Shape) -> None:
    async for posts in _all(database["posts"], "_id", ("tweet_id", "kind")):
        ids = [post["tweet_id"] for post in posts if (post.get("kind") or 0) & PostKind.QUOTE]
        if not ids:
            continue
        found = database["tweets"].find(
            {"_id": {"$in": ids}}, {"author_id": 1, "quote_of_id": 1}, batch_size=AT_ONCE + 1
        )
        tweets = [each async for each in found]
        there = await _authors(database, sorted({each["quote_of_id"] for each in tweets}))
        rows = [
            quotes.stored(
                {
                    "original_id": int(each["quote_of_id"]),
                    "tweet_id": int(each["_id"]),
                    "author_id": int(each["author_id"]),
                    "counted": 1,
                }
            )
            for each in tweets
            if each["quote_of_id"] in there
        ]
        await _put_all(database["quotes"], rows)


async def _authors(database: AsyncDatabase[Stored], ids: Sequence[int]) -> dict[int, int]:
    """The author of each of the tweets that are there."""
    found = database["tweets"].find(
        {"_id": {"$in": list(ids)}}, {"author_id": 1}, batch_size=AT_ONCE + 1
    )
    return {int(each["_id"]): int(each["author_id"]) async for each in found}
