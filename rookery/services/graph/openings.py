"""Accounts that were made public: all who asked to follow them by then do.

Nobody has to ask to follow a public account, and nobody could answer a request that is left. There
may be a hundred thousand of them, which no single batch can carry. So the batch that makes the
account public only notes that there is something to approve, each step approves a bounded number,
and whatever is left when a process dies is taken up by the next one that looks. Each step is
conditional on the account being public still: one that is made private again keeps what requests
are left. Who follows a public account before their turn has come just follows it, which ends the
request.
"""

from collections.abc import Callable, Sequence
from typing import ClassVar

from rookery.models import User
from rookery.services.deferred import DeferredWork, Note
from rookery.services.graph.changes import GraphChanges
from rookery.services.turns import ATTEMPTS
from rookery.store.engine import Operation, Store
from rookery.store.records.graph import follow_operations, user_unchanged
from rookery.store.records.requests import (
    Request,
    RequestRepository,
    end_opening_operations,
    end_request_operations,
    opening_operation,
)
from rookery.store.records.users import Users

STEP = 50
"""So many requests are approved by one batch."""


class Openings(DeferredWork):
    """Approves the requests to follow accounts that were made public."""

    kind: ClassVar[str] = "requests to approve"
    awaited_steps: ClassVar[int] = 4

    def __init__(self, store: Store, ids: Callable[[], int], changes: GraphChanges) -> None:
        super().__init__(ids)
        self._changes = changes
        self._users = Users(store.reader)
        self._requests = RequestRepository(store.reader)

    def note_operation(self, user_id: int) -> Operation:
        """Notes that there may be requests to approve, in the batch that makes an account public.
        Call `begin` once it is committed."""
        return opening_operation(user_id, self._ids())

    async def finish(self, user_id: int, steps: int = 0) -> bool:
        """See `DeferredWork.finish`."""
        done = overtaken = 0
        while await self._requests.opening(user_id) is not None:
            if (steps and done >= steps) or overtaken >= ATTEMPTS:
                return False
            done += 1
            overtaken = 0 if await self._step(user_id) else overtaken + 1
        return True

    async def _noted(self, after_id: int, limit: int) -> list[Note]:
        openings = await self._requests.openings(after_id, limit)
        return [Note(each.user_id, each.token) for each in openings]

    async def _step(self, user_id: int) -> bool:
        """Approve some requests; remove the note where there are none, or the account is private.

        False where others changed everything meanwhile, so that nothing was done.
        """
        user = await self._users.get(user_id)
        requests: list[Request] = []
        if user is not None and not user.is_private:
            requests = await self._requests.incoming(user_id, 0, STEP)
        if user is None or not requests:
            return await self._changes.commit(end_opening_operations(user_id, user))
        if await self._approve(user, requests):
            return True
        # Somebody withdrew, blocked or was approved: one by one, the others go through.
        approved = [await self._approve(user, [request]) for request in requests]
        return any(approved)

    async def _approve(self, user: User, requests: Sequence[Request]) -> bool:
        operations: list[Operation] = [user_unchanged(user)]
        for follower_id, request_id in requests:
            operations += end_request_operations(follower_id, user.id, request_id)
            operations += follow_operations(follower_id, user.id, self._ids())
        follows = [(follower_id, user.id, True) for follower_id, _ in requests]
        return await self._changes.commit(operations, follows=follows)
