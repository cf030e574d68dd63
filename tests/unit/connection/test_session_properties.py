"""Whatever the interleaving, a client misses nothing silently and buffers stay bounded."""

from typing import Any

import msgpack  # type: ignore[import-untyped]
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from rookery.connection.ports import Attached
from rookery.connection.session import Phase, Session
from rookery.connection.settings import StreamSettings
from rookery.connection.tally import Tally
from rookery.connection.wire import MSGPACK, Event
from rookery.models import EventKind, Identity

SETTINGS = StreamSettings(
    soft_buffer_bytes=400,
    hard_buffer_bytes=1600,
    held_events=3,
    slow_grace_s=1e9,
    heartbeat_s=1e9,
)
LOG_SIZE = 12


def payload_of(frame: bytes) -> dict[str, Any]:
    """The message in an unmasked binary frame."""
    assert frame[0] == 0x82
    start = {126: 4, 127: 10}.get(frame[1], 2)
    assert len(frame) - start == (frame[1] if start == 2 else int.from_bytes(frame[2:start]))
    message: dict[str, Any] = msgpack.unpackb(frame[start:])
    return message


class SessionMachine(RuleBasedStateMachine):
    """A shard's log, a channel that loses and repeats, a transport that drains as it likes.

    Offset *n* of epoch *e* is the tweet with id ``e * 1000 + n``, so that the reader can tell
    whether it got the right one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.epoch = 1
        self.last = 0
        self.registered = False
        self.channel: list[tuple[int, Event]] = []
        self.call: tuple[str | None, int | None] | None = None
        self.answer: Attached | None = None
        self.buffered = 0
        self.buffered_max = 0
        self.reader_epoch: str | None = None
        self.reader_offset = -1
        self.awaits_reset = False
        self.session = self._session(None, None)

    def _session(self, epoch: str | None, offset: int | None) -> Session:
        return Session(
            "s",
            Identity(7, "u", "d"),
            MSGPACK,
            epoch=epoch,
            offset=offset,
            expires_s=1e12,
            now_s=self.now_s,
            settings=SETTINGS,
            tally=Tally(),
        )

    # The shard

    def _event(self, offset: int) -> Event:
        return Event(EventKind.TWEET_DELETED, self.epoch * 1000 + offset)

    def _heavy(self, offset: int) -> Event:
        tweet_id = self.epoch * 1000 + offset
        return Event(EventKind.TWEET, tweet_id, {"id": str(tweet_id), "text": "x" * 80})

    @rule(count=st.integers(1, 6), lost=st.integers(0, 20), heavy=st.booleans())
    def publish(self, count: int, lost: int, heavy: bool) -> None:
        for n in range(count):
            self.last += 1
            if self.registered and n != lost:
                event = self._heavy(self.last) if heavy else self._event(self.last)
                self.channel.append((self.last, event))

    @rule(really=st.integers(0, 5))
    def restart_shard(self, really: int) -> None:
        """It forgets all, and what it had on its way is lost with it."""
        if really:
            return
        self.channel.clear()
        self.epoch += 1
        self.last = 0
        self.registered = False

    # The channel: loses and repeats, and is as slow as it likes, but keeps the order

    @precondition(lambda self: self.channel)
    @rule(count=st.integers(1, 12), repeat=st.booleans())
    def deliver(self, count: int, repeat: bool) -> None:
        some, self.channel = self.channel[:count], self.channel[count:]
        for offset, event in some:
            self.session.event(offset, event, self.now_s)
            if repeat:
                self.session.event(offset, event, self.now_s)
        self._settle()

    # The hub

    @precondition(lambda self: self.session.wants_attach and self.call is None)
    @rule()
    def start_attach(self) -> None:
        self.call = self.session.attach_started()

    @precondition(lambda self: self.call is not None and self.answer is None)
    @rule(fails=st.integers(0, 4).map(lambda n: n == 4))
    def shard_attaches(self, fails: bool) -> None:
        assert self.call is not None
        self.registered = True
        if fails:
            self.call = None
            self.session.attach_failed()
            return
        epoch, offset = self.call
        events = None
        if epoch == str(self.epoch) and offset is not None and offset <= self.last:
            if self.last - offset <= LOG_SIZE:
                events = [
                    (n, int(EventKind.TWEET_DELETED), self.epoch * 1000 + n)
                    for n in range(offset + 1, self.last + 1)
                ]
        self.answer = Attached(str(self.epoch), self.last, events)

    @precondition(lambda self: self.answer is not None)
    @rule()
    def answer_arrives(self) -> None:
        assert self.answer is not None
        answer, self.answer, self.call = self.answer, None, None
        missed = None
        if answer.events is not None:
            missed = [(n, Event(kind, subject)) for n, kind, subject in answer.events]
        self.session.attached(answer, missed, self.now_s)
        self._settle()

    @rule()
    def reconcile(self) -> None:
        session = self.session
        if session.phase is Phase.LIVE and (
            not self.registered
            or session.epoch != str(self.epoch)
            or (session.offset < self.last and not self.channel)
        ):
            session.request_attach()

    # The transport and the reader

    def _settle(self) -> None:
        while frames := self.session.take():
            for frame in frames:
                self._read(payload_of(frame))
            self.buffered += sum(map(len, frames))
            self.buffered_max = max(self.buffered_max, self.buffered)
            self.session.written(self.buffered)

    @rule(part=st.floats(0, 1))
    def drain(self, part: float) -> None:
        self.buffered = int(self.buffered * part)
        if self.buffered <= SETTINGS.low_buffer_bytes:
            self.session.written(self.buffered)
            self._settle()

    def _read(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        assert not self.awaits_reset or kind == "reset"
        if kind == "welcome":
            if message["resumed"]:
                position = (self.reader_epoch, self.reader_offset)
                assert (message["epoch"], message["offset"]) == position
            else:
                self.awaits_reset = self.reader_epoch is not None
                self.reader_epoch = str(message["epoch"])
                self.reader_offset = int(message["offset"])
        elif kind == "reset":
            self.awaits_reset = False
            self.reader_epoch = str(message["epoch"])
            self.reader_offset = int(message["offset"])
        elif kind == "more":
            count = int(message["count"])
            assert message["offset"] == self.reader_offset + count
            self.reader_offset += count
        else:
            assert message["offset"] == self.reader_offset + 1
            self.reader_offset += 1
            tweet = message.get("tweetId")
            if tweet is None:
                tweet = message["tweet"]["id"]
            assert divmod(int(tweet), 1000) == (int(str(self.reader_epoch)), self.reader_offset)

    @rule(really=st.integers(0, 3))
    def reconnect(self, really: int) -> None:
        """The client comes back with the position it read last."""
        if self.reader_epoch is None or really:
            return
        self.session.close(1000, "")
        self.call = self.answer = None
        self.channel.clear()
        self.registered = False
        self.buffered = 0
        self.session = self._session(self.reader_epoch, self.reader_offset)

    @invariant()
    def the_reader_agrees_with_the_session_unless_something_is_merged(self) -> None:
        if self.session.phase is Phase.LIVE and not self.session.merging:
            assert self.reader_offset == self.session.offset
            assert self.reader_epoch == self.session.epoch

    @invariant()
    def buffers_stay_bounded(self) -> None:
        assert self.buffered_max <= SETTINGS.soft_buffer_bytes
        assert len(self.session._held or ()) <= SETTINGS.held_events

    def teardown(self) -> None:
        """When all goes well at last, the client is where the shard is."""
        for _ in range(6):
            if self.session.wants_attach and self.call is None:
                self.start_attach()
            if self.call is not None and self.answer is None:
                self.shard_attaches(fails=False)
            if self.answer is not None:
                self.answer_arrives()
            if self.channel:
                self.deliver(len(self.channel), repeat=False)
            self.drain(0)
            self.reconcile()
        assert self.session.phase is Phase.LIVE
        assert (self.reader_epoch, self.reader_offset) == (str(self.epoch), self.last)


SessionMachine.TestCase.settings = hypothesis_settings(stateful_step_count=50)
TestSession = SessionMachine.TestCase
