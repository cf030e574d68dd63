"""Keeps a server's sessions attached to the event logs of their users.

Attaches and attaches again, detaches users whose last session left, and compares positions with
the shards. For each user, attach and detach calls never overlap, so the last one decides.
The shards are behind `PresencePort`.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import structlog

from rookery.connection.peer import Peer
from rookery.connection.ports import Attached, PresencePort, TweetPort
from rookery.connection.session import Phase
from rookery.connection.settings import StreamSettings
from rookery.connection.wire import SHOWN_KINDS, Event
from rookery.errors import RookeryError

log = structlog.get_logger(__name__)

_FIRST_BACKOFF_S = 0.1
_MAX_BACKOFF_S = 1.0


class Presence:
    """See the module.

    `by_user` is the hub's registry, read here and changed only there. `settle` is called for a
    peer whose session took an answer.
    """

    def __init__(
        self,
        port: PresencePort,
        tweets: TweetPort,
        by_user: Mapping[int, list[Peer]],
        settle: Callable[[Peer], None],
        settings: StreamSettings,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._port = port
        self._tweets = tweets
        self._by_user = by_user
        self._settle = settle
        self._settings = settings
        self._clock_s = clock_s
        self._slots = asyncio.Semaphore(settings.attach_concurrency)
        self._tasks: dict[Peer, asyncio.Task[None]] = {}
        self._calls: Counter[int] = Counter()
        self._to_detach: dict[int, None] = {}
        self._detaching: frozenset[int] = frozenset()
        self._detach_wanted = asyncio.Event()
        self._detach_idle = asyncio.Event()
        self._detach_idle.set()
        self.attaches = 0
        self.attach_failures = 0
        self.attach_seconds = 0.0

    # Attaching

    def attach(self, peer: Peer) -> None:
        """Attach the session of `peer`, as it wants; nothing if that is under way."""
        if peer not in self._tasks:
            task = asyncio.get_running_loop().create_task(self._attach(peer))
            self._tasks[peer] = task
            task.add_done_callback(lambda done: self._attach_ended(peer, done))

    def doubt_pushes(self, user_ids: Collection[int] | None) -> None:
        """Have sessions that are attaching fetch what was pushed to them meanwhile; those of these
        users, or all where it is None."""
        for peer in self._tasks:
            if user_ids is None or peer.session.identity.user_id in user_ids:
                peer.session.doubt_held()

    def _attach_ended(self, peer: Peer, task: asyncio.Task[None]) -> None:
        self._tasks.pop(peer, None)
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            log.error("attaching failed", exc_info=error)
            peer.session.close(4500, "internal error")
        self._settle(peer)

    async def _attach(self, peer: Peer) -> None:
        session = peer.session
        user_id = session.identity.user_id
        began_s = self._clock_s()
        backoff_s = _FIRST_BACKOFF_S
        self._to_detach.pop(user_id, None)
        self._calls[user_id] += 1
        try:
            async with asyncio.timeout(self._settings.attach_deadline_s):
                while session.wants_attach:
                    try:
                        await self._attach_once(peer, user_id)
                        backoff_s = _FIRST_BACKOFF_S
                    except (RookeryError, TimeoutError) as error:
                        session.attach_failed()
                        self.attach_failures += 1
                        log.debug("attach failed", user_id=user_id, error=repr(error))
                        await asyncio.sleep(backoff_s)
                        backoff_s = min(backoff_s * 2, _MAX_BACKOFF_S)
            self.attaches += 1
            self.attach_seconds += self._clock_s() - began_s
        except TimeoutError:
            session.close(4503, "the timeline does not answer; try again shortly")
        finally:
            self._calls[user_id] -= 1
            if not self._calls[user_id]:
                del self._calls[user_id]
            self.left(user_id)

    async def _attach_once(self, peer: Peer, user_id: int) -> None:
        session = peer.session
        async with self._slots:
            while user_id in self._detaching:
                await self._detach_idle.wait()
            if session.phase is Phase.CLOSED:
                return
            async with asyncio.timeout(self._settings.attach_timeout_s):
                epoch, offset = session.attach_started()
                result = await self._port.attach(user_id, epoch, offset)
                missed = await self._render(user_id, result)
        session.attached(result, missed, self._clock_s())
        for other in self._by_user.get(user_id, ()):
            if other.session.phase is Phase.LIVE and other.session.epoch != result.epoch:
                other.session.request_attach()
                if other is not peer:
                    self._settle(other)
        self._settle(peer)

    async def _render(self, user_id: int, result: Attached) -> list[tuple[int, Event]] | None:
        """The missed events as the user may see them now."""
        if result.events is None:
            return None
        wanted = {subject for _, kind, subject in result.events if kind in SHOWN_KINDS}
        tweets = await self._tweets.missed(user_id, list(wanted)) if wanted else {}
        return [
            (offset, Event(kind, subject, tweets.get(subject)))
            for offset, kind, subject in result.events
        ]

    # Detaching

    def left(self, user_id: int) -> None:
        """Detach the user soon, if no session is left; safe to call at any time."""
        if user_id in self._by_user or user_id in self._calls or user_id in self._detaching:
            return
        self._to_detach[user_id] = None
        self._detach_wanted.set()

    async def detach_forever(self) -> None:
        """Detach users as they leave, until cancelled."""
        while True:
            await self._detach_wanted.wait()
            await self._detach_some()
            if not self._to_detach:
                self._detach_wanted.clear()

    async def _detach_some(self) -> None:
        chosen = list(self._to_detach)[: self._settings.detach_batch]
        for user_id in chosen:
            del self._to_detach[user_id]
        self._detaching = frozenset(chosen)
        self._detach_idle.clear()
        try:
            async with asyncio.timeout(self._settings.attach_timeout_s):
                await asyncio.gather(*map(self._port.detach, chosen), return_exceptions=True)
        except TimeoutError:
            log.debug("detach timed out", users=len(chosen))
        finally:  # one that failed is detached again when it is next pushed to
            self._detaching = frozenset()
            self._detach_idle.set()

    # Reconciling

    async def reconcile_forever(self) -> None:
        """Find lost pushes and restarted shards, every `reconcile_interval_s`, until cancelled.

        Looks at those who got events; every `reconcile_everyone_s`, and after a
        failure, at everybody.
        """
        everyone_at_s = 0.0
        while True:
            await asyncio.sleep(self._settings.reconcile_interval_s)
            try:
                async with asyncio.timeout(self._settings.attach_timeout_s):
                    notified = await self._port.recently_notified()
                if self._clock_s() >= everyone_at_s:
                    notified = None
                    everyone_at_s = self._clock_s() + self._settings.reconcile_everyone_s
                await self._reconcile(self._by_user if notified is None else notified)
            except (RookeryError, TimeoutError) as error:
                everyone_at_s = 0.0
                log.debug("positions failed", error=repr(error))
            except Exception:
                everyone_at_s = 0.0
                log.exception("reconciling failed")

    async def _reconcile(self, user_ids: Iterable[int]) -> None:
        """As `reconcile`, in batches; one that fails does not keep the others from their turn."""
        users = [user_id for user_id in user_ids if user_id in self._by_user]
        size = self._settings.reconcile_batch
        failure: Exception | None = None
        for start in range(0, len(users), size):
            try:
                await self.reconcile(users[start : start + size])
            except (RookeryError, TimeoutError) as error:
                failure = error
        if failure is not None:
            raise failure

    async def reconcile(self, user_ids: Sequence[int]) -> None:
        """Attach again each live session that is behind its shard.

        One that is merely behind gets `reconcile_grace_s` to catch up, as the push may be on its
        way.

        Raises:
            Unavailable, TimeoutError: the positions could not be had.
        """
        before = {peer: peer.session.epoch for peer in self._live(user_ids)}
        async with asyncio.timeout(self._settings.attach_timeout_s):
            positions = await self._port.positions(user_ids)
        by_user = dict(zip(user_ids, positions, strict=True))
        behind: list[tuple[Peer, int]] = []
        for peer in self._live(user_ids):
            session = peer.session
            if session.attaching or peer not in before or before[peer] != session.epoch:
                continue
            position = by_user[session.identity.user_id]
            if position is None or position[0] != session.epoch:
                self._again(peer)
            elif position[1] > session.offset:
                behind.append((peer, position[1]))
        if behind:
            await asyncio.sleep(self._settings.reconcile_grace_s)
            for peer, offset in behind:
                session = peer.session
                if session.epoch == before[peer] and session.offset < offset:
                    self._again(peer)

    def _live(self, user_ids: Iterable[int]) -> list[Peer]:
        return [
            peer
            for user_id in user_ids
            for peer in self._by_user.get(user_id, ())
            if peer.session.phase is Phase.LIVE
        ]

    def _again(self, peer: Peer) -> None:
        peer.session.request_attach()
        self._settle(peer)

    async def stop(self) -> None:
        """Give up attaching, and detach who is to be detached, within `attach_timeout_s`."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        deadline_s = self._clock_s() + self._settings.attach_timeout_s
        while self._to_detach and self._clock_s() < deadline_s:
            await self._detach_some()
