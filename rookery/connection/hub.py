"""The sessions of one connection server, and everything that is sent to them.

Knows peers, not sockets. All methods belong to one event loop; those
that are not coroutines return without waiting, and keep the order of their calls.
"""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Iterable, Sequence
from itertools import islice
from typing import Any

import numpy as np
import structlog

from rookery.connection.closings import TOO_MANY_SESSIONS, TOO_MANY_USER_FRAMES
from rookery.connection.live_counts import LiveCounts
from rookery.connection.peer import Peer
from rookery.connection.ports import PresencePort, TweetPort
from rookery.connection.presence import Presence
from rookery.connection.rendering import event_of
from rookery.connection.session import Session
from rookery.connection.settings import StreamSettings
from rookery.connection.tally import Tally
from rookery.connection.timer_wheel import TICK_S, TimerWheel
from rookery.connection.user_frames import UserFrames
from rookery.connection.wire import Codec
from rookery.messages import Push
from rookery.models import Identity
from rookery.store.records.devices import ALL_DEVICES

log = structlog.get_logger(__name__)


class Hub:
    """See the module.

    Needs `start` before sessions join. What dies with it is rebuilt by the clients, who
    reconnect and resume.
    """

    def __init__(
        self,
        presence: PresencePort,
        tweets: TweetPort,
        settings: StreamSettings | None = None,
        *,
        clock_s: Callable[[], float] = time.monotonic,
        wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self.settings = settings or StreamSettings()
        self._clock_s = clock_s
        self._wall_ms = wall_ms
        self._by_user: dict[int, list[Peer]] = {}
        self._size = 0
        self._wheel: TimerWheel[Peer] = TimerWheel(clock_s())
        self._tally = Tally()
        self._user_frames = UserFrames(self.settings, clock_s())
        self.on_join: Callable[[Identity], None] = lambda _: None
        self.on_leave: Callable[[Identity], None] = lambda _: None
        self._presence = Presence(
            presence, tweets, self._by_user, self.settle, self.settings, clock_s
        )
        self._counts = LiveCounts(tweets, self._send_counts, self.settings)
        self._background: list[asyncio.Task[None]] = []
        self._frames_sent = 0
        self._bytes_sent = 0
        self._pushes = 0
        self._pushed_events = 0
        self._closed: Counter[int] = Counter()

    async def start(self) -> None:
        """Begin the background work."""
        for work in (
            self._presence.detach_forever(),
            self._presence.reconcile_forever(),
            self._counts.flush_forever(),
            self._tick_forever(),
        ):
            self._run(work)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(_report)
        self._background.append(task)

    async def stop(self) -> None:
        """End the background work; the users are detached, in bounded time."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        self._background.clear()
        await self._presence.stop()

    # Joining and leaving

    def new_session(
        self,
        identity: Identity,
        expires_ms: int,
        codec: Codec,
        epoch: str | None = None,
        offset: int | None = None,
    ) -> Session:
        """A session for an authenticated client at the position it gave; it has yet to `join`."""
        now_s = self._clock_s()
        return Session(
            secrets.token_hex(8),
            identity,
            codec,
            epoch=epoch,
            offset=offset,
            expires_s=now_s + (expires_ms - self._wall_ms()) / 1000,
            now_s=now_s,
            settings=self.settings,
            tally=self._tally,
        )

    def join(self, peer: Peer) -> None:
        """Register `peer`, then attach it; it is closed with 4429 if its user has too many."""
        user_id = peer.session.identity.user_id
        peers = self._by_user.setdefault(user_id, [])
        peers.append(peer)
        self._size += 1
        self.on_join(peer.session.identity)
        if len(peers) > self.settings.max_sessions_per_user:
            peer.session.close(4429, TOO_MANY_SESSIONS)
        self.settle(peer)

    def leave(self, peer: Peer, code: int = 1006) -> None:
        """Forget `peer`, whose connection ended with `code`; nothing if it is not registered."""
        session = peer.session
        user_id = session.identity.user_id
        peers = self._by_user.get(user_id, [])
        if peer not in peers:
            return
        session.close(code, "")
        peers.remove(peer)
        self._size -= 1
        self.on_leave(session.identity)
        self._closed[code] += 1
        self._wheel.cancel(peer)
        self._counts.watch(peer, session.watched, frozenset())
        if not peers:
            del self._by_user[user_id]
            self._presence.left(user_id)

    def close_devices(self, devices: Iterable[tuple[int, str]]) -> None:
        """Close the sessions of revoked devices, given as (user id, device id); with `ALL_DEVICES`
        all of the user's."""
        for user_id, device_id in devices:
            for peer in list(self._by_user.get(user_id, ())):
                if device_id in (ALL_DEVICES, peer.session.identity.device_id):
                    self._close(peer, 4403, "this device was logged out")

    def close_sign_ins(self, sign_ins: Iterable[tuple[int, str, str]]) -> None:
        """Close the sessions of (user id, device id, session)s, whose devices signed in anew."""
        for user_id, device_id, session in sign_ins:
            for peer in list(self._by_user.get(user_id, ())):
                identity = peer.session.identity
                if identity.device_id == device_id and identity.session == session:
                    self._close(peer, 4403, "this sign-in was ended")

    def users(self) -> list[int]:
        """The ids of all who are connected."""
        return list(self._by_user)

    def sign_ins(self, user_ids: Iterable[int]) -> list[tuple[int, str, str]]:
        """The (user id, device id, session)s of these users' sessions, each once."""
        found = set()
        for user_id in user_ids:
            for peer in self._by_user.get(user_id, ()):
                identity = peer.session.identity
                found.add((user_id, identity.device_id, identity.session))
        return list(found)

    def close_user(self, user_id: int, code: int = 4403, reason: str = "logged out") -> None:
        """Close all sessions of a user."""
        for peer in list(self._by_user.get(user_id, ())):
            self._close(peer, code, reason)

    def close_some(self, count: int, code: int, reason: str) -> None:
        """Close the sessions of `count` users."""
        for user_id in list(islice(self._by_user, count)):
            self.close_user(user_id, code, reason)

    def close_all(self, code: int, reason: str) -> None:
        """Close all sessions."""
        for user_id in list(self._by_user):
            self.close_user(user_id, code, reason)

    def _close(self, peer: Peer, code: int, reason: str) -> None:
        peer.session.close(code, reason)
        self.settle(peer)

    # Sending

    def push(self, batch: Sequence[Push]) -> None:
        """Pass events on to the sessions of their users; for each user, in order of offsets.

        All that one session gets from a batch goes out in one write.
        """
        now_s = self._clock_s()
        by_user = self._by_user
        unsettled: list[Peer] = []
        self._pushes += 1
        self._pushed_events += len(batch)
        for push in batch:
            event = event_of(push)
            users = np.frombuffer(push.user_ids, "<i8").tolist()
            offsets = np.frombuffer(push.offsets, "<i8").tolist()
            for user_id, offset in zip(users, offsets, strict=True):
                peers = by_user.get(user_id)
                if peers is None:
                    self._presence.left(user_id)  # a detach was lost
                    continue
                for peer in peers:
                    session = peer.session
                    if event is None:
                        is_unsettled = session.event_aside(offset, None, now_s)
                    else:
                        is_unsettled = session.event(offset, event, now_s)
                    if is_unsettled:
                        unsettled.append(peer)
        for peer in unsettled:
            self.settle(peer)

    def counts_changed(self, tweet_ids: Iterable[int]) -> None:
        """Tell those who watch these tweets their new counts, within `counts_interval_s`."""
        self._counts.changed(tweet_ids)

    def visibility_changed(
        self, user_ids: Collection[int], author_ids: Collection[int], tweet_ids: Iterable[int]
    ) -> None:
        """Look again at who may be told what: these users of all tweets, all users of these
        authors' tweets, and of these tweets.

        That is watched tweets, and what waits for a session to be attached; what comes from now on
        goes by it already.
        """
        self._presence.doubt_pushes(None if author_ids else user_ids)
        peers = [peer for user_id in user_ids for peer in self._by_user.get(user_id, ())]
        self._counts.recheck(peers, author_ids, tweet_ids)

    def _send_counts(self, peer: Peer, items: list[tuple[int, bytes]]) -> None:
        peer.session.counts(items, self._clock_s())
        self.settle(peer)

    def settle(self, peer: Peer) -> None:
        """Carry out what a session wants after an input: writes, an attach, its end."""
        session = peer.session
        while frames := session.take():
            data = frames[0] if len(frames) == 1 else b"".join(frames)
            self._frames_sent += len(frames)
            self._bytes_sent += len(data)
            session.written(peer.write(data))
        if session.closing is not None:
            code, reason = session.closing
            self.leave(peer, code)
            peer.close(code, reason)
        elif session.wants_attach:
            self._presence.attach(peer)
            self._set_alarm(peer)
        elif session.merging or not peer.alarm_tick:
            self._set_alarm(peer)

    # What peers tell

    def frame_received(self, peer: Peer) -> None:
        """Account for a frame of any kind, before its content is passed on."""
        session = peer.session
        now_s = self._clock_s()
        session.frame_received(now_s)
        if not self._user_frames.take(session.identity.user_id, session.session_id, now_s):
            session.close(4400, TOO_MANY_USER_FRAMES)
        if session.closing is not None:
            self.settle(peer)

    def message_received(self, peer: Peer, data: bytes, text: bool) -> None:
        """Take a whole message."""
        session = peer.session
        before = session.watched
        session.message(data, text, self._clock_s())
        if session.watched is not before:
            self._counts.watch(peer, before, session.watched)
        self.settle(peer)

    def drained(self, peer: Peer, buffered_bytes: int) -> None:
        """The transport has little left to write."""
        peer.session.written(buffered_bytes)
        self.settle(peer)

    # Time

    def _set_alarm(self, peer: Peer) -> None:
        self._wheel.set(peer, peer.session.due_s)

    async def _tick_forever(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self.tick()

    def tick(self) -> None:
        """Do what is due for any session; called every `timer_wheel.TICK_S`."""
        now_s = self._clock_s()
        for peer in self._wheel.expire(now_s):
            if peer.session.tick(now_s):
                peer.ping()
            self.settle(peer)

    # Figures

    def __len__(self) -> int:
        return self._size

    def figures(self) -> dict[str, float]:
        """Current figures by metric name; those that only grow count since the start."""
        presence = self._presence
        figures: dict[str, float] = {
            "sessions": self._size,
            "connected_users": len(self._by_user),
            "watched_tweets": self._counts.watched_tweets,
            "frames_sent": self._frames_sent,
            "bytes_sent": self._bytes_sent,
            "events_merged": self._tally.merged,
            "event_gaps": self._tally.gaps,
            "event_duplicates": self._tally.duplicates,
            "resets": self._tally.resets,
            "attaches": presence.attaches,
            "attach_failures": presence.attach_failures,
            "attach_mean_s": presence.attach_seconds / max(presence.attaches, 1),
            "pushes": self._pushes,
            "push_batch_mean": self._pushed_events / max(self._pushes, 1),
        }
        figures.update((f"closed_{code}", count) for code, count in self._closed.items())
        return figures


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("background work of the hub failed", exc_info=error)
