"""Clears away what referred to a deleted tweet: likes, bookmarks, former versions, retweets.

The tweet itself is gone for everybody as soon as its deletion is committed. What this does after
it is durable work: the deletion's batch notes it, each step is one batch of bounded size, and
whatever is left when a process dies is taken up by the next one that looks.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import ClassVar

from rookery.models import Tweet
from rookery.services.deferred import DeferredWork, Note
from rookery.services.ports import Invalidation
from rookery.services.tweets import telling
from rookery.services.tweets.reaching import Reach, Reaching
from rookery.store.engine import ConditionFailed, Operation, Store, WriteBatch
from rookery.store.records.outbox import adding
from rookery.store.records.removals import (
    OVERTAKEN,
    TO_BE_DELETED,
    Remains,
    Removal,
    RemovalRepository,
    beginning,
    clearing,
    ending,
)
from rookery.store.records.tweets import (
    UNCHANGED,
    Standing,
    TweetRepository,
    deleting,
    target_label,
    targets_of,
)

STEP = 100
"""Of each kind of reference so many at a time."""
AWAITED_STEPS = 3
"""Enough for most tweets. A step that deletes `STEP` retweets counts as much as all of them."""


class Removals(DeferredWork):
    """Does what deletions have left to do.

    `on_change` is told of each tweet that goes on the way, which are retweets.
    """

    kind: ClassVar[str] = "removals"
    awaited_steps: ClassVar[int] = AWAITED_STEPS

    def __init__(
        self,
        store: Store,
        ids: Callable[[], int],
        on_change: Callable[[Invalidation], Awaitable[None]],
    ) -> None:
        super().__init__(ids)
        self._store = store
        self._on_change = on_change
        self._removals = RemovalRepository(store.reader)
        self._tweets = TweetRepository(store.reader)
        self._reaching = Reaching(store)

    async def deleting(self, tweet: Tweet, *, is_own: bool) -> tuple[Operation, ...]:
        """Operations that delete `tweet` and begin its removal; see `store.tweets.deleting`.

        `is_own`: its author deletes it. Call `begin` once they are committed.
        """
        gone = None
        if tweet.retweet_of_id is not None:  # What it shows may be deleted before it is.
            gone = await self._removals.get(tweet.retweet_of_id)
        (reach,) = await self._reaching.of([tweet], gone, is_own=is_own)
        return self._deleting(tweet, await self._tweets.standing(tweet), reach)

    def _deleting(self, tweet: Tweet, standing: Standing, reach: Reach) -> tuple[Operation, ...]:
        event = telling.deleted(
            self._ids(), tweet, reach.original, is_for_nobody=reach.is_for_nobody
        )
        return (*deleting(tweet, standing), beginning(tweet, self._ids()), adding(event))

    async def finish(self, tweet_id: int, steps: int = 0) -> bool:
        """See `DeferredWork.finish`."""
        done = 0
        waiting = [tweet_id]
        while waiting:
            removal = await self._removals.get(waiting[-1])
            if removal is None:
                waiting.pop()
                continue
            if steps and done >= steps:
                return False
            remains = await self._removals.remains(removal, STEP)
            done += 1 + len(remains.retweets) * (AWAITED_STEPS - 1) // STEP
            with suppress(ConditionFailed):  # it is looked at again
                parent_id = await self._step(removal, remains)
                if parent_id is not None:
                    waiting[-1:] = [parent_id]
        return True

    async def is_noted(self, tweet_id: int) -> bool:
        """Whether something is left to do for this tweet."""
        return await self._removals.get(tweet_id) is not None

    async def _noted(self, after_id: int, limit: int) -> list[Note]:
        removals = await self._removals.after(after_id, limit)
        return [Note(each.tweet_id, each.token) for each in removals]

    async def _take_up(self, tweet_id: int) -> bool:
        """Work on a removal until it ends, or until somebody else is seen to do so."""
        is_finished = False
        while (removal := await self._removals.get(tweet_id)) is not None:
            try:
                await self._step(removal, await self._removals.remains(removal, STEP))
            except ConditionFailed:
                return False
            is_finished = True
        return is_finished

    async def _step(self, removal: Removal, remains: Remains) -> int | None:
        """One batch of a removal; the id of the deleted parent to be looked at again, if one is.

        Raises:
            ConditionFailed: somebody else did this step.
        """
        if removal.token == TO_BE_DELETED:
            tweet = await self._tweets.get(removal.tweet_id)
            if tweet is not None:
                await self._delete_noted(tweet)
                return None
        if remains.retweets:
            await self._delete_retweets(removal, remains.retweets)
        operations = clearing(removal, remains)
        is_last = remains.is_less_than(STEP)
        if is_last:
            operations += ending(removal, remains, self._ids())
        if operations:
            await self._store.writer.write(WriteBatch(tuple(operations)))
        looked_at_again = is_last and not remains.has_replies and remains.parent is not None
        return removal.reply_to_id if looked_at_again else None

    async def _delete_retweets(self, removal: Removal, tweet_ids: Sequence[int]) -> None:
        """Delete retweets of the deleted tweet, with all that this takes.

        Raises:
            ConditionFailed: somebody else changed one of them meanwhile.
        """
        found = [each for each in await self._tweets.get_many(tweet_ids) if each is not None]
        reached = await self._reaching.of(found, removal)
        outcomes = await asyncio.gather(
            *map(self._delete_retweet, found, reached), return_exceptions=True
        )
        gone = [each for each, outcome in zip(found, outcomes, strict=True) if outcome is None]
        if gone:
            lowered = {target for each in gone for target in targets_of(each)}
            lowered -= {each.retweet_of_id for each in gone}  # gone itself
            change = Invalidation(tweets=[each.id for each in gone], counts=sorted(lowered))
            await self._on_change(change)
        finished = await asyncio.gather(
            *(self.finish(each.id, AWAITED_STEPS) for each in gone), return_exceptions=True
        )
        for outcome in (*outcomes, *finished):
            if isinstance(outcome, BaseException):
                raise outcome

    async def _delete_noted(self, tweet: Tweet) -> None:
        """Delete a tweet that should not be there; its removal goes on from its beginning.

        Raises:
            ConditionFailed: somebody else changed it meanwhile.
        """
        (reach,) = await self._reaching.of([tweet])
        await self._delete_retweet(tweet, reach)
        await self._on_change(Invalidation(tweets=[tweet.id], counts=targets_of(tweet)))

    async def _delete_retweet(self, tweet: Tweet, reach: Reach) -> None:
        targets = targets_of(tweet)
        operations = self._deleting(tweet, await self._tweets.standing(tweet), reach)
        try:
            await self._store.writer.write(WriteBatch(operations))
        except ConditionFailed as failed:
            if failed.label in (UNCHANGED, *map(target_label, targets)):
                raise ConditionFailed(OVERTAKEN) from failed
            raise
