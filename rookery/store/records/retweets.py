"""Retweets and quotes: the rows that a retweet or a quote adds beside the tweet itself.

A user retweets a tweet at most once: `RETWEETED` has one row for both, and the batch of a second
retweet fails with the label `ALREADY_RETWEETED`. Lists come newest first, by the id of the retweet
or quote.
"""

from rookery.models import Tweet
from rookery.store.engine import Delete, Insert, Operation, Reader
from rookery.store.schema import QUOTES, RETWEETED, RETWEETS

ALREADY_RETWEETED = RETWEETED.name
"""The label of the `ConditionFailed` when the author retweets the same tweet already."""


def referring(tweet: Tweet) -> list[Operation]:
    """Operations that enter a tweet among the retweets or quotes of what it shows."""
    operations: list[Operation] = []
    if (original_id := tweet.retweet_of_id) is not None:
        row = {"original_id": original_id, "tweet_id": tweet.id, "author_id": tweet.author_id}
        operations += [Insert(RETWEETS.name, row), Insert(RETWEETED.name, row)]
    if tweet.quote_of_id is not None:
        quote = {
            "original_id": tweet.quote_of_id,
            "tweet_id": tweet.id,
            "author_id": tweet.author_id,
            "counted": int(tweet.is_counted),
        }
        operations.append(Insert(QUOTES.name, quote))
    return operations


def no_longer_referring(tweet: Tweet, retweeted_as: int | None) -> list[Operation]:
    """Operations that take a tweet out of those lists.

    `retweeted_as` is the retweet by which its author retweets the same original. It may be another
    one: stores of earlier releases hold several retweets of one tweet by one author.
    """
    operations: list[Operation] = []
    if (original_id := tweet.retweet_of_id) is not None:
        operations.append(Delete(RETWEETS.name, (original_id, tweet.id)))
        if retweeted_as == tweet.id:
            operations.append(Delete(RETWEETED.name, (tweet.author_id, original_id)))
    if tweet.quote_of_id is not None:
        operations.append(Delete(QUOTES.name, (tweet.quote_of_id, tweet.id)))
    return operations


class RetweetRepository:
    """Reads of who retweets and quotes what."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def retweet_of(self, user_id: int, original_id: int) -> int | None:
        """The id of the retweet by which a user retweets a tweet."""
        row = await self._reader.get(RETWEETED, (user_id, original_id))
        return None if row is None else row["tweet_id"]

    async def retweets(self, original_id: int, before: int, limit: int) -> list[tuple[int, int]]:
        """(author id, retweet id) of the retweets of a tweet, below `before` (0: all)."""
        rows = await self._reader.select(
            RETWEETS,
            ("author_id", "tweet_id"),
            (original_id,),
            before=(before,) if before else None,
            limit=limit,
            reverse=True,
        )
        return [(author_id, tweet_id) for author_id, tweet_id in rows]

    async def quotes(self, original_id: int, before: int, limit: int) -> list[int]:
        """Ids of the quotes of a tweet, below `before` (0: all)."""
        rows = await self._reader.select(
            QUOTES,
            ("tweet_id",),
            (original_id,),
            before=(before,) if before else None,
            limit=limit,
            reverse=True,
        )
        return [tweet_id for (tweet_id,) in rows]
