"""Clears away what referred to a deleted tweet: likes, bookmarks, former versions, retweets.

The tweet itself is gone for everybody as soon as its deletion is committed. What this does after
it is durable work: the deletion's batch notes it, each step is one batch of bounded size, and
whatever is left when a process dies is taken up by the next one that looks.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

import msgspec
import structlog

from rookery.domain.visibility import Facts
from rookery.errors import RookeryError
from rookery.ids import time_ms_of
from rookery.models import Tweet
from rookery.services.ports import Invalidation
from rookery.services.reading.facts import mentioned_in
from rookery.services.tweets import telling
from rookery.services.tweets.new_tweets import Original
from rookery.store.engine import ConditionFailed, Operation, Store, WriteBatch
from rookery.store.records.graph import GraphRepository
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
from rookery.store.records.users import Users

log = structlog.get_logger(__name__)

STEP = 100
"""Of each kind of reference so many at a time."""
AWAITED_STEPS = 3
"""So many steps are done before a deletion is answered: enough for most tweets. One that deletes
`STEP` retweets counts as much as all of them."""
LOOK_S = 30.0
"""So often every process looks for what another one has left behind, and not sooner than that
after the deletion: until then the other one may be at it."""
LOOKED_AT = 100
MAX_AT_ONCE = 8
"""So many removals are in the background of a process."""


class Removals:
    """Does what deletions have left to do.

    `on_change` is told of each tweet that goes on the way, which are retweets.
    """

    def __init__(
        self,
        store: Store,
        ids: Callable[[], int],
        on_change: Callable[[Invalidation], Awaitable[None]],
    ) -> None:
        self._store = store
        self._ids = ids
        self._on_change = on_change
        self._removals = RemovalRepository(store.reader)
        self._tweets = TweetRepository(store.reader)
        self._users = Users(store.reader)
        self._graph = GraphRepository(store.reader)
        self._tasks: set[asyncio.Task[None]] = set()

    def deleting(
        self, tweet: Tweet, standing: Standing, original: Facts | None = None
    ) -> tuple[Operation, ...]:
        """Operations that delete `tweet` and begin its removal; see `store.tweets.deleting`.

        `original` is what it retweeted or quoted, as far as it is known. Call `begin` once they are
        committed.
        """
        event = telling.deleted(self._ids(), tweet, original)
        note = beginning(tweet, self._ids(), mentioned_in(tweet))
        return (*deleting(tweet, standing), note, adding(event))

    async def shown_by(self, tweet: Tweet, original: Original | None) -> Facts | None:
        """The facts of what a tweet retweets or quotes, which say whom its end is told.

        `original` is what that is, unless it is deleted: then this knows it until its removal is
        done.
        """
        facts = None if original is None else original.facts
        if facts is None and tweet.retweet_of_id is not None:
            removal = await self._removals.get(tweet.retweet_of_id)
            facts = None if removal is None else await self._facts_of(removal)
        return await self._with_retweeter(facts, tweet)

    async def _with_retweeter(self, facts: Facts | None, tweet: Tweet) -> Facts | None:
        """Let in who retweets somebody private and follows them: a mute must not hide one's own."""
        if facts is None or not facts.is_restricted or tweet.retweet_of_id is None:
            return facts
        one, other = tweet.author_id, facts.author_id
        if one == other:
            return facts
        [follows] = await self._graph.follows([(one, other)])
        let_in = {one} if follows else set()
        return msgspec.structs.replace(facts, mentioned=facts.mentioned | let_in)

    async def _facts_of(self, removal: Removal) -> Facts | None:
        if removal.author_id is None:
            return None
        author = await self._users.get(removal.author_id)
        if author is None:
            return None
        return Facts(
            author_id=author.id,
            conversation_id=removal.conversation_id,
            visibility=removal.visibility,
            author_is_private=author.is_private,
            author_status=author.status,
            mentioned=frozenset(removal.mentioned),
        )

    async def begin(self, tweet_id: int) -> None:
        """Do the first steps now, and the others in the background.

        What is too much at once waits until some process looks.
        """
        try:
            if await self.finish(tweet_id, AWAITED_STEPS):
                return
        except RookeryError as error:
            log.warning("removal put off", tweet=tweet_id, error=str(error))
            return
        if len(self._tasks) < MAX_AT_ONCE:
            self._spawn(self._finish_later(tweet_id))

    async def finish(self, tweet_id: int, steps: int = 0) -> bool:
        """Do all steps, or at most `steps` of them; whether nothing is left.

        Raises:
            StoreUnavailable: the store does not answer; what was done stays done.
        """
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

    async def settle(self) -> None:
        """Return when what deletions have left so far is cleared, by whoever does it.

        Raises:
            StoreUnavailable: the store does not answer; what was done stays done.
        """
        position = 0
        while found := await self._removals.after(position, LOOKED_AT):
            position = found[-1].tweet_id
            for removal in found:
                await self.finish(removal.tweet_id)

    async def is_noted(self, tweet_id: int) -> bool:
        """Whether something is left to do for this tweet."""
        return await self._removals.get(tweet_id) is not None

    async def look(self) -> int:
        """Take up what other processes have left; how many removals were ended."""
        ended = position = 0
        now_ms = time_ms_of(self._ids())  # Tokens are ids, whose time never goes back.
        while found := await self._removals.after(position, LOOKED_AT):
            position = found[-1].tweet_id
            for removal in found:
                if time_ms_of(removal.token) + LOOK_S * 1000 <= now_ms:
                    ended += await self._take_up(removal)
        return ended

    async def _take_up(self, removal: Removal) -> bool:
        """Work on a removal until it ends, or until somebody else is seen to do so."""
        current: Removal | None = removal
        while current is not None:
            try:
                await self._step(current, await self._removals.remains(current, STEP))
            except ConditionFailed:
                return False
            current = await self._removals.get(removal.tweet_id)
        return True

    async def run(self) -> None:
        """Look now, and again and again, until cancelled."""
        while True:
            try:
                await self.look()
            except RookeryError as error:
                log.warning("removals not looked at", error=str(error))
            # Not all processes at once.
            await asyncio.sleep(LOOK_S * random.uniform(0.75, 1.25))

    async def close(self) -> None:
        """End what runs in the background; it is taken up by somebody."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _finish_later(self, tweet_id: int) -> None:
        try:
            await self.finish(tweet_id)
        except RookeryError as error:
            log.warning("removal put off", tweet=tweet_id, error=str(error))

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
            await self._delete_retweets(remains.retweets, await self._facts_of(removal))
        operations = clearing(removal, remains)
        is_last = remains.is_less_than(STEP)
        if is_last:
            operations += ending(removal, remains, self._ids())
        if operations:
            await self._store.writer.write(WriteBatch(tuple(operations)))
        looked_at_again = is_last and not remains.has_replies and remains.parent is not None
        return removal.reply_to_id if looked_at_again else None

    async def _delete_retweets(self, tweet_ids: Sequence[int], original: Facts | None) -> None:
        """Delete retweets of the deleted tweet, with all that this takes.

        Raises:
            ConditionFailed: somebody else changed one of them meanwhile.
        """
        found = [each for each in await self._tweets.get_many(tweet_ids) if each is not None]
        outcomes = await asyncio.gather(
            *(self._delete_retweet(each, original) for each in found), return_exceptions=True
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
        await self._delete_retweet(tweet, None)
        await self._on_change(Invalidation(tweets=[tweet.id], counts=targets_of(tweet)))

    async def _delete_retweet(self, tweet: Tweet, original: Facts | None) -> None:
        targets = targets_of(tweet)
        shown = await self._with_retweeter(original, tweet)
        operations = self.deleting(tweet, await self._tweets.standing(tweet), shown)
        try:
            await self._store.writer.write(WriteBatch(operations))
        except ConditionFailed as failed:
            if failed.label in (UNCHANGED, *map(target_label, targets)):
                raise ConditionFailed(OVERTAKEN) from failed
            raise
