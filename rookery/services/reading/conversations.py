"""What was answered to a tweet, the conversation it belongs to, and its former versions."""

from typing import Any, NamedTuple

from rookery.services.reading.context import Context, Contexts
from rookery.services.reading.pages import Chunk, check_limit, chunk_of_ids
from rookery.services.reading.reading import Reading
from rookery.services.reading.shown import ShownPage
from rookery.store.engine import Store
from rookery.store.records.tweets import TweetRepository


class Version(NamedTuple):
    """One version of a tweet; `created_ms` is when it came to be."""

    version: int
    text: str
    entities: dict[str, list[Any]]
    created_ms: int


class VersionPage(NamedTuple):
    """Versions, newest first, and the position of the next page; 0 when it ends here."""

    versions: list[Version]
    next_version: int


class Conversations:
    """Lists around one tweet. Each raises `NotFound` where the viewer may not see the tweet, and
    `InvalidRequest` where `limit` is out of bounds. A mute of the conversation itself does not
    count in them, since the viewer asked for it."""

    def __init__(self, store: Store, reading: Reading) -> None:
        self._reading = reading
        self._tweets = TweetRepository(store.reader)
        self._contexts = Contexts(store, reading)

    async def replies(
        self, viewer_id: int | None, tweet_id: int, after: int, limit: int
    ) -> ShownPage:
        """The direct replies to a tweet, oldest first, above id `after` (0: all)."""
        check_limit(limit)
        tweet = await self._reading.seen_tweet(viewer_id, tweet_id)

        async def read(after: int, limit: int) -> Chunk:
            return chunk_of_ids(await self._tweets.replies(tweet_id, after, limit), limit)

        return await self._reading.page(
            viewer_id, read, after, limit, asked_for=(tweet.conversation_id,), is_ascending=True
        )

    async def conversation(
        self, viewer_id: int | None, tweet_id: int, after: int, limit: int
    ) -> ShownPage:
        """All tweets of the conversation that a tweet belongs to, oldest first."""
        check_limit(limit)
        tweet = await self._reading.seen_tweet(viewer_id, tweet_id)
        if tweet.retweet_of_id is not None and tweet.reply_to_id is None:
            tweet = await self._reading.seen_tweet(viewer_id, tweet.retweet_of_id)
        conversation_id = tweet.conversation_id

        async def read(after: int, limit: int) -> Chunk:
            ids = await self._tweets.conversation(conversation_id, after, limit)
            return chunk_of_ids(ids, limit)

        return await self._reading.page(
            viewer_id, read, after, limit, asked_for=(conversation_id,), is_ascending=True
        )

    async def context(
        self, viewer_id: int | None, tweet_id: int, after: int, limit: int
    ) -> Context:
        """What a tweet answers, and what answers it; see `Contexts.of`."""
        return await self._contexts.of(viewer_id, tweet_id, after, limit)

    async def history(
        self, viewer_id: int | None, tweet_id: int, before: int, limit: int
    ) -> VersionPage:
        """Versions of a tweet, newest first, below number `before` (0: from the present one)."""
        check_limit(limit)
        tweet = await self._reading.seen_tweet(viewer_id, tweet_id)
        below = min(before or tweet.version + 1, tweet.version)
        edits = await self._tweets.edits(tweet_id, below, limit + 1)
        # Each version came to be when the one before it was replaced.
        began_ms = [*(edit.replaced_ms for edit in edits), tweet.created_ms]
        found: list[Version] = []
        if before == 0 or before > tweet.version:
            found.append(Version(tweet.version, tweet.text, tweet.entities, began_ms[0]))
        found += [
            Version(edit.version, edit.text, edit.entities, since_ms)
            for edit, since_ms in zip(edits, began_ms[1:], strict=True)
        ]
        shown = found[:limit]
        return VersionPage(shown, shown[-1].version if len(found) > limit else 0)
