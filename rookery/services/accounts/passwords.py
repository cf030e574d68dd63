"""Hashing and verifying passwords with Argon2id.

One hash takes about 0.1 s of a core and 64 MiB on purpose, so it runs in threads of its own (the
library releases the interpreter lock). Who waits for a thread waits in turn with the other
addresses, and a bounded time; who is known to the account does not wait for strangers.
"""

import asyncio
import base64
import os
import unicodedata
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import structlog
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
from argon2.low_level import ARGON2_VERSION

from rookery.domain.turns import Lanes
from rookery.errors import Overloaded

T = TypeVar("T")
log = structlog.get_logger(__name__)

THREADS = 1
"""A hash has lanes for four cores, and a gateway stands for two: a second one beside it would only
make both take twice as long, and whoever comes next wait for that."""
WAIT_S = 10.0
"""How long a caller waits for a thread: as long as clients of a busy server are patient."""
WAITING = "password_wait_s"
"""What the limit on waiting is called."""
MAX_WAITING = 10_000
MAX_WAITING_EACH = 1_000
"""One who waits holds some kilobytes: these bound memory, not what people need."""


@dataclass(frozen=True)
class PasswordCost:
    """Argon2id parameters. The default is the second recommendation of RFC 9106, section 4.

    Memory of less than 8 KiB a lane lowers the parallelism.
    """

    time_cost: int = 3
    memory_cost_kib: int = 65536
    parallelism: int = 4


@dataclass(eq=False)
class _Job:
    """Work that waits for a thread, and where its result goes."""

    work: Callable[[], Any]
    result: asyncio.Future[Any]
    key: str
    is_known: bool


class Passwords:
    """Hashes and verifies on a small pool of threads, for one event loop. `close` it at the end.

    Callers name the key they wait under (the address of a client): the keys take turns, so
    whoever sends many passwords at once waits for itself, and delays another by one hash. Callers
    that `is_known` (from where the account was logged in to before) have a queue of their own, and
    every second hash: strangers, however many keys they have, delay them by one. Nobody waits
    longer than `wait_s`; `max_waiting` and `max_waiting_each` (of one key) bound the memory of
    either queue. A negative `max_waiting` leaves so many threads unused.
    """

    def __init__(
        self,
        cost: PasswordCost | None = None,
        *,
        threads: int = THREADS,
        max_waiting: int = MAX_WAITING,
        max_waiting_each: int = MAX_WAITING_EACH,
        wait_s: float = WAIT_S,
    ) -> None:
        cost = PasswordCost() if cost is None else cost
        self._hasher = PasswordHasher(
            time_cost=cost.time_cost,
            memory_cost=cost.memory_cost_kib,
            parallelism=max(1, min(cost.parallelism, cost.memory_cost_kib // 8)),
        )
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="passwords")
        self._free = max(0, threads + min(0, max_waiting))
        self._turns: Lanes[_Job] = Lanes(max_waiting_each, max_waiting)
        self._wait_s = wait_s
        self._nobody = self._unmatched_hash()

    @property
    def waiting(self) -> int:
        """How many callers wait for a thread."""
        return len(self._turns)

    async def hash(self, password: str, key: str = "", *, is_known: bool = False) -> str:
        """The hash to keep for `password`; its parameters are part of it.

        Raises:
            Overloaded: no thread was free in time, or too many callers wait.
        """
        prepared = _prepared(password)
        return await self._run(lambda: self._hasher.hash(prepared), key, is_known)

    async def verify(
        self, password_hash: str | None, password: str, key: str = "", *, is_known: bool = False
    ) -> bool:
        """Whether `password` is the one of `password_hash`.

        With None (no such user, or one without a password) the answer is False after as much work
        as the present parameters take, so that the time does not tell which names exist. It does
        for a hash with former parameters, until its user logs in and it is renewed.

        Raises:
            Overloaded: no thread was free in time, or too many callers wait.
        """
        expected = self._nobody if password_hash is None else password_hash
        prepared = _prepared(password)
        return await self._run(lambda: self._verify(expected, prepared), key, is_known)

    def needs_rehash(self, password_hash: str) -> bool:
        """Whether `password_hash` was made with other parameters than the present ones."""
        return self._hasher.check_needs_rehash(password_hash)

    def close(self) -> None:
        """Give the threads back; callers still waiting are cancelled."""
        while (job := self._turns.next()) is not None:
            job.result.cancel()
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _verify(self, expected: str, prepared: bytes) -> bool:
        try:
            return self._hasher.verify(expected, prepared)
        except VerifyMismatchError:
            return False
        except (InvalidHashError, VerificationError) as error:
            log.error("stored password hash is unusable", exc_info=error)
            return False

    async def _run(self, work: Callable[[], T], key: str, is_known: bool) -> T:
        loop = asyncio.get_running_loop()
        job = _Job(work, loop.create_future(), key, is_known)
        if self._free:  # Then nobody waits.
            self._begin(loop, job)
        elif not self._turns.add(key, job, is_known):
            raise Overloaded(limit_name=WAITING)
        giving_up = loop.call_later(self._wait_s, self._give_up, job)
        try:
            result: T = await job.result
            return result
        finally:
            giving_up.cancel()
            self._leave(job)

    def _leave(self, job: _Job) -> bool:
        """Take a job out of its queue; whether it still waited."""
        return self._turns.discard(job.key, job, job.is_known)

    def _give_up(self, job: _Job) -> None:
        """End the waiting of a job; one that has begun goes on."""
        if self._leave(job) and not job.result.done():
            job.result.set_exception(Overloaded(limit_name=WAITING))

    def _begin_next(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._free and (job := self._turns.next()) is not None:
            self._begin(loop, job)

    def _begin(self, loop: asyncio.AbstractEventLoop, job: _Job) -> None:
        running = self._executor.submit(job.work)
        self._free -= 1
        running.add_done_callback(partial(self._tell_ended, loop, job))

    def _tell_ended(self, loop: asyncio.AbstractEventLoop, job: _Job, running: Future[Any]) -> None:
        """Called in the thread that did the work."""
        with suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(self._ended, loop, job, running)

    def _ended(self, loop: asyncio.AbstractEventLoop, job: _Job, running: Future[Any]) -> None:
        # The thread is free when the work ends, not when the caller goes: a caller who gives up
        # leaves the work to run on.
        self._free += 1
        if not job.result.done():
            if running.cancelled():
                job.result.cancel()
            elif (error := running.exception()) is not None:
                job.result.set_exception(error)
            else:
                job.result.set_result(running.result())
        self._begin_next(loop)

    def _unmatched_hash(self) -> str:
        """A hash of the present parameters that no known password has; costs nothing to make."""
        hasher = self._hasher
        salt = base64.b64encode(os.urandom(hasher.salt_len)).rstrip(b"=").decode()
        digest = base64.b64encode(os.urandom(hasher.hash_len)).rstrip(b"=").decode()
        parameters = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
        return f"$argon2id$v={ARGON2_VERSION}${parameters}${salt}${digest}"


def _prepared(password: str) -> bytes:
    """The bytes that are hashed: NFC as in RFC 8265 (keyboards differ in how they compose)."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
