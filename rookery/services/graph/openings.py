"""Accounts that were made public: all who asked to follow them by then do.

Nobody has to ask to follow a public account, and nobody could answer a request that is left. There
may be a hundred thousand of them, which no single batch can carry. So the batch that makes the
account public only notes that there is something to approve, each step approves a bounded number,
and whatever is left when a process dies is taken up by the next one that looks. Each step is
conditional on the account being public still: one that is made private again keeps what requests
are left. Who follows a public account before their turn has come just follows it, which ends the
request.
"""

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import structlog

from rookery.errors import RookeryError
from rookery.ids import time_ms_of
from rookery.models import User
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

log = structlog.get_logger(__name__)

STEP = 50
"""So many requests are approved by one batch."""
AWAITED_STEPS = 4
"""So many steps are done before the change of privacy is answered."""
LOOK_S = 30.0
"""So often every process looks for what another one has left behind, and not sooner than that
after the account was made public: until then the other one may be at it."""
LOOKED_AT = 100
MAX_AT_ONCE = 8
"""So many accounts are worked on in the background of a process."""


class Openings:
    """Approves what is to be approved after accounts were made public."""

    def __init__(self, store: Store, ids: Callable[[], int], changes: GraphChanges) -> None:
        self._ids = ids
        self._changes = changes
        self._users = Users(store.reader)
        self._requests = RequestRepository(store.reader)
        self._tasks: set[asyncio.Task[None]] = set()

    def noting(self, user_id: int) -> Operation:
        """What notes that there may be requests to approve, in the batch that makes an account
        public. Call `begin` once it is committed."""
        return opening_operation(user_id, self._ids())

    async def begin(self, user_id: int) -> None:
        """Do the first steps now, and the others in the background.

        What is too much at once waits until some process looks.
        """
        try:
            if await self.finish(user_id, AWAITED_STEPS):
                return
        except RookeryError as error:
            log.warning("approving put off", user=user_id, error=str(error))
            return
        if len(self._tasks) < MAX_AT_ONCE:
            self._spawn(self._finish_later(user_id))

    async def finish(self, user_id: int, steps: int = 0) -> bool:
        """Do all steps, or at most `steps` of them; whether nothing is left.

        Raises:
            StoreUnavailable: the store does not answer; what was done stays done.
        """
        done = overtaken = 0
        while await self._requests.opening(user_id) is not None:
            if (steps and done >= steps) or overtaken >= ATTEMPTS:
                return False
            done += 1
            overtaken = 0 if await self._step(user_id) else overtaken + 1
        return True

    async def look(self) -> int:
        """Take up what other processes have left; how many accounts were finished."""
        finished = position = 0
        now_ms = time_ms_of(self._ids())  # Tokens are ids, whose time never goes back.
        while found := await self._requests.openings(position, LOOKED_AT):
            position = found[-1].user_id
            for opening in found:
                if time_ms_of(opening.token) + LOOK_S * 1000 <= now_ms:
                    finished += await self.finish(opening.user_id)
        return finished

    async def run(self) -> None:
        """Look now, and again and again, until cancelled."""
        while True:
            try:
                await self.look()
            except RookeryError as error:
                log.warning("requests to approve not looked at", error=str(error))
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

    async def _finish_later(self, user_id: int) -> None:
        try:
            await self.finish(user_id)
        except RookeryError as error:
            log.warning("approving put off", user=user_id, error=str(error))

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
