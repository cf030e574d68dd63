"""When the timed mutes of a shard's warm users end.

Pure: time is an argument, in milliseconds since 1970.
"""

import heapq


class MuteEnds:
    """For each user the moment at which the first of the user's mutes ends. Falsy if there is none.

    Ends of users who are not warm any more stay until their time, and do no harm.
    """

    def __init__(self) -> None:
        self._ends_ms: dict[int, int] = {}
        self._queue: list[tuple[int, int]] = []

    def __bool__(self) -> bool:
        return bool(self._ends_ms)

    def __len__(self) -> int:
        return len(self._queue)

    def set(self, user_id: int, ends_ms: int | None) -> None:
        """Take note of a user's next end, instead of what was noted before; None: there is none."""
        if ends_ms == self._ends_ms.get(user_id):
            return
        if ends_ms is None:
            del self._ends_ms[user_id]
        else:
            self._ends_ms[user_id] = ends_ms
            heapq.heappush(self._queue, (ends_ms, user_id))
        if len(self._queue) > 2 * len(self._ends_ms) + 64:  # mostly what was replaced
            self._queue = [(ends_ms, user) for user, ends_ms in self._ends_ms.items()]
            heapq.heapify(self._queue)

    def due(self, now_ms: int) -> list[int]:
        """The users one of whose mutes has ended by `now_ms`; each is told once."""
        users: list[int] = []
        while self._queue and self._queue[0][0] <= now_ms:
            ends_ms, user_id = heapq.heappop(self._queue)
            if self._ends_ms.get(user_id) == ends_ms:
                del self._ends_ms[user_id]
                users.append(user_id)
        return users
