"""A bounded cache that costs next to nothing on a hit.

Pure. Two generations approximate "least
recently used": new values go into the young one; when that is full it becomes the old one and
what was old is forgotten, except what was asked for meanwhile, which moved back to the young one.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Generations(Generic[K, V]):
    """At most `capacity` values; what was used within the last half of them is never forgotten.

    `young` may be read directly by hot loops; a miss there must be followed by `get`.
    """

    def __init__(
        self, capacity: int, on_drop: Callable[[Iterable[V]], object] | None = None
    ) -> None:
        """`on_drop` is given the values that are forgotten to make room."""
        if capacity < 2:
            raise ValueError("capacity must be at least 2")
        self._half = capacity // 2
        self._on_drop = on_drop
        self.young: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def __len__(self) -> int:
        return len(self.young) + len(self._old)

    def get(self, key: K) -> V | None:
        """The value of `key`, which counts as a use."""
        value = self.young.get(key)
        if value is None:
            value = self._old.pop(key, None)
            if value is not None:
                self.put(key, value)
        return value

    def put(self, key: K, value: V) -> None:
        """Keep `value` (not None) under `key`."""
        self._old.pop(key, None)
        if len(self.young) >= self._half and key not in self.young:
            dropped, self._old = self._old, self.young
            self.young = {}
            if self._on_drop is not None:
                self._on_drop(dropped.values())
        self.young[key] = value

    def peek(self, key: K) -> V | None:
        """The value of `key`, which does not count as a use."""
        value = self.young.get(key)
        return self._old.get(key) if value is None else value

    def discard(self, key: K) -> None:
        """Forget `key`, if it is there."""
        self.young.pop(key, None)
        self._old.pop(key, None)

    def items(self) -> Iterator[tuple[K, V]]:
        """All that is kept; do not change the cache meanwhile."""
        yield from self.young.items()
        yield from self._old.items()
