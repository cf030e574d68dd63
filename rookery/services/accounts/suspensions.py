"""Suspending accounts, and restoring them.

A suspended account is there for nobody but moderators, and acts no more: the batch that suspends it
logs all its devices out, and none can log in while it stands.
"""

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from rookery.domain.visibility import ACTIVE, SUSPENDED
from rookery.errors import NotFound, StoreUnavailable, Unavailable
from rookery.events.kinds import PrivacyChanged
from rookery.models import User
from rookery.services.ports import Invalidation, InvalidationPort, TimelinePort
from rookery.services.turns import ATTEMPTS
from rookery.store.engine import ConditionFailed, Operation, Store, WriteBatch
from rookery.store.records.devices import ALL_DEVICES, Devices
from rookery.store.records.outbox import adding
from rookery.store.records.users import Users


class Changed(NamedTuple):
    """The account as it is now, and whether every process has confirmed that it knows.

    One that has not takes the account in when it looks at it again: within `auth.recheck_s` its
    tokens and streams, within half a minute its tweets.
    """

    user: User
    is_told: bool


class Suspensions:
    """What an operator does to accounts. Doing it twice is doing it once."""

    def __init__(
        self,
        store: Store,
        ids: Callable[[], int],
        invalidation: InvalidationPort,
        timelines: TimelinePort,
    ) -> None:
        self._store = store
        self._ids = ids
        self._invalidation = invalidation
        self._timelines = timelines
        self._users = Users(store.reader)

    async def suspend(self, username: str) -> Changed:
        """Suspend an account, and log all its devices out.

        When this returns, its tokens are refused by every gateway, its streams are closed, and
        nobody but moderators reads or is pushed what it posted.

        Raises:
            NotFound: there is no such user.
            Unavailable: others change the account all the time, or the outcome is unknown.
        """
        return await self._change(username, SUSPENDED)

    async def restore(self, username: str) -> Changed:
        """End a suspension. Devices stay logged out; the account may log in again.

        Raises as `suspend`.
        """
        return await self._change(username, ACTIVE)

    async def _change(self, username: str, status: str) -> Changed:
        user_id = await self._users.id_of_username(username)
        for _ in range(ATTEMPTS):
            former = None if user_id is None else await self._users.get(user_id)
            if former is None or former.status not in (ACTIVE, SUSPENDED):
                raise NotFound("User not found")
            if former.status == status:
                return Changed(former, await self._tell(former))
            changed = msgspec.structs.replace(former, status=status, version=former.version + 1)
            try:
                await self._store.writer.write(WriteBatch(self._operations(former, changed)))
            except ConditionFailed:
                continue
            except StoreUnavailable:
                raise
            except Unavailable:  # The outcome is unknown.
                await self._tell(changed)
                raise
            return Changed(changed, await self._tell(changed))
        raise Unavailable("The account is being changed too often; try again")

    def _operations(self, former: User, changed: User) -> tuple[Operation, ...]:
        event = PrivacyChanged(id=self._ids(), user_id=changed.id)
        operations = (*self._users.replace(former, changed), adding(event))
        if changed.status == ACTIVE:
            return operations
        return (*operations, Devices.remove_all(changed.id))

    async def _tell(self, user: User) -> bool:
        """Have all processes take in what is committed, timelines first (see `Profiles`)."""
        await self._timelines.accounts_changed([user.id])
        ended = [] if user.status == ACTIVE else [(user.id, ALL_DEVICES)]
        return await self._invalidation.broadcast(Invalidation(users=[user.id], devices=ended))
