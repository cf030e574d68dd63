"""Rate limits: how often users and addresses may do what.

Every check is made here in the process, in about a microsecond (docs/decisions/010). Where
processes share their counts, each tells the others what it has counted whenever that is a
twentieth of the limit; logins and sign-ups, where a few matter, it tells before it answers.
Must not import http, connection or actors.
"""

import asyncio
from collections.abc import Callable
from enum import Enum
from hashlib import sha256
from typing import Protocol

from rookery.config import Limits as LimitSettings
from rookery.domain.windows import Key, Verdict, Windows
from rookery.errors import TooManyRequests

LEASES = 20
"""A process tells the others what it has counted when that is this part of the limit."""
MAX_TELLING = 256
"""Keys being told at a time; the others are told with their next hit."""


class SharedCounts(Protocol):
    """Counts that several processes add to."""

    async def add(self, name: str, amount: int) -> int | None:
        """Add to the count called `name`; the total, or None where that cannot be known now.

        Raises nothing, and returns within a second or two.
        """
        ...

    async def close(self) -> None: ...


class Rate(Enum):
    """What a request counts as."""

    FREE = "free"
    READ = "read"
    WRITE = "write"
    SIGN_UP = "sign_up"
    LOGIN = "login"


class Limit:
    """One limit of the settings, for all keys."""

    def __init__(
        self,
        name: str,
        per_minute: int,
        clock_ms: Callable[[], int],
        shared: SharedCounts | None = None,
    ) -> None:
        self._name = name
        self._windows = Windows(per_minute)
        self._clock_ms = clock_ms
        self._shared = shared
        self._lease = max(1, per_minute // LEASES)
        self._telling: dict[Key, asyncio.Task[None]] = {}

    def hit(self, key: Key) -> Verdict:
        """Count one more of `key`, if the limit lets it."""
        verdict = self._windows.hit(key, self._clock_ms())
        if self._shared is not None and self._windows.owed(key) >= self._lease:
            self._begin_telling(key, self._shared)
        return verdict

    async def hit_shared(self, key: Key) -> Verdict:
        """As `hit`, but what other processes counted up to now counts, too, if it can be known."""
        verdict = self._windows.hit(key, self._clock_ms())
        if verdict.retry_after_s or self._shared is None:
            return verdict
        await self._tell(key, self._shared)
        return self._windows.standing(key, self._clock_ms())

    def _begin_telling(self, key: Key, shared: SharedCounts) -> None:
        if key not in self._telling and len(self._telling) < MAX_TELLING:
            task = asyncio.get_running_loop().create_task(self._tell(key, shared))
            self._telling[key] = task
            task.add_done_callback(lambda _: self._telling.pop(key, None))

    async def _tell(self, key: Key, shared: SharedCounts) -> None:
        number, amount = self._windows.take(key)
        total = await shared.add(f"{self._name}/{number}/{key}", amount)
        if total is None:
            self._windows.give_back(key, number, amount)
        else:
            self._windows.learn(key, number, total)

    async def settled(self) -> None:
        """Return when everything that is being told was told."""
        await asyncio.gather(*self._telling.values())


class Limits:
    """All limits. One that is set to 0 is None: whoever asks it would, does not."""

    def __init__(
        self,
        settings: LimitSettings,
        clock_ms: Callable[[], int],
        shared: SharedCounts | None = None,
    ) -> None:
        def limit(name: str) -> Limit | None:
            per_minute: int = getattr(settings, name)
            return Limit(name, per_minute, clock_ms, shared) if per_minute else None

        self._shared = shared
        self._per_account = limit("logins_per_account")
        self.by_user = {
            Rate.READ: limit("reads_per_user"),
            Rate.WRITE: limit("writes_per_user"),
        }
        self.by_address = {
            Rate.READ: limit("reads_per_address"),
            Rate.WRITE: limit("writes_per_address"),
            Rate.SIGN_UP: limit("signups_per_address"),
            Rate.LOGIN: limit("logins_per_address"),
        }

    async def login(self, account: str) -> None:
        """Count an attempt to log in to an account (its name or e-mail), whether it exists or not.

        Raises:
            TooManyRequests: there were too many, from wherever they came.
        """
        if self._per_account is not None:
            # As accounts are found, or each way to write a name would have attempts of its own.
            name = account.strip(" ").lower().encode(errors="surrogatepass")
            # Hashed, because keys leave the process, and e-mail addresses should not.
            demand(await self._per_account.hit_shared(sha256(name).hexdigest()))

    async def close(self) -> None:
        if self._shared is not None:
            await self._shared.close()


def demand(verdict: Verdict) -> None:
    """Raise TooManyRequests unless `verdict` lets a request through."""
    if verdict.retry_after_s:
        raise TooManyRequests(
            f"Too many requests; try again in {verdict.retry_after_s} s",
            retry_after_s=verdict.retry_after_s,
            limit=verdict.limit,
            reset_s=verdict.reset_s,
        )
