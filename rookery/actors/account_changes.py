"""Brings deliveries up to date: what became of accounts since the events were written.

A tweet may be on its way to the timelines while its author is suspended, or the author of what it
retweets or quotes turns private. Whoever changes an account tells every shard before the change is
answered, so what is delivered from then on goes by it.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from rookery.domain.recent_accounts import OPEN, Account, RecentAccounts, account_of
from rookery.events.encoding import read_record, tweet_record
from rookery.events.kinds import TweetRecord
from rookery.messages import Delivery
from rookery.models import PostKind
from rookery.store.engine import Reader
from rookery.store.records.users import Users

Accounts = Mapping[int, Account]
NOBODY: list[int] = []


class AccountChanges:
    """What one shard knows of accounts that changed.

    What counts is the store: a change that is told late, or once more, does no harm. Events that
    are older than what was told here, as after a restart, have their accounts looked up.
    """

    def __init__(self, reader: Reader, clock_ms: Callable[[], int]) -> None:
        self._users = Users(reader)
        self._clock_ms = clock_ms
        self._changing = asyncio.Lock()
        self._recent = RecentAccounts(clock_ms())

    async def changed(self, user_ids: Sequence[int]) -> None:
        """Take note of accounts that changed.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        wanted = list(dict.fromkeys(user_ids))
        async with self._changing:
            for user in await self._users.get_many(wanted):
                if user is not None:
                    self._recent.note(user.id, account_of(user), self._clock_ms())

    async def look_up(self, deliveries: Iterable[Delivery]) -> Accounts:
        """The accounts behind those of `deliveries` that are too old to be judged by what was told.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        covers_from = self._recent.covers_from
        wanted: set[int] = set()
        for each in deliveries:
            if each.event_id < covers_from:
                wanted.add(each.author_id)
                if each.original_author_id is not None:
                    wanted.add(each.original_author_id)
        if not wanted:
            return {}
        users = await self._users.get_many(sorted(wanted))
        return {user.id: account_of(user) for user in users if user is not None}

    def brought_up_to_date(self, delivery: Delivery, looked_up: Accounts) -> Delivery:
        """The delivery as it would be written now; `looked_up` as of `look_up`.

        What is of a suspended account reaches nobody; moderators see it when they read.
        """
        if not looked_up and not self._recent:
            return delivery
        author = self._now(delivery.author_id, looked_up)
        if not author.is_active:
            return msgspec.structs.replace(delivery, audience=NOBODY)
        original_id = delivery.original_author_id
        if original_id is None or original_id == delivery.author_id:
            return delivery
        original = self._now(original_id, looked_up)
        if original.is_open:
            return delivery
        return _limited(delivery, original_id, original)

    def _now(self, user_id: int, looked_up: Accounts) -> Account:
        # What was told is never older than what was looked up before.
        return self._recent.get(user_id) or looked_up.get(user_id) or OPEN


def _limited(delivery: Delivery, original_id: int, original: Account) -> Delivery:
    """`delivery` of what retweets or quotes somebody whose account is not open."""
    if original.is_active:
        if delivery.original_audience is not None:
            return delivery
        seeing = sorted({original_id, *_mentioned(delivery.record)})
        return msgspec.structs.replace(delivery, original_audience=seeing)
    if delivery.post_kind & PostKind.QUOTE:
        return msgspec.structs.replace(delivery, record=_without_original(delivery.record))
    return msgspec.structs.replace(delivery, audience=NOBODY)


def _mentioned(data: bytes) -> frozenset[int]:
    """Who is mentioned in what a record retweets or quotes."""
    record = _read(data)
    return (
        frozenset()
        if record is None or record.original is None
        else (record.original.tweet.mentioned_ids)
    )


def _without_original(data: bytes) -> bytes:
    record = _read(data)
    return data if record is None else tweet_record(record.tweet, record.author)


def _read(data: bytes) -> TweetRecord | None:
    """The record; None where there is none, or none that anybody can read."""
    try:
        return read_record(data) if data else None
    except msgspec.MsgspecError:
        return None
