"""Who may hold a connection where there is room for so many only: bounded in all and by address.

Whoever is silent for longest goes first, of the address that holds most; so an address that takes
all there are pushes out none but its own. Trusted proxies, from which everybody comes, have no
bound of their own, and go last.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Generic, Protocol, TypeAlias, TypeVar

LOOKS = 64
"""So many connections of an address are looked at for one that is silent."""
ADDRESS_LOOKS = 8
"""So many addresses, where several hold equally many."""

BY_ADDRESS = "connections_per_address"
IN_ALL = "connections"


class Holder(Protocol):
    """A connection: `is_busy` while it is being served, `active_s` when it last did something."""

    @property
    def is_busy(self) -> bool: ...

    @property
    def active_s(self) -> float: ...

    def __hash__(self) -> int: ...


H = TypeVar("H", bound=Holder)
Crowd: TypeAlias = OrderedDict[H, float]
"""The connections of an address, each with its `active_s` when it was last put at the end."""


@dataclass(frozen=True)
class Eviction(Generic[H]):
    """`holder` has to go, because `limit` was reached by the address it came from."""

    holder: H
    address: str
    limit: str


class Seats(Generic[H]):
    """Takes constant time: the active get a second chance instead of being sorted."""

    def __init__(self, most: int, most_per_address: int) -> None:
        """`most_per_address` 0: no bound by address."""
        self.most = most
        self._most_per_address = most_per_address or most
        self._places: dict[H, str] = {}
        self._crowds: dict[str, Crowd[H]] = {}
        self._by_size: dict[int, OrderedDict[str, None]] = {}
        self._largest = 0
        self._trusted: Crowd[H] = OrderedDict()

    def __len__(self) -> int:
        return len(self._places) + len(self._trusted)

    def __contains__(self, holder: H) -> bool:
        return holder in self._places or holder in self._trusted

    def take(
        self, holder: H, address: str, is_trusted: bool = False, goes_first: bool = False
    ) -> Eviction[H] | None:
        """Give `holder` a seat; who has to go for that, which may be `holder` itself.

        Whoever has to go has no seat any more; the caller ends its connection. One that
        `goes_first` does so before the others of its address.
        """
        eviction = self._make_room(holder, address, is_trusted)
        if eviction is not None:
            self.leave(eviction.holder)
            if eviction.holder is holder:
                return eviction
        crowd = self._trusted if is_trusted else self._crowds.setdefault(address, OrderedDict())
        crowd[holder] = holder.active_s
        if goes_first:
            crowd.move_to_end(holder, last=False)
        if not is_trusted:
            self._places[holder] = address
            self._resized(address, len(crowd) - 1, len(crowd))
        return eviction

    def leave(self, holder: H) -> None:
        """The seat of `holder` is free again; nothing if it has none."""
        self._trusted.pop(holder, None)
        address = self._places.pop(holder, None)
        if address is not None:
            crowd = self._crowds[address]
            del crowd[holder]
            if not crowd:
                del self._crowds[address]
            self._resized(address, len(crowd) + 1, len(crowd))

    def _make_room(self, holder: H, address: str, is_trusted: bool) -> Eviction[H] | None:
        crowd = self._crowds.get(address)
        if not is_trusted and crowd is not None and len(crowd) >= self._most_per_address:
            found, _ = _idlest(crowd)
            return Eviction(found or holder, address, BY_ADDRESS)
        if len(self) >= self.most:
            return self._of_the_largest() or Eviction(holder, address, IN_ALL)
        return None

    def _of_the_largest(self) -> Eviction[H] | None:
        spare: Eviction[H] | None = None
        addresses = self._by_size.get(self._largest, OrderedDict())
        for _ in range(min(len(addresses), ADDRESS_LOOKS)):
            address = next(iter(addresses))
            found, is_silent = _idlest(self._crowds[address])
            if found is not None:
                eviction = Eviction(found, address, IN_ALL)
                if is_silent:
                    return eviction
                spare = spare or eviction
            addresses.move_to_end(address)
        if spare is None and self._trusted:
            found, _ = _idlest(self._trusted)
            spare = None if found is None else Eviction(found, "trusted proxies", IN_ALL)
        return spare

    def _resized(self, address: str, before: int, now: int) -> None:
        if before:
            bucket = self._by_size[before]
            del bucket[address]
            if not bucket:
                del self._by_size[before]
        if now:
            self._by_size.setdefault(now, OrderedDict())[address] = None
        if now > self._largest or (before == self._largest and before not in self._by_size):
            self._largest = now  # Sizes change by one, so there is no other between.


def _idlest(crowd: Crowd[H]) -> tuple[H | None, bool]:
    """Who is to go first, and whether it did nothing since it was last looked at.

    None if all that were looked at are busy.
    """
    spare: H | None = None
    for _ in range(min(len(crowd), LOOKS)):
        holder = next(iter(crowd))
        if not holder.is_busy:
            if holder.active_s == crowd[holder]:
                return holder, True
            spare = spare or holder
        crowd[holder] = holder.active_s
        crowd.move_to_end(holder)
    return spare, False
