"""The stream's logic: what to yield for a message, and where to go on after a cut.

Pure: no event loop, no sockets, no clock. The shell tells it of messages and cuts, in order.

What it promises, whatever the server and the network do: the events it hands out continue
`position` without gap, repetition or change of order, except where a `More` or `Reset` says so.
What would break this raises `ProtocolViolation`; the shell then connects again with `position`.
"""

from typing import Any, TypeAlias

import msgspec

from rookery.client.events import (
    SHOWN,
    Connected,
    Counts,
    Event,
    More,
    Reset,
    TweetCounts,
    TweetDeleted,
    TweetUnavailable,
)
from rookery.client.position import Position


class ProtocolViolation(Exception):
    """A message that cannot be right here; the connection is of no more use."""


class Pong(msgspec.Struct, frozen=True):
    """The answer to a ping. Not yielded."""


class Notice(msgspec.Struct, frozen=True):
    """The server could not take a message of ours. Not yielded."""

    code: str
    error: str


Received: TypeAlias = Event | Pong | Notice
_NOTHING: tuple[Received, ...] = ()
_MAX_EPOCH_CHARS = 40


class _Welcome(msgspec.Struct, frozen=True, rename="camel"):
    epoch: str
    offset: int
    resumed: bool
    heartbeat_s: float


class _Counts(msgspec.Struct, frozen=True):
    counts: tuple[TweetCounts, ...]


class Resumption:
    """One stream over all its connections. `position` is where the next one is to resume."""

    __slots__ = ("_epoch", "_offset", "_told_of_reset", "_welcomed")

    def __init__(self, position: Position | None = None) -> None:
        self._epoch = None if position is None else position.epoch
        self._offset = -1 if position is None else position.offset
        self._welcomed = False
        self._told_of_reset = False  # by a welcome, with nothing of the log after it

    @property
    def position(self) -> Position | None:
        """What has been handed out; None before the first welcome of a new stream."""
        return None if self._epoch is None else Position(self._epoch, self._offset)

    @property
    def live(self) -> bool:
        """Whether the present connection was welcomed."""
        return self._welcomed

    def lost(self) -> None:
        """The connection ended; the next message is the first of another one."""
        self._welcomed = False

    def receive(self, message: Any) -> tuple[Received, ...]:
        """What a decoded message means: events to yield in this order, often none or one.

        Raises:
            ProtocolViolation: close the connection and resume at `position`.
        """
        try:
            kind = message["type"]
            if not self._welcomed:
                return self._welcome(kind, message)
            shown = SHOWN.get(kind)
            if shown is None:
                return self._other(kind, message)
            card = message["tweet"]
            if type(card) is not dict:
                raise ProtocolViolation("a tweet that is not a map")
            return (shown(self._offset, card),) if self._continues(message["offset"]) else _NOTHING
        except (KeyError, TypeError, msgspec.ValidationError) as error:
            raise ProtocolViolation(f"a malformed message: {error!r}") from error

    def _continues(self, offset: Any) -> bool:
        """Advance to `offset` if it is the next; False if it was handed out already.

        To be called last, when the rest of the message has been checked.
        """
        expected = self._offset + 1
        if offset == expected and type(offset) is int:
            self._offset = expected
            self._told_of_reset = False
            return True
        if _number(offset) < expected:
            return False
        raise ProtocolViolation(f"events {expected} to {offset - 1} are missing")

    def _other(self, kind: Any, message: Any) -> tuple[Received, ...]:
        if kind == "tweet_deleted":
            tweet_id = _text(message["tweetId"])
            if self._continues(message["offset"]):
                return (TweetDeleted(self._offset, tweet_id),)
        elif kind == "tweet_unavailable":
            tweet_id = _text(message["tweetId"])
            if self._continues(message["offset"]):
                return (TweetUnavailable(self._offset, tweet_id),)
        elif kind == "more":
            return self._more(message)
        elif kind == "reset":
            return self._reset(message)
        elif kind == "counts":
            return (Counts(msgspec.convert(message, _Counts).counts),)
        elif kind == "pong":
            return (Pong(),)
        elif kind == "error":
            return (Notice(_text(message["code"]), _text(message["error"])),)
        elif kind == "welcome":
            raise ProtocolViolation("a second welcome")
        elif "offset" in message and self._continues(message["offset"]):
            return (More(self._offset, 1),)  # an event of a newer server: refetching covers it
        return _NOTHING

    def _more(self, message: Any) -> tuple[Received, ...]:
        offset, count = _number(message["offset"]), _number(message["count"])
        if offset <= self._offset:
            return _NOTHING
        self._offset = offset
        self._told_of_reset = False
        return (More(offset, count),)

    def _welcome(self, kind: Any, message: Any) -> tuple[Received, ...]:
        if kind != "welcome":
            raise ProtocolViolation(f"{kind!r} before the welcome")
        welcome = msgspec.convert(message, _Welcome)
        _check_epoch(welcome.epoch)
        if welcome.offset < 0 or not welcome.heartbeat_s > 0:
            raise ProtocolViolation("a welcome with numbers out of range")
        self._welcomed = True
        had_position = self._epoch is not None
        # Resumed in another epoch is a contradiction; taken as not resumed, nothing gets lost.
        resumed = welcome.resumed and self._epoch == welcome.epoch
        if not resumed:
            self._epoch = welcome.epoch
            self._offset = welcome.offset
        connected = Connected(welcome.epoch, self._offset, resumed, welcome.heartbeat_s)
        self._told_of_reset = not resumed and had_position
        if not self._told_of_reset:
            return (connected,)
        # The server says so too, after this; but the connection may be cut before it does.
        return (connected, Reset(welcome.epoch, welcome.offset, "unknown_position"))

    def _reset(self, message: Any) -> tuple[Received, ...]:
        reset = Reset(_text(message["epoch"]), _number(message["offset"]), _text(message["reason"]))
        _check_epoch(reset.epoch)
        known = self._told_of_reset and (reset.epoch, reset.offset) == (self._epoch, self._offset)
        self._told_of_reset = False
        if known:
            return _NOTHING
        self._epoch = reset.epoch
        self._offset = reset.offset
        return (reset,)


def _check_epoch(epoch: str) -> None:
    if not 1 <= len(epoch) <= _MAX_EPOCH_CHARS:
        raise ProtocolViolation("an epoch that is empty or too long")


def _number(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ProtocolViolation(f"not a number from 0 on: {value!r}")
    return value


def _text(value: Any) -> str:
    if type(value) is not str:
        raise ProtocolViolation(f"not a string: {value!r}")
    return value
