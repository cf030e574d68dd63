"""Rate limits: how often users and addresses may do what.

Every check is made here in the process, in about a microsecond (docs/decisions/010). Where
processes share their counts, each tells the others what it has counted whenever that is a
twentieth of the limit; logins and sign-ups, where a few matter, it tells before it answers.
"""

import asyncio
from collections.abc import Callable
from enum import Enum
from hashlib import sha256
from typing import Protocol

from rookery.config import Limits as LimitSettings
from rookery.domain.windows import Key, Verdict, Windows
from rookery.errors import (
    BadCredentials,
    Conflict,
    Forbidden,
    IdempotencyMismatch,
    TooManyRequests,
)

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


TRIED = (BadCredentials, Conflict, Forbidden, IdempotencyMismatch)
"""Refusals of a sign-up or log-in that was tried: something was compared with what is stored.

All others are ours (no room, no answer) or of the request's form, and do not count as attempts.
"""


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
        self.name = name
        self._windows = Windows(per_minute)
        self._clock_ms = clock_ms
        self._shared = shared
        self._lease = max(1, per_minute // LEASES)
        self._telling: dict[Key, asyncio.Task[None]] = {}
        self._asking: set[Key] = set()

    def hit(self, key: Key) -> Verdict:
        """Count one more of `key`, if the limit lets it."""
        verdict = self._windows.hit(key, self._clock_ms())
        if self._shared is not None and self._windows.owed(key) >= self._lease:
            self._begin_telling(key, self._shared)
        return verdict

    async def attempt(self, key: Key) -> "Attempt":
        """As `hit`, for what may turn out not to have been tried, and then is taken back.

        What other processes counted up to now counts, too, if it can be known.
        """
        verdict = self._windows.hit(key, self._clock_ms())
        attempt = Attempt(self, key, self._windows.number, verdict)
        if self._shared is None:
            return attempt
        if not verdict.retry_after_s:
            await self._tell(key, self._shared)
            attempt.verdict = self.standing(key)
            if attempt.verdict.retry_after_s:
                self.take_back(key, attempt.number)
        elif self._windows.has_learned(key) and key not in self._asking:
            await self._ask(key, self._shared)
            if not self.standing(key, more=1).retry_after_s:
                return await self.attempt(key)
        return attempt

    def standing(self, key: Key, more: int = 0) -> Verdict:
        """How `key` would stand with `more` hits; counts nothing."""
        return self._windows.standing(key, self._clock_ms(), more)

    def take_back(self, key: Key, number: int) -> None:
        """Uncount a hit of the window `number`, here and for the others."""
        self._windows.take_back(key, number)
        if self._shared is not None:
            self._begin_telling(key, self._shared)

    async def _ask(self, key: Key, shared: SharedCounts) -> None:
        """Learn whether the others have taken hits back; one at a time asks for a key."""
        self._asking.add(key)
        try:
            await self._tell(key, shared, may_be_less=True)
        finally:
            self._asking.discard(key)

    def _begin_telling(self, key: Key, shared: SharedCounts) -> None:
        if key not in self._telling and len(self._telling) < MAX_TELLING:
            task = asyncio.get_running_loop().create_task(self._tell_more(key, shared))
            self._telling[key] = task
            task.add_done_callback(lambda _: self._telling.pop(key, None))

    async def _tell_more(self, key: Key, shared: SharedCounts) -> None:
        """Tell what is owed, and what was taken back while it was told."""
        while await self._tell(key, shared) and self._windows.owed(key) < 0:
            pass

    async def _tell(self, key: Key, shared: SharedCounts, may_be_less: bool = False) -> bool:
        """Tell what is owed, and learn the total; False if that cannot be known now."""
        number, amount = self._windows.take(key)
        total = await shared.add(f"{self.name}/{number}/{key}", amount)
        if total is None:
            self._windows.give_back(key, number, amount)
            return False
        self._windows.learn(key, number, total, may_be_less)
        return True

    async def settled(self) -> None:
        """Return when everything that is being told was told."""
        await asyncio.gather(*self._telling.values())


class Attempt:
    """A counted hit; `take_back` it if nothing was tried, so that only what was tried counts."""

    __slots__ = ("_key", "_limit", "number", "verdict")

    def __init__(self, limit: Limit, key: Key, number: int, verdict: Verdict) -> None:
        self._limit = limit
        self._key = key
        self.number = number
        self.verdict = verdict

    def take_back(self) -> Verdict:
        """Uncount it, unless it was refused and did not count; how its key then stands."""
        if not self.verdict.retry_after_s:
            self._limit.take_back(self._key, self.number)
        return self._limit.standing(self._key)


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
        self._by_name = by_name = {name: limit(name) for name in settings.__struct_fields__}
        self._per_account = by_name["logins_per_account"]
        self.by_user = {
            Rate.READ: by_name["reads_per_user"],
            Rate.WRITE: by_name["writes_per_user"],
        }
        self.by_address = {
            Rate.READ: by_name["reads_per_address"],
            Rate.WRITE: by_name["writes_per_address"],
            Rate.SIGN_UP: by_name["signups_per_address"],
            Rate.LOGIN: by_name["logins_per_address"],
        }

    def own(self, name: str) -> Limit | None:
        """The limit of one endpoint, by the name of its setting; None if it is set to 0.

        Raises:
            ValueError: there is no such setting.
        """
        if name not in self._by_name:
            raise ValueError(f"limits has no setting {name}")
        return self._by_name[name]

    async def login(self, account: str, source: str = "") -> Attempt | None:
        """Count an attempt to log in to an account, whether it exists or not.

        `account` names it, whichever way its user was written. Attempts from a `source` (a
        device, an address) that is known to the account have a budget of their own, which
        strangers cannot use up; theirs is one for all of them together.

        Raises:
            TooManyRequests: there were too many.
        """
        if self._per_account is None:
            return None
        # Hashed, because keys leave the process, and e-mail addresses should not.
        key = sha256(f"{account} {source}".encode(errors="surrogatepass")).hexdigest()
        attempt = await self._per_account.attempt(key)
        demand(attempt.verdict, self._per_account.name)
        return attempt

    async def settled(self) -> None:
        """Return when everything that is being told was told."""
        limits = self._by_name.values()
        await asyncio.gather(*(limit.settled() for limit in limits if limit is not None))

    async def close(self) -> None:
        if self._shared is not None:
            await self._shared.close()


def demand(verdict: Verdict, limit_name: str) -> None:
    """Raise TooManyRequests unless `verdict`, of the limit of that name, lets a request through."""
    if verdict.retry_after_s:
        raise TooManyRequests(
            f"Too many requests; try again in {verdict.retry_after_s} s",
            retry_after_s=verdict.retry_after_s,
            limit=verdict.limit,
            reset_s=verdict.reset_s,
            limit_name=limit_name,
        )
