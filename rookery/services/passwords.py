"""Hashing and verifying passwords with Argon2id.

One hash takes about 0.1 s of a core and 64 MiB on purpose, so it runs in threads of its own (the
library releases the interpreter lock), and the number of waiting callers is bounded. Must not
import http, connection or actors.
"""

import asyncio
import base64
import os
import threading
import unicodedata
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
from argon2.low_level import ARGON2_VERSION

from rookery.errors import Overloaded

T = TypeVar("T")
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class PasswordCost:
    """Argon2id parameters. The default is the second recommendation of RFC 9106, section 4.

    Memory of less than 8 KiB a lane lowers the parallelism.
    """

    time_cost: int = 3
    memory_cost_kib: int = 65536
    parallelism: int = 4


class Passwords:
    """Hashes and verifies on a small pool of threads. `close` it at the end."""

    def __init__(
        self, cost: PasswordCost | None = None, *, threads: int = 2, max_waiting: int = 32
    ) -> None:
        cost = PasswordCost() if cost is None else cost
        self._hasher = PasswordHasher(
            time_cost=cost.time_cost,
            memory_cost=cost.memory_cost_kib,
            parallelism=max(1, min(cost.parallelism, cost.memory_cost_kib // 8)),
        )
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="passwords")
        self._places = threading.BoundedSemaphore(threads + max_waiting)
        self._nobody = self._unmatched_hash()

    async def hash(self, password: str) -> str:
        """The hash to keep for `password`; its parameters are part of it.

        Raises:
            Overloaded: too many callers are waiting.
        """
        prepared = _prepared(password)
        return await self._run(lambda: self._hasher.hash(prepared))

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether `password` is the one of `password_hash`.

        With None (no such user, or one without a password) the answer is False after just as much
        work, so that the time taken does not tell which names exist.

        Raises:
            Overloaded: too many callers are waiting.
        """
        expected = self._nobody if password_hash is None else password_hash
        prepared = _prepared(password)
        return await self._run(lambda: self._verify(expected, prepared))

    def needs_rehash(self, password_hash: str) -> bool:
        """Whether `password_hash` was made with other parameters than the present ones."""
        return self._hasher.check_needs_rehash(password_hash)

    def close(self) -> None:
        """Give the threads back; callers still waiting are cancelled."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _verify(self, expected: str, prepared: bytes) -> bool:
        try:
            return self._hasher.verify(expected, prepared)
        except VerifyMismatchError:
            return False
        except (InvalidHashError, VerificationError) as error:
            log.error("stored password hash is unusable", exc_info=error)
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if not self._places.acquire(blocking=False):
            raise Overloaded()
        # The place is given back when the work ends, not when the caller does: a caller who
        # gives up leaves the work to run on.
        try:
            future = self._executor.submit(work)
        except BaseException:
            self._places.release()
            raise
        future.add_done_callback(self._give_back)
        return await asyncio.wrap_future(future)

    def _give_back(self, future: Future[Any]) -> None:
        self._places.release()

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
