"""Event logs of connected users: what a client that comes back may have missed.

Pure: NumPy only; randomness and time are arguments. Each log is a short ring of (kind, subject id)
with an offset that counts its events, and an epoch that is random per incarnation. Equal epochs
mean equal histories, so a client at ``(epoch, offset)`` can be given exactly what came after, as
long as the ring reaches back that far; else it must start anew.
"""

import heapq

import numpy as np
import numpy.typing as npt

from rookery.domain.memory import sparse_zeros

Slots = npt.NDArray[np.int64]

NO_SLOT = -1


class EventLogs:
    """The logs of one shard, slot-major as in `rookery.domain.rings`."""

    def __init__(self, slots: int, capacity: int) -> None:
        self.capacity = capacity
        self._width = slots
        self._subjects = sparse_zeros((slots * capacity,), np.int64)
        self._kinds = sparse_zeros((slots * capacity,), np.uint8)
        self.offsets = np.zeros(slots, dtype=np.int64)
        self.user_ids = np.zeros(slots, dtype=np.int64)
        self.appended = 0
        """How many events were appended, each counted once however many logs it is in."""
        self._last_event = np.zeros(slots, dtype=np.int64)
        self._epochs: dict[int, str] = {}
        self._first: dict[int, int] = {}
        self._slots: dict[int, int] = {}
        self._free: list[int] = []
        self._next = 0

    def __len__(self) -> int:
        return len(self._slots)

    def slot_of(self, user_id: int) -> int:
        """The slot of a user's log, or `NO_SLOT`."""
        return self._slots.get(user_id, NO_SLOT)

    def epoch_of(self, slot: int) -> str:
        return self._epochs[slot]

    def open(self, user_id: int, epoch: str, first_offset: int = 0) -> int | None:
        """A new, empty log for a user without one; None if all slots are taken.

        Offsets count from `first_offset`. Where two shards may for a moment both have a log of one
        user, a random one keeps an event of the one from being taken for the next of the other.
        """
        if self._free:
            slot = heapq.heappop(self._free)
        elif self._next < self._width:
            slot, self._next = self._next, self._next + 1
        else:
            return None
        self._slots[user_id] = slot
        self._epochs[slot] = epoch
        self._first[slot] = first_offset
        self.user_ids[slot] = user_id
        self.offsets[slot] = first_offset
        self._last_event[slot] = 0
        return slot

    def close(self, user_id: int) -> None:
        """Forget a user's log."""
        slot = self._slots.pop(user_id)
        del self._epochs[slot], self._first[slot]
        heapq.heappush(self._free, slot)

    def append(self, slots: Slots, kind: int, subject_id: int) -> Slots:
        """Append one event to the logs in `slots` (distinct); the new offset of each."""
        offsets = self.offsets[slots]
        cells = offsets % self.capacity
        cells *= self._width
        cells += slots
        self._subjects[cells] = subject_id
        self._kinds[cells] = kind
        offsets += 1
        self.offsets[slots] = offsets
        self.appended += 1
        self._last_event[slots] = self.appended
        return offsets

    def appended_to(self, after: int) -> npt.NDArray[np.bool_]:
        """By slot: whether anything was appended since `appended` was `after`."""
        found: npt.NDArray[np.bool_] = self._last_event > after
        return found

    def since(
        self, slot: int, epoch: str | None, offset: int | None
    ) -> list[tuple[int, int, int]] | None:
        """Events after the position as (offset, kind, subject id), in order.

        None if the position is not of this log or older than what it holds.
        """
        head = int(self.offsets[slot])
        if offset is None or epoch != self._epochs[slot]:
            return None
        if not self._first[slot] <= offset <= head or head - offset > self.capacity:
            return None
        missed = np.arange(offset, head, dtype=np.int64)
        cells = missed % self.capacity * self._width + slot
        return list(
            zip(
                (missed + 1).tolist(),
                self._kinds[cells].tolist(),
                self._subjects[cells].tolist(),
                strict=True,
            )
        )
