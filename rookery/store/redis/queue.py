"""A Redis stream as the queue, and the outbox for whatever is not, or no longer, in the stream.

The outbox in the store has every event from its commit to its acknowledgement, and stays the
truth; the stream brings the events sooner, and without a read of the store. So Redis may be
away, be emptied or lose what it had: nothing else is lost with it.
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
"""After so long the messages that a consumer read and did not remove are looked at."""
REMEMBERED = 50_000
MAX_REMOVALS = 50_000


class RedisQueue:
    """`rookery.store.queue.Queue` over a stream with a consumer group.

    One task reads the stream into a buffer. Events from the outbox join them: all there are at
    the start, after an `offer`, and while Redis is away; at other times those that are `OVERDUE_MS`
    old, looked for every `SWEEP_S`, whose announcement was lost (or is still behind many others:
    its copy is then recognised). What comes out of the stream late, or was committed or read in
    the time of a former consumer, is looked up in the outbox first: it may be acknowledged.
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
        self._first_own = first_id_at(clock_ms())
        self._stream = EventStream(settings, consumer)
        self._reclaim_s = reclaim_s

        self._buffer: deque[StoredEvent] = deque()
        self._held: set[int] = set()
        self._known: set[int] = set()  # in the buffer, or held
        self._acknowledged = RecentIds(REMEMBERED)
        self._message_ids: dict[int, bytes] = {}  # of events known that came by the stream
        self._removals: deque[bytes] = deque(maxlen=MAX_REMOVALS)

        self._woken = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._behind = True  # the outbox may have what the stream has not
        self._swept_s = 0.0
        self._is_away = True
        self._joined = False
        self._reclaimed_s = 0.0
        self._reading: asyncio.Task[None] | None = None
        self._counts = {"from_stream": 0.0, "from_outbox": 0.0, "reclaimed": 0.0}

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
            self._room.set()
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
        # Such as could not be added to the stream; the outbox has them in their order.
        self._behind = True
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
        """Put into the buffer what the outbox has and the stream does not bring.

        Raises:
            Unavailable: the store does not answer, and the buffer is empty.
        """
        everything = self._behind or self._is_away
        if not everything and monotonic() < self._swept_s + SWEEP_S:
            return
        before = None if everything else first_id_at(self._clock_ms() - OVERDUE_MS)
        self._behind = False  # before the read, so that an `offer` during it counts
        try:
            found = await self._outbox.pending(self._known, limit, before)
        except Unavailable:
            self._behind = self._behind or everything
            if not self._buffer:
                raise
            return
        if len(found) < limit:
            self._swept_s = monotonic()
        else:
            self._behind = self._behind or everything
        # The stream, and `acknowledge`, went on during the read.
        fresh = [each for each in found if self._is_new(each.id)]
        self._known.update(each.id for each in fresh)
        self._buffer.extendleft(reversed(fresh))
        self._counts["from_outbox"] += len(fresh)

    def _is_new(self, event_id: int) -> bool:
        return event_id not in self._known and event_id not in self._acknowledged

    # The stream

    async def _read_forever(self) -> None:
        while True:
            await self._room.wait()
            try:
                await self._read()
            except FAILURES as error:
                self._joined = False
                if is_lost(error):
                    log.warning("the stream was lost; going on from the outbox", error=str(error))
                    continue
                if not self._is_away:
                    log.warning("Redis does not answer; reading the outbox", error=str(error))
                    self._is_away = True
                    self._woken.set()
                await asyncio.sleep(RETRY_S)
            except Exception:  # whatever it was, events must go on coming
                log.exception("reading the stream failed")
                await asyncio.sleep(RETRY_S)

    async def _read(self) -> None:
        """One read of the stream, and what is due beside it."""
        if not self._joined:
            await self._stream.join()
            self._joined = self._behind = True
            self._woken.set()
        if monotonic() >= self._reclaimed_s + self._reclaim_s:
            async for messages in self._stream.reclaim(self._reclaim_s):
                self._counts["reclaimed"] += await self._admit(messages, reclaimed=True)
            self._reclaimed_s = monotonic()
        # While the outbox serves, an answer matters more than an event.
        messages = await self._stream.read(waits=not self._is_away)
        if self._is_away:
            log.info("reading the stream")
            self._is_away = False
            self._behind = True
        await self._admit(messages)

    async def _admit(self, messages: Iterable[Message], *, reclaimed: bool = False) -> int:
        """Put what is new into the buffer; remove what was acknowledged; how many were new."""
        arrived: list[StoredEvent] = []
        doubtful: list[StoredEvent] = []
        # Those before its own time another consumer may have acknowledged.
        sure_from = max(self._first_own, first_id_at(self._clock_ms() - OVERDUE_MS))
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
            self._room.clear()
        if fresh:
            self._woken.set()
        return len(fresh)

    async def _present(self, events: Collection[StoredEvent]) -> list[StoredEvent]:
        """Those of the events that the outbox has; the others are forgotten.

        Waits for as long as the store is away.
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
        """Remove from the stream what is done.

        Where Redis fails it is kept for the next time; what is lost with this process is found
        when the stream is reclaimed, and looked up in the outbox.
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
