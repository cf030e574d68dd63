"""One WebSocket session of one (user, device), as a state machine.

Pure: no event loop, no sockets, no clock of its own; `now_s` is an argument of any steady clock.
The hub feeds it events and passes on what it wants sent. A client is promised each offset of its
user's log exactly once and in order, or covered by an explicit ``more`` or ``reset`` that stands
where they would have stood.

    ATTACHING ──attached──▶ LIVE ──▶ CLOSED
                            │  ▲
                        gap └──┘ attached again

After each input the caller looks at `take` (frames to write), `wants_attach` and `closing`.
"""

from collections.abc import Iterable, Sequence
from enum import Enum

from rookery.connection.closings import TOO_MANY_ERRORS, TOO_MANY_FRAMES, TOO_SLOW
from rookery.connection.conduct import Conduct
from rookery.connection.outgoing import Merged, Outgoing
from rookery.connection.ports import Attached
from rookery.connection.settings import StreamSettings
from rookery.connection.tally import Tally
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
    watched_ids,
)
from rookery.models import Identity


class Phase(Enum):
    """ATTACHING: before the welcome. LIVE: from the welcome on. CLOSED: nothing more is taken."""

    ATTACHING = "attaching"
    LIVE = "live"
    CLOSED = "closed"


class Session:
    """See the module.

    `epoch` and `offset` are the client's position: what was sent, or merged, up to now. `closing`
    is the close code and reason, once the session is to end; `wants_attach` asks for an attach
    call; `watched` are the tweets whose counts the client wants.
    """

    __slots__ = (
        "_conduct",
        "_expires_s",
        "_flowing",
        "_held",
        "_merged",
        "_outgoing",
        "_seen_offset",
        "_settings",
        "_tally",
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
        """`epoch` and `offset` are the position that the client gave, if any."""
        # Whose session it is, and how it speaks.
        self.session_id = session_id
        self.identity = identity
        self.codec = codec
        self._settings = settings
        self._tally = tally
        # Where it is in its life.
        self.phase = Phase.ATTACHING
        self.closing: tuple[int, str] | None = None
        self._expires_s = expires_s
        self._conduct = Conduct(settings, now_s)
        # Where it is in the event log, and the attach call that finds that out.
        self.epoch = epoch
        self.offset = -1 if offset is None else offset
        self.wants_attach = True
        self._held: list[tuple[int, Event]] | None = None  # a list while an attach call runs
        self._seen_offset = -1  # the largest offset that was seen, and not kept, during the call
        # What goes to the client.
        self.watched: frozenset[int] = frozenset()
        self._flowing = False  # live, not attaching, not merging: events pass straight through
        self._outgoing = Outgoing(settings)
        self._merged: Merged | None = None

    # Events

    def event(self, offset: int, event: Event, now_s: float) -> bool:
        """Take a pushed event. Returns whether the session is now to be settled.

        Several may be taken before that; only the first one need say so.
        """
        if self._flowing and offset == self.offset + 1:
            frame = self.codec.event_frame(event, offset)
            out = self._outgoing
            unsent_bytes = out.unsent_bytes + len(frame)
            if out.buffered_bytes + unsent_bytes <= out.soft_bytes:
                self.offset = offset
                out.frames.append(frame)
                out.unsent_bytes = unsent_bytes
                return len(out.frames) == 1
        return self.event_aside(offset, event, now_s)

    def event_aside(self, offset: int, event: Event | None, now_s: float) -> bool:
        """As `event`, if it does not pass straight through; None: it is to be fetched."""
        if self.phase is Phase.CLOSED:
            return False
        if self._held is not None:
            if event is not None and len(self._held) < self._settings.held_events:
                self._held.append((offset, event))
            else:
                self._seen_offset = max(self._seen_offset, offset)
            return False
        if self.wants_attach:
            return False  # it was logged before the call that is to come, so the answer covers it
        if offset <= self.offset:
            self._tally.duplicates += 1
            return False
        if event is None or offset > self.offset + 1:
            self._tally.gaps += event is not None
            self.request_attach()
            return True
        self._deliver(offset, event, now_s)
        return True

    def _deliver(self, offset: int, event: Event, now_s: float) -> None:
        """Send or merge the event that follows the position."""
        self.offset = offset
        if self._merged is None:
            frame = self.codec.event_frame(event, offset)
            if self._outgoing.has_room(len(frame)):
                self._outgoing.append(frame)
                return
        self._tally.merged += 1
        self._begin_merging(now_s).count += 1

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

    def doubt_held(self) -> None:
        """Have another attach call fetch what was pushed during this one."""
        while self._held:
            self._seen_offset = max(self._seen_offset, self._held.pop()[0])

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
        self._outgoing.put_first(frame)  # before answers to messages that came early
        if asked and not resumable:
            self._reset(result, "unknown_position", now_s)

    def _reset(self, result: Attached, reason: str, now_s: float) -> None:
        self._tally.resets += 1
        self.epoch = result.epoch
        self.offset = result.offset
        self._begin_merging(now_s).reset(reason)
        self._end_merging_if_drained()

    # Counts

    def counts(self, items: Iterable[tuple[int, bytes]], now_s: float) -> None:
        """Send counts of tweets as (tweet id, item of the codec); the latest of each, if slow."""
        if self.phase is not Phase.LIVE:
            return
        items = [(tweet_id, item) for tweet_id, item in items if tweet_id in self.watched]
        if not items:
            return
        if self._merged is None:
            frame = self.codec.counts_frame([item for _, item in items])
            if self._outgoing.has_room(len(frame)):
                self._outgoing.append(frame)
                return
        self._begin_merging(now_s).add_counts(items)

    # What the client sends

    def frame_received(self, now_s: float) -> None:
        """Account for a frame of any kind; the client is alive, and must not send too many."""
        if not self._conduct.frame_received(now_s):
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
                self.watched = watched_ids(message.tweet_ids, self._settings.watch_limit)
                self._answer(
                    Watching(tweet_ids=[str(tweet_id) for tweet_id in sorted(self.watched)])
                )
        except WireError as error:
            self._refuse(error, now_s)

    def _refuse(self, error: WireError, now_s: float) -> None:
        if error.close_code is not None:
            self.close(error.close_code, error.text)
            return
        self._answer(ErrorMessage(code=error.code, error=error.text))
        if not self._conduct.mistake(now_s):
            self.close(4400, TOO_MANY_ERRORS)

    def _answer(self, message: ServerMessage) -> None:
        """Send what is never merged; a client that asks without reading meets the hard limit."""
        self._outgoing.append(self.codec.frame(message))
        self._check_hard_limit()

    # Writing

    def take(self) -> list[bytes]:
        """The frames to be written now, in order; `written` must follow if there are any."""
        if self.phase is Phase.ATTACHING or not self._outgoing.frames:
            return []
        return self._outgoing.take()

    def written(self, buffered_bytes: int) -> None:
        """What the transport holds, after a write or when it drained; may free merged events."""
        self._outgoing.buffered_bytes = buffered_bytes
        if self._merged is not None:
            self._end_merging_if_drained()
        self._check_hard_limit()

    def _begin_merging(self, now_s: float) -> Merged:
        """What is merged, which begins now unless it has begun."""
        if self._merged is None:
            self._merged = Merged(now_s)
            self._flowing = False
        return self._merged

    def _end_merging_if_drained(self) -> None:
        merged = self._merged
        if merged is None or self.phase is not Phase.LIVE or not self._outgoing.is_drained:
            return
        if merged.reset_reason is not None:
            epoch = self.epoch or ""
            reset = Reset(epoch=epoch, offset=self.offset, reason=merged.reset_reason)
            self._outgoing.append(self.codec.frame(reset))
        elif merged.count:
            more = More(offset=self.offset, count=merged.count)
            self._outgoing.append(self.codec.frame(more))
        if items := merged.counts_of(self.watched):
            self._outgoing.append(self.codec.counts_frame(items))
        self._merged = None
        self._update_flow()

    def _update_flow(self) -> None:
        self._flowing = self.phase is Phase.LIVE and not self.attaching and self._merged is None

    def _check_hard_limit(self) -> None:
        if self._outgoing.is_overfull:
            self.close(4408, TOO_SLOW)

    # Time and end

    @property
    def due_s(self) -> float:
        """When `tick` is to be called next."""
        due_s = min(self._conduct.next_ping_s, self._expires_s)
        if self._merged is not None:
            due_s = min(due_s, self._merged.since_s + self._settings.slow_grace_s)
        return due_s

    @property
    def merging(self) -> bool:
        """Whether events are being merged, which must end before the grace is over."""
        return self._merged is not None

    def tick(self, now_s: float) -> bool:
        """Do what is due. Returns whether a ping is to be sent."""
        if self.phase is Phase.CLOSED:
            return False
        if now_s >= self._expires_s:
            self.close(4402, "the token has expired")
            return False
        merged = self._merged
        if merged is not None and now_s >= merged.since_s + self._settings.slow_grace_s:
            self.close(4408, TOO_SLOW)
            return False
        if now_s < self._conduct.next_ping_s:
            return False
        if self._conduct.is_silent:
            self.close(4410, "nothing was heard from the client")
            return False
        self._conduct.pinged(now_s)
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
            self._outgoing.take()
