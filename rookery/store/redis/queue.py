"""The queue of events over a Redis stream, with the outbox behind it.

The outbox in the store holds every event from its commit to its acknowledgement, and is the truth.
The stream brings the same events sooner and without a read of the store. So no event is lost where
Redis does not answer, is emptied or loses what it had: the outbox brings it.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from time import monotonic

import structlog

from rookery.config import Redis
from rookery.domain.delivered import RecentIds
from rookery.errors import Unavailable
from rookery.events.encoding import StoredEvent
from rookery.ids import first_id_at
from rookery.store.engine import Operation
from rookery.store.records.outbox import Outbox
from rookery.store.redis.connection import FAILURES, end
from rookery.store.redis.stream import READ_COUNT, EventStream, Message, is_lost

log = structlog.get_logger(__name__)

RETRY_S = 0.5
"""Seconds between two attempts to reach a Redis that is away."""
AWAY_POLL_S = 0.2
"""Seconds between two looks into the outbox while Redis is away and nothing is offered."""
SWEEP_S = 1.0
OVERDUE_MS = 2_000
"""Age at which an event of the outbox should have come through the stream."""
RECLAIM_S = 5.0
"""Messages that a consumer read so long ago and has not removed are taken over from it."""
REMEMBERED = 50_000
MAX_REMOVALS = 50_000


class RedisQueue:
    """`rookery.store.queue.Queue` over a stream with a consumer group.

    One task reads the stream into a buffer. Events that the stream does not bring are read from the
    outbox into the same buffer:

    - at the start, after an `offer`, and while Redis is away: all of them;
    - otherwise, every `SWEEP_S`: those older than `OVERDUE_MS`. Their announcement was lost, or is
      still behind many others in the stream; its copy is then recognised.

    An event of the stream may have been acknowledged already if it comes late, or was committed or
    read in the time of a former consumer. Such an event is looked up in the outbox first.
    """

    def __init__(
        self,
        outbox: Outbox,
        settings: Redis,
        consumer: str,
        clock_ms: Callable[[], int],
        *,
        reclaim_s: float = RECLAIM_S,
    ) -> None:
        self._outbox = outbox
        self._clock_ms = clock_ms
        self._stream = EventStream(settings, consumer)
        self._reclaim_s = reclaim_s
        self._counts = {"from_stream": 0.0, "from_outbox": 0.0, "reclaimed": 0.0}

        # `_buffer` waits to be taken, `_held` was taken; `_known` are the ids of both.
        self._buffer: deque[StoredEvent] = deque()
        self._held: set[int] = set()
        self._known: set[int] = set()
        self._acknowledged = RecentIds(REMEMBERED)

        # Messages of the stream, by the event that each brought, and those to be removed from it.
        self._message_ids: dict[int, bytes] = {}
        self._removals: deque[bytes] = deque(maxlen=MAX_REMOVALS)

        # The task that reads the stream. Events from `_first_own_id` on are of its own time.
        self._reading: asyncio.Task[None] | None = None
        self._first_own_id = first_id_at(clock_ms())
        self._is_away = True
        self._has_joined = False
        self._reclaimed_s = 0.0
        self._has_room = asyncio.Event()  # in the buffer
        self._has_room.set()

        # The look into the outbox. `_is_behind`: it may hold events that the stream does not.
        self._is_behind = True
        self._swept_s = 0.0
        self._woken = asyncio.Event()  # there are events to take, or a look is due

    # The relay's side

    async def take(self, limit: int, wait_s: float) -> list[StoredEvent]:
        if self._reading is None:
            self._reading = asyncio.get_running_loop().create_task(self._read_forever())
        until_s = monotonic() + wait_s
        while True:
            self._woken.clear()
            if len(self._buffer) < limit:
                await self._look_in_outbox(limit)
            left_s = until_s - monotonic()
            if self._buffer or left_s <= 0:
                return self._hand_out(limit)
            pause_s = AWAY_POLL_S if self._is_away else SWEEP_S
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left_s, pause_s)):
                    await self._woken.wait()

    def _hand_out(self, limit: int) -> list[StoredEvent]:
        events = [self._buffer.popleft() for _ in range(min(limit, len(self._buffer)))]
        if len(self._buffer) < READ_COUNT:
            self._has_room.set()
        self._held.update(event.id for event in events)
        return events

    async def acknowledge(self, event_ids: Sequence[int], also: Sequence[Operation] = ()) -> None:
        await self._outbox.acknowledge(event_ids, also)
        for event_id in event_ids:
            self._acknowledged.add(event_id)
            self._held.discard(event_id)
            self._forget(event_id)
        if not self._is_away:
            await self._tidy()

    def _forget(self, event_id: int) -> None:
        self._known.discard(event_id)
        message_id = self._message_ids.pop(event_id, None)
        if message_id is not None:
            self._removals.append(message_id)

    def offer(self, events: Sequence[StoredEvent]) -> None:
        # They could not be added to the stream. The outbox has them, in their order.
        self._is_behind = True
        self._woken.set()

    async def is_empty(self) -> bool:
        return not self._held and not await self._outbox.pending((), 1)

    @property
    def held(self) -> int:
        return len(self._held)

    def figures(self) -> Mapping[str, float]:
        return {
            **{f"queue_{name}": count for name, count in self._counts.items()},
            "queue_buffered": len(self._buffer),
            "queue_redis_away": float(self._is_away),
        }

    async def close(self) -> None:
        if self._reading is not None:
            await end(self._reading)
        await self._stream.close()

    # The outbox

    async def _look_in_outbox(self, limit: int) -> None:
        """Put events of the outbox that the stream does not bring into the buffer.

        Raises:
            Unavailable: the store does not answer, and the buffer is empty.
        """
        everything = self._is_behind or self._is_away
        if not everything and monotonic() < self._swept_s + SWEEP_S:
            return
        before = None if everything else first_id_at(self._clock_ms() - OVERDUE_MS)
        self._is_behind = False  # before the read, so that an `offer` during it counts
        try:
            found = await self._outbox.pending(self._known, limit, before)
        except Unavailable:
            self._is_behind = self._is_behind or everything
            if not self._buffer:
                raise
            return
        if len(found) < limit:
            self._swept_s = monotonic()
        else:
            self._is_behind = self._is_behind or everything
        # During the read some may have come by the stream, or been acknowledged.
        fresh = [each for each in found if self._is_new(each.id)]
        self._known.update(each.id for each in fresh)
        self._buffer.extendleft(reversed(fresh))
        self._counts["from_outbox"] += len(fresh)

    def _is_new(self, event_id: int) -> bool:
        return event_id not in self._known and event_id not in self._acknowledged

    # The stream

    async def _read_forever(self) -> None:
        while True:
            await self._has_room.wait()
            try:
                await self._read()
            except FAILURES as error:
                self._has_joined = False
                if is_lost(error):
                    log.warning("the stream was lost; going on from the outbox", error=str(error))
                    continue
                if not self._is_away:
                    log.warning("Redis does not answer; reading the outbox", error=str(error))
                    self._is_away = True
                    self._woken.set()
                await asyncio.sleep(RETRY_S)
            except Exception:  # a fault of ours, for which no event may wait
                log.exception("reading the stream failed")
                await asyncio.sleep(RETRY_S)

    async def _read(self) -> None:
        """Read the stream once; before that join its group and reclaim, where that is due."""
        if not self._has_joined:
            await self._stream.join()
            self._has_joined = self._is_behind = True
            self._woken.set()
        if monotonic() >= self._reclaimed_s + self._reclaim_s:
            async for messages in self._stream.reclaim(self._reclaim_s):
                self._counts["reclaimed"] += await self._admit(messages, reclaimed=True)
            self._reclaimed_s = monotonic()
        # While Redis counts as away, any answer shows that it is back: none waits for an event.
        messages = await self._stream.read(waits=not self._is_away)
        if self._is_away:
            log.info("reading the stream")
            self._is_away = False
            self._is_behind = True
        await self._admit(messages)

    async def _admit(self, messages: Iterable[Message], *, reclaimed: bool = False) -> int:
        """Put new events into the buffer, and have acknowledged ones removed; how many were new."""
        arrived: list[StoredEvent] = []
        doubtful: list[StoredEvent] = []
        # Those of before its own time may have been acknowledged by another consumer.
        sure_from = max(self._first_own_id, first_id_at(self._clock_ms() - OVERDUE_MS))
        for message_id, event in messages:
            if event is None or event.id in self._acknowledged:
                self._removals.append(message_id)
                continue
            self._message_ids[event.id] = message_id
            if event.id not in self._known:
                (doubtful if reclaimed or event.id < sure_from else arrived).append(event)
        arrived += await self._present(doubtful)
        # The outbox may have brought some of them meanwhile.
        fresh = [event for event in arrived if self._is_new(event.id)]
        for event in arrived:
            if event.id in self._acknowledged:
                self._forget(event.id)
        self._known.update(event.id for event in fresh)
        self._buffer.extend(fresh)
        self._counts["from_stream"] += len(fresh)
        if len(self._buffer) >= READ_COUNT:
            self._has_room.clear()
        if fresh:
            self._woken.set()
        return len(fresh)

    async def _present(self, events: Collection[StoredEvent]) -> list[StoredEvent]:
        """Those of the events that the outbox still has; the others are forgotten.

        Waits for as long as the store does not answer.
        """
        while events:
            try:
                present = await self._outbox.present([event.id for event in events])
            except Unavailable:
                await asyncio.sleep(AWAY_POLL_S)
                continue
            for event in events:
                if event.id not in present:
                    self._forget(event.id)
            return [event for event in events if event.id in present]
        return []

    async def _tidy(self) -> None:
        """Remove the messages of acknowledged events from the stream.

        Where Redis fails, they are kept for the next time. Where this process ends before, whoever
        reclaims them looks their events up in the outbox.
        """
        removals = list(self._removals)
        if not removals:
            return
        self._removals.clear()
        try:
            await self._stream.remove(removals)
        except FAILURES as error:
            log.warning("cannot tidy the stream", error=str(error))
            self._removals.extend(removals)
