"""One WebSocket session of one (user, device), as a state machine.

Pure: no event loop, no sockets, no clock of its own; `now_s` is an argument of any steady clock.
The hub feeds it events and passes on what it wants sent.

What a client is promised: each offset of its user's log exactly once and in order, or covered by
an explicit ``more`` or ``reset`` that stands where they would have stood.

    ATTACHING ──attached──▶ LIVE ──▶ CLOSED
                            │  ▲
                        gap └──┘ attached again

After each input the caller looks at `take` (frames to write), `wants_attach` and `closing`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from rookery.connection.ports import Attached
from rookery.connection.settings import StreamSettings
from rookery.connection.wire import (
    Codec,
    ErrorMessage,
    Event,
    More,
    Ping,
    Pong,
    Reset,
    ServerMessage,
    Watching,
    Welcome,
    WireError,
)
from rookery.models import Identity

_MAX_ID = 2**63

TOO_MANY_FRAMES = "too many messages"
TOO_MANY_USER_FRAMES = "too many messages of this user"
TOO_MANY_ERRORS = "too many wrong messages"
TOO_MANY_SESSIONS = "too many sessions"
TOO_SLOW = "too slow"
LIMITS = {
    TOO_MANY_FRAMES: "frames_per_s",
    TOO_MANY_USER_FRAMES: "frames_per_user",
    TOO_MANY_ERRORS: "wrong_messages",
    TOO_MANY_SESSIONS: "sessions_per_user",
    TOO_SLOW: "unsent_bytes",
}
"""Reasons of closing that tell of a limit, and how the log calls it."""


class Phase(Enum):
    """ATTACHING: before the welcome. LIVE: from the welcome on. CLOSED: nothing more is taken."""

    ATTACHING = "attaching"
    LIVE = "live"
    CLOSED = "closed"


@dataclass(slots=True)
class Tally:
    """What the sessions of one server have met, counted together."""

    merged: int = 0
    gaps: int = 0
    duplicates: int = 0
    resets: int = 0


class Session:
    """See the module. `epoch` and `offset` are the position that the client gave, if any.

    `buffered_bytes` is what the transport held after the last write; it may have shrunk since,
    never grown.
    """

    __slots__ = (
        "_allowance",
        "_allowance_s",
        "_errors",
        "_errors_since_s",
        "_expires_s",
        "_flowing",
        "_held",
        "_late_counts",
        "_merged_count",
        "_merging_since_s",
        "_next_ping_s",
        "_out",
        "_out_bytes",
        "_reset_reason",
        "_seen_offset",
        "_settings",
        "_tally",
        "_unanswered_pings",
        "buffered_bytes",
        "closing",
        "codec",
        "epoch",
        "identity",
        "offset",
        "phase",
        "session_id",
        "wants_attach",
        "watched",
    )

    def __init__(
        self,
        session_id: str,
        identity: Identity,
        codec: Codec,
        *,
        epoch: str | None,
        offset: int | None,
        expires_s: float,
        now_s: float,
        settings: StreamSettings,
        tally: Tally,
    ) -> None:
        self.session_id = session_id
        self.identity = identity
        self.codec = codec
        self.phase = Phase.ATTACHING
        self.epoch = epoch
        self.offset = -1 if offset is None else offset
        self.wants_attach = True
        self.closing: tuple[int, str] | None = None
        self.watched: frozenset[int] = frozenset()
        self.buffered_bytes = 0
        self._settings = settings
        self._tally = tally
        self._expires_s = expires_s
        self._next_ping_s = now_s + settings.heartbeat_s
        self._unanswered_pings = 0
        self._flowing = False  # live, not attaching, not merging: events pass straight through
        self._held: list[tuple[int, Event]] | None = None  # a list while an attach call runs
        self._seen_offset = -1  # the largest offset that was seen, and not kept, during the call
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._merging_since_s: float | None = None
        self._merged_count = 0
        self._reset_reason: str | None = None
        self._late_counts: dict[int, bytes] | None = None
        self._allowance = float(settings.message_burst)
        self._allowance_s = now_s
        self._errors = 0
        self._errors_since_s = now_s

    # Events

    def event(self, offset: int, event: Event, now_s: float) -> bool:
        """Take a pushed event. Returns whether the session is now to be settled.

        Several may be taken before that; only the first one need say so.
        """
        if self._flowing and offset == self.offset + 1:
            frame = self.codec.event_frame(event, offset)
            out_bytes = self._out_bytes + len(frame)
            if self.buffered_bytes + out_bytes <= self._settings.soft_buffer_bytes:
                self.offset = offset
                self._out.append(frame)
                self._out_bytes = out_bytes
                return len(self._out) == 1
        return self._event_aside(offset, event, now_s)

    def _event_aside(self, offset: int, event: Event, now_s: float) -> bool:
        if self.phase is Phase.CLOSED:
            return False
        if self._held is not None:
            if len(self._held) < self._settings.held_events:
                self._held.append((offset, event))
            else:
                self._seen_offset = max(self._seen_offset, offset)
            return False
        if self.wants_attach:
            return False  # it was logged before the call that is to come, so the answer covers it
        if offset <= self.offset:
            self._tally.duplicates += 1
            return False
        if offset > self.offset + 1:
            self._tally.gaps += 1
            self.request_attach()
            return True
        self._deliver(offset, event, now_s)
        return True

    def _deliver(self, offset: int, event: Event, now_s: float) -> None:
        """Send or merge the event that follows the position."""
        self.offset = offset
        if self._merging_since_s is None:
            frame = self.codec.event_frame(event, offset)
            if self._has_room(len(frame)):
                self._append(frame)
                return
            self._begin_merging(now_s)
        self._tally.merged += 1
        self._merged_count += 1

    # Attaching

    def request_attach(self) -> None:
        """Ask for the position to be fetched again, unless a call for it is already due."""
        if self.phase is not Phase.CLOSED and self._held is None:
            self.wants_attach = True
            self._flowing = False

    @property
    def attaching(self) -> bool:
        """Whether an attach call is due or under way."""
        return self.wants_attach or self._held is not None

    def attach_started(self) -> tuple[str | None, int | None]:
        """To be called right before an attach call is made; returns the position to give it."""
        self.wants_attach = False
        self._flowing = False
        self._held = []
        self._seen_offset = -1
        return self.epoch, self.offset if self.epoch is not None else None

    def attach_failed(self) -> None:
        """The call failed and is to be made again; what was held will be in its answer."""
        self._held = None
        self.wants_attach = self.phase is not Phase.CLOSED

    def attached(
        self, result: Attached, missed: Sequence[tuple[int, Event]] | None, now_s: float
    ) -> None:
        """Take the answer; `missed` are its events, rendered, in order."""
        held, self._held = self._held or [], None
        if self.phase is Phase.CLOSED:
            return
        resumable = missed is not None and self._continues(result, missed)
        if self.phase is Phase.ATTACHING:
            self._welcome(result, resumable, now_s)
        elif not resumable:
            same_epoch = result.epoch == self.epoch
            self._reset(result, "gap" if same_epoch else "epoch_changed", now_s)
        if resumable:
            for offset, event in missed or ():
                self._deliver(offset, event, now_s)
        for offset, event in held:
            if offset == self.offset + 1:
                self._deliver(offset, event, now_s)
            elif offset > self.offset:
                self._seen_offset = max(self._seen_offset, offset)
        if self._seen_offset > self.offset:
            self._tally.gaps += 1
            self.wants_attach = True
        self._update_flow()

    def _continues(self, result: Attached, missed: Sequence[tuple[int, Event]]) -> bool:
        """Whether `missed` leads from the position to the answer's without a hole."""
        if result.epoch != self.epoch or result.offset != self.offset + len(missed):
            return False
        return all(
            offset == expected for expected, (offset, _) in enumerate(missed, self.offset + 1)
        )

    def _welcome(self, result: Attached, resumable: bool, now_s: float) -> None:
        asked = self.epoch is not None
        self.phase = Phase.LIVE
        if not resumable:
            self.epoch = result.epoch
            self.offset = result.offset
        frame = self.codec.frame(
            Welcome(
                session_id=self.session_id,
                user_id=str(self.identity.user_id),
                epoch=result.epoch,
                offset=self.offset,
                resumed=resumable,
                heartbeat_s=self._settings.heartbeat_s,
            )
        )
        self._out.insert(0, frame)  # before answers to messages that came early
        self._out_bytes += len(frame)
        if asked and not resumable:
            self._reset(result, "unknown_position", now_s)

    def _reset(self, result: Attached, reason: str, now_s: float) -> None:
        self._tally.resets += 1
        self.epoch = result.epoch
        self.offset = result.offset
        self._reset_reason = reason
        self._merged_count = 0
        self._begin_merging(now_s)
        self._end_merging_if_drained()

    # Counts

    def counts(self, items: Iterable[tuple[int, bytes]], now_s: float) -> None:
        """Send counts of tweets as (tweet id, item of the codec); the latest of each, if slow."""
        if self.phase is not Phase.LIVE:
            return
        items = [(tweet_id, item) for tweet_id, item in items if tweet_id in self.watched]
        if not items:
            return
        if self._merging_since_s is None:
            frame = self.codec.counts_frame([item for _, item in items])
            if self._has_room(len(frame)):
                self._append(frame)
                return
            self._begin_merging(now_s)
        if self._late_counts is None:
            self._late_counts = {}
        self._late_counts.update(items)

    # What the client sends

    def frame_received(self, now_s: float) -> None:
        """Account for a frame of any kind; the client is alive, and must not send too many."""
        self._unanswered_pings = 0
        settings = self._settings
        regained = (now_s - self._allowance_s) * settings.message_rate
        self._allowance = min(float(settings.message_burst), self._allowance + regained) - 1.0
        self._allowance_s = now_s
        if self._allowance < 0:
            self.close(4400, TOO_MANY_FRAMES)

    def message(self, data: bytes, text: bool, now_s: float) -> None:
        """Take a whole message of the client; `watched` is replaced by a ``watch``."""
        if self.phase is Phase.CLOSED:
            return
        try:
            message = self.codec.decode(data, text)
            if isinstance(message, Ping):
                self._answer(Pong())
            else:
                self.watched = self._tweet_ids(message.tweet_ids)
                self._answer(
                    Watching(tweet_ids=[str(tweet_id) for tweet_id in sorted(self.watched)])
                )
        except WireError as error:
            self._refuse(error, now_s)

    def _tweet_ids(self, texts: list[str]) -> frozenset[int]:
        limit = self._settings.watch_limit
        if len(texts) > limit:
            raise WireError("too_many_tweets", f"At most {limit} tweets can be watched")
        ids = set()
        for text in texts:
            if not (text.isascii() and text.isdecimal() and len(text) <= 19):
                raise WireError("invalid_message", "tweetIds must be decimal strings")
            ids.add(int(text))
        if ids and max(ids) >= _MAX_ID:
            raise WireError("invalid_message", "tweetIds must be decimal strings")
        return frozenset(ids)

    def _refuse(self, error: WireError, now_s: float) -> None:
        if error.close_code is not None:
            self.close(error.close_code, error.text)
            return
        if now_s - self._errors_since_s > self._settings.error_window_s:
            self._errors = 0
        if not self._errors:
            self._errors_since_s = now_s
        self._errors += 1
        self._answer(ErrorMessage(code=error.code, error=error.text))
        if self._errors >= self._settings.max_errors:
            self.close(4400, TOO_MANY_ERRORS)

    def _answer(self, message: ServerMessage) -> None:
        """Send what is never merged; a client that asks without reading meets the hard limit."""
        self._append(self.codec.frame(message))
        self._check_hard_limit()

    # Writing

    def take(self) -> list[bytes]:
        """The frames to be written now, in order; `written` must follow if there are any."""
        out = self._out
        if not out or (self.phase is Phase.ATTACHING):
            return []
        self._out = []
        self._out_bytes = 0
        return out

    def written(self, buffered_bytes: int) -> None:
        """What the transport holds, after a write or when it drained; may free merged events."""
        self.buffered_bytes = buffered_bytes
        if self._merging_since_s is not None:
            self._end_merging_if_drained()
        self._check_hard_limit()

    def _has_room(self, size: int) -> bool:
        waiting = self.buffered_bytes + self._out_bytes
        return waiting + size <= self._settings.soft_buffer_bytes

    def _append(self, frame: bytes) -> None:
        self._out.append(frame)
        self._out_bytes += len(frame)

    def _begin_merging(self, now_s: float) -> None:
        if self._merging_since_s is None:
            self._merging_since_s = now_s
            self._flowing = False

    def _end_merging_if_drained(self) -> None:
        if self.buffered_bytes + self._out_bytes > self._settings.low_buffer_bytes:
            return
        if self.phase is not Phase.LIVE:
            return
        if self._reset_reason is not None:
            epoch = self.epoch or ""
            reset = Reset(epoch=epoch, offset=self.offset, reason=self._reset_reason)
            self._append(self.codec.frame(reset))
        elif self._merged_count:
            self._append(self.codec.frame(More(offset=self.offset, count=self._merged_count)))
        if self._late_counts:
            items = [item for key, item in self._late_counts.items() if key in self.watched]
            if items:
                self._append(self.codec.counts_frame(items))
        self._merging_since_s = None
        self._merged_count = 0
        self._reset_reason = None
        self._late_counts = None
        self._update_flow()

    def _update_flow(self) -> None:
        self._flowing = (
            self.phase is Phase.LIVE and not self.attaching and self._merging_since_s is None
        )

    def _check_hard_limit(self) -> None:
        if self.buffered_bytes + self._out_bytes > self._settings.hard_buffer_bytes:
            self.close(4408, TOO_SLOW)

    # Time and end

    @property
    def due_s(self) -> float:
        """When `tick` is to be called next."""
        due_s = min(self._next_ping_s, self._expires_s)
        if self._merging_since_s is not None:
            due_s = min(due_s, self._merging_since_s + self._settings.slow_grace_s)
        return due_s

    @property
    def merging(self) -> bool:
        """Whether events are being merged, which must end before the grace is over."""
        return self._merging_since_s is not None

    def tick(self, now_s: float) -> bool:
        """Do what is due. Returns whether a ping is to be sent."""
        if self.phase is Phase.CLOSED:
            return False
        if now_s >= self._expires_s:
            self.close(4402, "the token has expired")
            return False
        since_s = self._merging_since_s
        if since_s is not None and now_s >= since_s + self._settings.slow_grace_s:
            self.close(4408, TOO_SLOW)
            return False
        if now_s < self._next_ping_s:
            return False
        if self._unanswered_pings >= 2:
            self.close(4410, "nothing was heard from the client")
            return False
        self._unanswered_pings += 1  # counted, not timed: a stall of ours must close nobody
        self._next_ping_s = now_s + self._settings.heartbeat_s
        return True

    def close(self, code: int, reason: str) -> None:
        """End the session; the first reason stands."""
        if self.phase is Phase.CLOSED:
            return
        welcomed = self.phase is Phase.LIVE
        self.phase = Phase.CLOSED
        self.closing = (code, reason)
        self.wants_attach = False
        self._flowing = False
        self._held = None
        if not welcomed or code == 4408:
            self._out = []
            self._out_bytes = 0
