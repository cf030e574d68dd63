"""Stand-ins for what surrounds the connection server's core."""

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from rookery.connection.ports import Attached
from rookery.connection.session import Session
from rookery.connection.settings import StreamSettings
from rookery.errors import ActorUnavailable
from rookery.messages import Push
from rookery.models import EventKind, Identity


def identity(user_id: int = 7, device_id: str = "d") -> Identity:
    return Identity(user_id, f"user{user_id}", device_id)


def messages_of(data: bytes) -> list[dict[str, Any]]:
    """The JSON messages in a row of unmasked text frames."""
    messages: list[dict[str, Any]] = []
    while data:
        assert data[0] == 0x81
        start = {126: 4, 127: 10}.get(data[1], 2)
        length = data[1] if start == 2 else int.from_bytes(data[2:start])
        messages.append(json.loads(data[start : start + length]))
        data = data[start + length :]
    return messages


def types_of(messages: Sequence[dict[str, Any]]) -> list[str]:
    return [message["type"] for message in messages]


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s

    def wall_ms(self) -> int:
        return int(self.now_s * 1000)


class FakePeer:
    """Keeps what it is told. Holds everything in its buffer while `slow`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.alarm_tick = 0
        self.written: list[bytes] = []
        self.closed: tuple[int, str] | None = None
        self.pings = 0
        self.slow = False
        self.buffered = 0

    @property
    def session(self) -> Session:
        return self._session

    def write(self, data: bytes) -> int:
        self.written.append(data)
        if self.slow:
            self.buffered += len(data)
        return self.buffered

    def ping(self) -> None:
        self.pings += 1

    def close(self, code: int, reason: str) -> None:
        if self.closed is None:
            self.closed = (code, reason)

    @property
    def messages(self) -> list[dict[str, Any]]:
        return messages_of(b"".join(self.written))


class FakePresence:
    """Event logs in a dictionary. `failures`: how many calls to attach fail before one works.

    `log_start`: the offset below which events are no longer held. `lately`: what
    `recently_notified` answers, once it has failed `silent_rounds` times. `asked`: of whom
    positions were wanted.
    """

    def __init__(self) -> None:
        self.epoch = "e1"
        self.logs: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
        self.registered: set[int] = set()
        self.attaches: list[tuple[int, str | None, int | None]] = []
        self.detaches: list[int] = []
        self.failures = 0
        self.log_start = 0
        self.lately: list[int] | None = None
        self.silent_rounds = 0
        self.asked: list[list[int]] = []

    async def attach(self, user_id: int, epoch: str | None, offset: int | None) -> Attached:
        self.attaches.append((user_id, epoch, offset))
        if self.failures:
            self.failures -= 1
            raise ActorUnavailable()
        self.registered.add(user_id)
        log = self.logs[user_id]
        events = None
        if epoch == self.epoch and offset is not None and self.log_start <= offset <= len(log):
            events = log[offset:]
        return Attached(self.epoch, len(log), events)

    async def detach(self, user_id: int) -> None:
        self.detaches.append(user_id)
        self.registered.discard(user_id)

    async def recently_notified(self) -> list[int] | None:
        if self.silent_rounds:
            self.silent_rounds -= 1
            raise ActorUnavailable()
        return self.lately

    async def positions(self, user_ids: Sequence[int]) -> list[tuple[str, int] | None]:
        self.asked.append(list(user_ids))
        return [
            (self.epoch, len(self.logs[user_id])) if user_id in self.registered else None
            for user_id in user_ids
        ]

    def publish(
        self,
        users: Sequence[int],
        subject_id: int,
        record: bytes = b"",
        kind: int = EventKind.TWEET,
        *,
        hides_quote: bool = False,
    ) -> Push:
        """Enter an event into the users' logs; returns the push for it."""
        offsets = []
        for user_id in users:
            log = self.logs[user_id]
            log.append((len(log) + 1, kind, subject_id))
            offsets.append(len(log))
        ids = np.array(users, "<i8").tobytes()
        return Push(kind, subject_id, record, ids, np.array(offsets, "<i8").tobytes(), hides_quote)

    def restart(self) -> None:
        """A new epoch that knows nothing."""
        self.epoch += "x"
        self.logs.clear()
        self.registered.clear()


SMALL = StreamSettings(soft_buffer_bytes=1000, hard_buffer_bytes=3000, held_events=3)
