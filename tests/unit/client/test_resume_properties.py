"""Whatever is cut, lost, repeated or merged: no event is missed in silence or comes twice."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from rookery.client.events import Connected, More, Reset, TweetEvent
from rookery.client.resume import ProtocolViolation, Resumption

RETAINED = 6


class StreamMachine(RuleBasedStateMachine):
    """A server with a short log, a network that fails, and one client."""

    def __init__(self) -> None:
        super().__init__()
        self.core = Resumption()
        self.epochs = 0
        self.log: list[str] = []  # of the present epoch; the offset is the index + 1
        self.logs: dict[str, list[str]] = {"e0": self.log}
        self.in_flight: list[dict[str, Any]] = []
        self.sent = 0  # what the server has put on the wire, of this connection
        self.connected = False
        # What the application knows, from what was yielded alone.
        self.epoch: str | None = None
        self.offset = 0
        self.resets_of_server = 0
        self.resets = 0

    @property
    def server_epoch(self) -> str:
        return f"e{self.epochs}"

    def message(self, offset: int) -> dict[str, Any]:
        return {"type": "tweet", "offset": offset, "tweet": {"id": self.log[offset - 1]}}

    @rule(count=st.integers(1, 4))
    def post(self, count: int) -> None:
        for _ in range(count):
            self.log.append(f"{self.server_epoch}/{len(self.log) + 1}")

    @precondition(lambda self: self.connected)
    @rule(count=st.integers(1, 3))
    def push(self, count: int) -> None:
        """The server sends the next events."""
        while count and self.sent < len(self.log):
            count -= 1
            self.sent += 1
            self.in_flight.append(self.message(self.sent))

    @precondition(lambda self: self.connected)
    @rule()
    def merge(self) -> None:
        """The server merges all that it has not sent."""
        if self.sent < len(self.log):
            count = len(self.log) - self.sent
            self.sent = len(self.log)
            self.in_flight.append({"type": "more", "offset": self.sent, "count": count})

    @precondition(lambda self: self.connected)
    @rule()
    def reset(self) -> None:
        """The server finds a hole in its own log while connected."""
        self.sent = len(self.log)
        self.send_reset("gap")

    @precondition(lambda self: self.connected and self.sent > 0)
    @rule(back=st.integers(0, 3))
    def repeat(self, back: int) -> None:
        """A faulty server sends an event again."""
        self.in_flight.append(self.message(max(1, self.sent - back)))

    @precondition(lambda self: self.connected and self.sent + 2 <= len(self.log))
    @rule()
    def drop(self) -> None:
        """A faulty server loses an event and sends the one after it."""
        self.sent += 2
        self.in_flight.append(self.message(self.sent))

    @rule()
    def cut(self) -> None:
        """The connection is lost with what was in flight."""
        self.connected = False
        self.in_flight.clear()
        self.core.lost()

    @rule()
    def restart(self) -> None:
        """The server loses its log."""
        self.cut()
        self.epochs += 1
        self.log = []
        self.logs[self.server_epoch] = self.log

    @precondition(lambda self: not self.connected)
    @rule()
    def connect(self) -> None:
        self.connected = True
        position = self.core.position
        newest = len(self.log)
        resumed = (
            position is not None
            and position.epoch == self.server_epoch
            and newest - RETAINED <= position.offset <= newest
        )
        self.sent = position.offset if resumed and position is not None else newest
        self.in_flight.append(
            {
                "type": "welcome",
                "sessionId": "s",
                "userId": "1",
                "epoch": self.server_epoch,
                "offset": self.sent,
                "resumed": resumed,
                "heartbeatS": 1.0,
            }
        )
        if position is not None and not resumed:
            self.send_reset("unknown_position")

    def send_reset(self, reason: str) -> None:
        self.resets_of_server += 1
        self.in_flight.append(
            {"type": "reset", "epoch": self.server_epoch, "offset": self.sent, "reason": reason}
        )

    @precondition(lambda self: self.in_flight)
    @rule(count=st.integers(1, 5))
    def receive(self, count: int) -> None:
        for _ in range(min(count, len(self.in_flight))):
            try:
                events = self.core.receive(self.in_flight.pop(0))
            except ProtocolViolation:
                self.cut()
                return
            for event in events:
                self.take(event)

    def take(self, event: object) -> None:
        """What an application may rely on, of each event."""
        if isinstance(event, Connected):
            if self.epoch is None:
                self.epoch, self.offset = event.epoch, event.offset
        elif isinstance(event, Reset):
            self.resets += 1
            self.epoch, self.offset = event.epoch, event.offset
        elif isinstance(event, More):
            assert event.offset > self.offset
            self.offset = event.offset
        else:
            assert isinstance(event, TweetEvent)
            assert self.epoch is not None
            assert event.offset == self.offset + 1
            assert event.raw["id"] == self.logs[self.epoch][event.offset - 1]
            self.offset = event.offset

    @invariant()
    def the_position_is_what_was_yielded(self) -> None:
        position = self.core.position
        if position is None:
            assert self.epoch is None
        else:
            assert (position.epoch, position.offset) == (self.epoch, self.offset)

    @invariant()
    def resets_are_those_of_the_server(self) -> None:
        assert self.resets <= self.resets_of_server

    def teardown(self) -> None:
        """Once the network is well, nothing stays missing."""
        self.cut()  # since an event lost at the very end shows only then
        for _ in range(3):
            if not self.connected:
                self.connect()
            while self.connected and (self.in_flight or self.sent < len(self.log)):
                self.push(1)
                self.receive(1)
        assert self.epoch == self.server_epoch
        assert self.offset == len(self.log)


TestStream = StreamMachine.TestCase
TestStream.settings = settings(stateful_step_count=40)
