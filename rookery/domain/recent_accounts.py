"""Accounts whose privacy or status has changed of late, for whoever is told of such changes.

Pure. An event says who might see a tweet when it was written; what has changed since, this knows,
unless the event is older than what was told.
"""

from typing import NamedTuple

from rookery.domain.visibility import ACTIVE
from rookery.ids import first_id_at
from rookery.models import User

CAPACITY = 65_536
SETTLING_MS = 3_000
"""For so long after a beginning changes may have been missed: clocks differ, and whoever begins is
not found by everybody at once."""


class Account(NamedTuple):
    """What of an account decides who may see its tweets."""

    is_private: bool = False
    is_active: bool = True

    @property
    def is_open(self) -> bool:
        """Whether it keeps its tweets from nobody."""
        return self.is_active and not self.is_private


OPEN = Account()


def account_of(user: User) -> Account:
    return Account(user.is_private, user.status == ACTIVE)


class RecentAccounts:
    """At most `capacity` accounts that are not open any more. Times are in ms since 1970.

    One that is not among them is as it was when an event was written whose id is at least
    `covers_from`.
    """

    def __init__(self, begun_ms: int, *, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._noted: dict[int, tuple[Account, int]] = {}
        self._cover_from(begun_ms)

    def _cover_from(self, time_ms: int) -> None:
        self.covers_from = first_id_at(time_ms + SETTLING_MS)

    def __len__(self) -> int:
        return len(self._noted)

    def get(self, user_id: int) -> Account | None:
        """The account, if it is known not to be open."""
        noted = self._noted.get(user_id)
        return None if noted is None else noted[0]

    def note(self, user_id: int, account: Account, now_ms: int) -> None:
        """Take in what an account is now."""
        self._noted.pop(user_id, None)
        if account.is_open:
            return
        self._noted[user_id] = (account, now_ms)
        if len(self._noted) > self._capacity:
            oldest = next(iter(self._noted))
            self._cover_from(self._noted.pop(oldest)[1])
