"""Which connected users are to be told of what, and on which connection servers they are.

Pure. Joins a shard's event logs with the servers its users are connected to: an event is appended
to the logs of the rows it concerns and comes back as one push per server.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rookery.domain.eventlog import NO_SLOT, EventLogs

NO_SERVER = -1


@dataclass(frozen=True)
class Recipients:
    """Users of one connection server that get one event, and each one's new offset.

    `hides_quote`: none of them may see the tweet that the tweet quotes.
    """

    server: str
    user_ids: bytes
    offsets: bytes
    hides_quote: bool = False


@dataclass(frozen=True)
class Position:
    """Where an event log stands; `events` are those missed, None if that cannot be told."""

    epoch: str
    offset: int
    events: list[tuple[int, int, int]] | None


class Presence:
    """The logs and connections of one shard's users."""

    def __init__(self, rows: int, max_logs: int, log_events: int) -> None:
        self.logs = EventLogs(max_logs, log_events)
        self._slot_of_row: npt.NDArray[np.int64] = np.full(rows, NO_SLOT, dtype=np.int64)
        self._row_of: npt.NDArray[np.int64] = np.zeros(max_logs, dtype=np.int64)
        self._server_of: npt.NDArray[np.int16] = np.full(max_logs, NO_SERVER, dtype=np.int16)
        self._more_servers: dict[int, set[int]] = {}
        self._names: list[str] = []
        self._incarnations: list[str] = []
        self._numbers: dict[str, int] = {}
        self._lingering: dict[int, float] = {}
        self.forgotten = 0
        """How many users were forgotten whose connections may still be there."""

    @property
    def connected(self) -> int:
        """Users that are connected now."""
        return len(self.logs) - len(self._lingering)

    def server(self, name: str, incarnation: str, linger_until_s: float = 0.0) -> int:
        """The number of a connection server; a new incarnation has lost all its sessions.

        Their logs stay until `linger_until_s`, as after a `detach`: the clients will be back.
        """
        number = self._numbers.get(name)
        if number is None:
            number = self._numbers[name] = len(self._names)
            self._names.append(name)
            self._incarnations.append(incarnation)
        elif self._incarnations[number] != incarnation:
            self._incarnations[number] = incarnation
            for slot in np.nonzero(self._server_of == number)[0].tolist():
                self._disconnect(slot, number, linger_until_s)
            for slot in [s for s, more in self._more_servers.items() if number in more]:
                self._disconnect(slot, number, linger_until_s)
        return number

    def is_current(self, name: str, incarnation: str) -> bool:
        """Whether this is the incarnation of the server that is known."""
        number = self._numbers.get(name)
        return number is not None and self._incarnations[number] == incarnation

    def attach(
        self,
        user_id: int,
        row: int,
        server: int,
        epoch: str | None,
        offset: int | None,
        new_epoch: str,
        first_offset: int = 0,
    ) -> Position | None:
        """Connect a user on a server, opening a log where there is none. Idempotent.

        A log that is opened gets `new_epoch` and counts from `first_offset`.

        None: there is no room for another log.
        """
        slot = self.logs.slot_of(user_id)
        if slot == NO_SLOT:
            opened = self.logs.open(user_id, new_epoch, first_offset)
            if opened is None:
                if not self._make_room():
                    return None
                opened = self.logs.open(user_id, new_epoch, first_offset)
                assert opened is not None
            slot = opened
            self._server_of[slot] = NO_SERVER
        self._lingering.pop(user_id, None)
        self._slot_of_row[row] = slot
        self._row_of[slot] = row
        present = self._server_of[slot]
        if present == NO_SERVER:
            self._server_of[slot] = server
        elif present != server:
            self._more_servers.setdefault(slot, set()).add(server)
        return Position(
            self.logs.epoch_of(slot),
            int(self.logs.offsets[slot]),
            self.logs.since(slot, epoch, offset),
        )

    def detach(self, user_id: int, server: int, linger_until_s: float) -> None:
        """End a user's connection on a server; the log stays until `linger_until_s`."""
        slot = self.logs.slot_of(user_id)
        if slot != NO_SLOT:
            self._disconnect(slot, server, linger_until_s)

    def _disconnect(self, slot: int, server: int, linger_until_s: float) -> None:
        more = self._more_servers.get(slot, set())
        more.discard(server)
        if self._server_of[slot] == server:
            self._server_of[slot] = more.pop() if more else NO_SERVER
        if not more:
            self._more_servers.pop(slot, None)
        if self._server_of[slot] == NO_SERVER:
            self._lingering[int(self.logs.user_ids[slot])] = linger_until_s

    def _make_room(self) -> bool:
        if not self._lingering:
            return False
        self._forget(min(self._lingering, key=self._lingering.__getitem__))
        return True

    def forget(self, user_id: int) -> None:
        """End a user's connections here and close the log; nothing if there is none."""
        if self.logs.slot_of(user_id) != NO_SLOT:
            self.forgotten += 1
            self._forget(user_id)

    def _forget(self, user_id: int) -> None:
        self._lingering.pop(user_id, None)
        slot = self.logs.slot_of(user_id)
        self._more_servers.pop(slot, None)
        self._slot_of_row[self._row_of[slot]] = NO_SLOT
        self.logs.close(user_id)

    def sweep(self, now_s: float) -> None:
        """Close the logs whose time of lingering is over."""
        for user_id in [u for u, until in self._lingering.items() if until <= now_s]:
            self._forget(user_id)

    def without_log(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Those of `rows` whose users have no event log."""
        found: npt.NDArray[np.int64] = rows[self._slot_of_row[rows] == NO_SLOT]
        return found

    def position(self, user_id: int, server: int) -> tuple[str, int] | None:
        """(epoch, offset) of the log of a user connected on a server; None: not connected there."""
        slot = self.logs.slot_of(user_id)
        if slot == NO_SLOT:
            return None
        if self._server_of[slot] != server and server not in self._more_servers.get(slot, ()):
            return None
        return self.logs.epoch_of(slot), int(self.logs.offsets[slot])

    def recently_notified(self, server: int, after: int) -> npt.NDArray[np.int64]:
        """The ids of the users on a server who got events since `logs.appended` was `after`."""
        slots = np.nonzero((self._server_of == server) & self.logs.appended_to(after))[0]
        more = [slot for slot, servers in self._more_servers.items() if server in servers]
        found: npt.NDArray[np.int64] = self.logs.user_ids[np.append(slots, more).astype(np.int64)]
        return found

    def notify(
        self,
        rows: npt.NDArray[np.int64],
        event: int,
        subject_id: int,
        *,
        hides_quote: bool = False,
    ) -> list[Recipients]:
        """Log an event for those of `rows` (distinct) that have a log; whom to push it to.

        `hides_quote` is passed on with them.
        """
        slots = self._slot_of_row[rows]
        slots = slots[slots != NO_SLOT]
        if not len(slots):
            return []
        offsets = self.logs.append(slots, event, subject_id)
        servers = self._server_of[slots]
        found: list[Recipients] = []
        for number in np.unique(servers).tolist():
            if number == NO_SERVER:
                continue
            chosen = servers == number
            found.append(self._recipients(number, slots[chosen], offsets[chosen], hides_quote))
        if self._more_servers:
            position = {slot: i for i, slot in enumerate(slots.tolist())}
            for slot in self._more_servers.keys() & position.keys():
                at = position[slot]
                one = slice(at, at + 1)
                for number in self._more_servers[slot]:
                    found.append(self._recipients(number, slots[one], offsets[one], hides_quote))
        return found

    def _recipients(
        self,
        server: int,
        slots: npt.NDArray[np.int64],
        offsets: npt.NDArray[np.int64],
        hides_quote: bool,
    ) -> Recipients:
        user_ids = self.logs.user_ids[slots].tobytes()
        return Recipients(self._names[server], user_ids, offsets.tobytes(), hides_quote)
