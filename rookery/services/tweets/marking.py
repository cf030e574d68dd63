"""How likes, bookmarks and pins are made and taken back."""

from collections.abc import Collection, Sequence

from rookery.errors import NotFound, Unavailable
from rookery.services.tweets.counts import CountChanges
from rookery.store.engine import ConditionFailed, Operation, Store, WriteBatch
from rookery.store.records.conditions import TWEET_EXISTS


class Marking:
    """Commits what users do with tweets.

    Each change is one batch whose conditions decide whether there is anything to change, so counts
    stay right however many requests come at once.
    """

    def __init__(self, store: Store, changes: CountChanges) -> None:
        self._writer = store.writer
        self._changes = changes

    async def commit(
        self,
        operations: Sequence[Operation],
        *conditions: str,
        counts: Collection[int] = (),
        viewer_id: int | None = None,
    ) -> str | None:
        """Make `operations` durable. The label of the condition that failed; None if none did.

        `conditions` are the labels of those that may fail. Once the batch has taken effect, every
        process is told that the `counts` of these tweets are others, and the marks of `viewer_id`,
        so that every read shows it when this returns.

        Raises:
            NotFound: the condition `TWEET_EXISTS` failed.
            StoreUnavailable: nothing has taken effect.
            Unavailable: the outcome is unknown.
        """
        try:
            await self._writer.write(WriteBatch(tuple(operations)))
        except ConditionFailed as failed:
            if failed.label == TWEET_EXISTS:
                raise NotFound("Tweet not found") from failed
            if failed.label not in conditions:
                raise
            return failed.label
        except Unavailable:
            self._changes.announce(counts, viewer_id)
            raise
        await self._changes.announce(counts, viewer_id)
        return None
