"""Remembers what was delivered recently, which makes at-least-once delivery idempotent. Pure."""


class RecentIds:
    """The last `capacity` ids that were added, forgetting the oldest first."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._ids: dict[int, None] = {}

    def add(self, item: int) -> bool:
        """Remember an id; False if it is remembered already."""
        if item in self._ids:
            return False
        self._ids[item] = None
        if len(self._ids) > self._capacity:
            del self._ids[next(iter(self._ids))]
        return True

    def __contains__(self, item: int) -> bool:
        return item in self._ids

    def __len__(self) -> int:
        return len(self._ids)
