"""How many bytes connections may make a server hold, where there is one budget for all: shared by
address. Pure.

When it is used up, the address that holds most gives way, its oldest connection first; so an
address that takes all there is pushes out none but its own. Trusted proxies, from which everybody
comes, go last.
"""

from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar


class Holder(Protocol):
    """A connection: `is_busy` while it is being served, and not to be cut."""

    @property
    def is_busy(self) -> bool: ...

    def __hash__(self) -> int: ...


H = TypeVar("H", bound=Holder)


@dataclass
class _Account(Generic[H]):
    """What the connections of an address hold, the oldest first."""

    address: str
    held_bytes: int = 0
    holders: dict[H, int] = field(default_factory=dict)


class Budget(Generic[H]):
    """Takes constant time while there is room; else time in the number of those who hold some."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.held_bytes = 0
        self._accounts: dict[str, _Account[H]] = {}
        self._trusted: _Account[H] = _Account("trusted proxies")
        self._account_of: dict[H, _Account[H]] = {}

    def take(
        self, holder: H, address: str, is_trusted: bool, size_bytes: int
    ) -> dict[H, str] | None:
        """Let `holder` hold so many bytes more.

        Returns who has to go for that, with the address each came from; None: it may not hold
        them, and nobody has to go. Whoever has to go holds nothing any more; the caller ends its
        connection.
        """
        leaving: dict[H, str] = {}
        missing_bytes = self.held_bytes + size_bytes - self.most_bytes
        if missing_bytes > 0:
            found = self._give_way(holder, address, is_trusted, size_bytes, missing_bytes)
            if found is None:
                return None
            leaving = found
            for each in leaving:
                self.release(each)
        account = self._account_of.get(holder)
        if account is None:
            if is_trusted:
                account = self._trusted
            else:
                account = self._accounts.setdefault(address, _Account(address))
            self._account_of[holder] = account
        account.holders[holder] = account.holders.get(holder, 0) + size_bytes
        account.held_bytes += size_bytes
        self.held_bytes += size_bytes
        return leaving

    def release(self, holder: H) -> None:
        """`holder` holds nothing any more; nothing happens if it did not."""
        account = self._account_of.pop(holder, None)
        if account is not None:
            size_bytes = account.holders.pop(holder)
            account.held_bytes -= size_bytes
            self.held_bytes -= size_bytes
            if not account.holders:
                self._accounts.pop(account.address, None)

    def _give_way(
        self, holder: H, address: str, is_trusted: bool, size_bytes: int, missing_bytes: int
    ) -> dict[H, str] | None:
        """Whoever holds `missing_bytes` and is to go; None where there are not so many."""
        leaving: dict[H, str] = {}
        for account in self._in_turn(address, is_trusted, size_bytes):
            for each, held_bytes in account.holders.items():
                if each is not holder and not each.is_busy:
                    leaving[each] = account.address
                    missing_bytes -= held_bytes
                    if missing_bytes <= 0:
                        return leaving
        return None

    def _in_turn(self, address: str, is_trusted: bool, size_bytes: int) -> list[_Account[H]]:
        """The accounts that give way to `address`: none that holds less than it would."""
        own = None if is_trusted else self._accounts.get(address)
        own_bytes = 0 if is_trusted else size_bytes + (own.held_bytes if own else 0)
        larger = [
            each
            for each in self._accounts.values()
            if each is not own and each.held_bytes >= own_bytes
        ]
        larger.sort(key=lambda each: each.held_bytes, reverse=True)
        if is_trusted:
            return [*larger, self._trusted]
        return larger if own is None else [*larger, own]
