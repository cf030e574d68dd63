"""Whose turn it is: a queue that is shared fairly between those who wait in it.

Pure.
"""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class Turns(Generic[T]):
    """Items that wait, by key; the keys take turns, and the items of one key keep their order.

    So whoever lines up a thousand items delays the single item of somebody else by one item. At
    most `each` items of a key wait, and `in_all` of all keys.
    """

    def __init__(self, each: int, in_all: int) -> None:
        self._each = each
        self._in_all = in_all
        self._waiting: OrderedDict[str, OrderedDict[T, None]] = OrderedDict()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, key: str, item: T) -> bool:
        """Line `item` up behind the others of `key`; False if there is no room."""
        items = self._waiting.get(key)
        if self._size >= self._in_all or (items is not None and len(items) >= self._each):
            return False
        if items is None:
            items = self._waiting[key] = OrderedDict()
        items[item] = None
        self._size += 1
        return True

    def next(self) -> T | None:
        """Take the item whose turn it is out of the queue; None if nobody waits."""
        if not self._waiting:
            return None
        key, items = next(iter(self._waiting.items()))
        item, _ = items.popitem(last=False)
        self._size -= 1
        if items:
            self._waiting.move_to_end(key)
        else:
            del self._waiting[key]
        return item

    def discard(self, key: str, item: T) -> bool:
        """Take `item` out of the queue before its turn; whether it was still there."""
        items = self._waiting.get(key)
        if items is None or item not in items:
            return False
        del items[item]
        self._size -= 1
        if not items:
            del self._waiting[key]
        return True


class Lanes(Generic[T]):
    """Two queues of `Turns`, for those who are known and for strangers, which are served by turns.

    So however many keys strangers wait under, they delay one who is known by one item; and those
    who are known cannot keep strangers out. Each lane has the bounds of `Turns` for itself.
    """

    def __init__(self, each: int, in_all: int) -> None:
        self._strangers: Turns[T] = Turns(each, in_all)
        self._known: Turns[T] = Turns(each, in_all)
        self._known_next = True

    def __len__(self) -> int:
        return len(self._strangers) + len(self._known)

    def add(self, key: str, item: T, is_known: bool) -> bool:
        """Line `item` up behind the others of `key` in its lane; False if there is no room."""
        return self._lane(is_known).add(key, item)

    def next(self) -> T | None:
        """Take the item whose turn it is out of its lane; None if nobody waits."""
        is_known = bool(self._known) and (self._known_next or not self._strangers)
        self._known_next = not is_known
        return self._lane(is_known).next()

    def discard(self, key: str, item: T, is_known: bool) -> bool:
        """Take `item` out of its lane before its turn; whether it was still there."""
        return self._lane(is_known).discard(key, item)

    def _lane(self, is_known: bool) -> Turns[T]:
        return self._known if is_known else self._strangers
