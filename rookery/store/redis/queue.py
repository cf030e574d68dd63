"""A Redis stream as the queue, and the outbox for whatever is not, or no longer, in the stream.

The outbox in the store has every entry from its commit to its acknowledgement, and stays the
truth; the stream brings the entries sooner, and without a read of the store. So Redis may be
away, be emptied or lose what it had: nothing else is lost with it.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any

import msgspec
import structlog
from redis.exceptions import ResponseError

from rookery.config import Redis
from rookery.domain.delivered import RecentIds
from rookery.errors import Unavailable
from rookery.events.encoding import StoredEvent
from rookery.ids import first_id_at
from rookery.store.records.outbox import Outbox
from rookery.store.redis.connection import FAILURES, connect, end
from rookery.store.redis.names import ENTRY_FIELD, GROUP, REASON_FIELD, dead_key, stream_key

log = structlog.get_logger(__name__)

Message = tuple[bytes | None, dict[bytes, bytes]]
"""A stream's id and the fields."""

READ_COUNT = 500
BLOCK_S = 1.0
"""How long Redis waits for the first entry of a read."""
RETRY_S = 0.5
"""Seconds between two attempts to reach a Redis that is away."""
AWAY_POLL_S = 0.2
"""Seconds between two looks into the outbox while Redis is away and nothing is offered."""
SWEEP_S = 1.0
OVERDUE_MS = 2_000
"""Age at which an entry of the outbox should have come through the stream."""
RECLAIM_S = 5.0
"""After so long the stream's entries that a consumer read and did not remove are looked at."""
MAX_FAILURES = 5
"""Failed deliveries of an entry alone, after which it is put aside."""
REMEMBERED = 50_000
MAX_REMOVALS = 50_000

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(StoredEvent)


class RedisQueue:
    """`rookery.store.queue.Queue` over a stream with a consumer group.

    One task reads the stream into a buffer. Entries from the outbox join them: all there are at
    the start, after an `offer`, and while Redis is away; at other times those that are `OVERDUE_MS`
    old, looked for every `SWEEP_S`, whose announcement was lost (or is still behind many others:
    its copy is then recognised). What comes out of the stream late, or was committed or read in
    the time of a former consumer, is looked up in the outbox first: it may be acknowledged.

    Dead letters: entries whose delivery failed with a `fault` are handed out alone from then on;
    one that failed alone `max_failures` times is put aside, with the reason, into a stream of its
    own. It stays in the outbox, so it is not lost and `is_empty` is false, but blocks nothing.
    `requeue_dead` has it delivered again; so has the loss of that stream.
    """

    def __init__(
        self,
        outbox: Outbox,
        settings: Redis,
        consumer: str,
        clock_ms: Callable[[], int],
        *,
        max_failures: int = MAX_FAILURES,
        reclaim_s: float = RECLAIM_S,
    ) -> None:
        self._outbox = outbox
        self._consumer = consumer
        self._clock_ms = clock_ms
        self._first_own = first_id_at(clock_ms())
        self._max_failures = max_failures
        self._reclaim_s = reclaim_s
        self._key = stream_key(settings)
        self._dead_key = dead_key(settings)
        self._client = connect(settings, blocks_s=BLOCK_S)
        self._commands = connect(settings)

        self._buffer: deque[StoredEvent] = deque()
        self._held: dict[int, StoredEvent] = {}
        self._known: set[int] = set()  # ids in the buffer, held, or put aside
        self._acknowledged = RecentIds(REMEMBERED)
        self._failures: dict[int, int] = {}  # ids to be handed out alone: failures alone
        self._dead: set[int] = set()
        self._message_ids: dict[int, bytes] = {}  # of entries known, where they came by stream
        self._removals: deque[bytes] = deque(maxlen=MAX_REMOVALS)
        self._burials: list[tuple[StoredEvent, str]] = []

        self._woken = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._behind = True  # the outbox may have what the stream has not
        self._swept_s = 0.0
        self._is_away = True
        self._joined = False
        self._reclaimed_s = 0.0
        self._attempted = asyncio.Event()  # to reach Redis, whatever came of it
        self._tidying = asyncio.Lock()
        self._reading: asyncio.Task[None] | None = None
        self._counts = {"from_stream": 0.0, "from_outbox": 0.0, "reclaimed": 0.0}

    # The consumer's side

    async def take(self, limit: int, wait_s: float) -> list[StoredEvent]:
        if self._reading is None:
            self._reading = asyncio.get_running_loop().create_task(self._read_forever())
            await self._attempted.wait()  # else what was put aside would be tried again
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
        entries: list[StoredEvent] = []
        while self._buffer and len(entries) < limit:
            is_alone = self._buffer[0].id in self._failures
            if is_alone and entries:
                break
            entries.append(self._buffer.popleft())
            if is_alone:
                break
        if len(self._buffer) < READ_COUNT:
            self._room.set()
        self._held.update((entry.id, entry) for entry in entries)
        return entries

    async def acknowledge(self, entry_ids: Sequence[int]) -> None:
        await self._outbox.acknowledge(entry_ids)
        for entry_id in entry_ids:
            self._acknowledged.add(entry_id)
            self._held.pop(entry_id, None)
            self._forget(entry_id)
        if not self._is_away:
            await self._tidy()

    def _forget(self, entry_id: int) -> None:
        self._known.discard(entry_id)
        self._failures.pop(entry_id, None)
        message_id = self._message_ids.pop(entry_id, None)
        if message_id is not None:
            self._removals.append(message_id)

    def release(self, entry_ids: Sequence[int], fault: Exception | None = None) -> None:
        entries = [self._held.pop(each) for each in entry_ids if each in self._held]
        if fault is not None:
            for entry in entries:
                if len(entries) > 1:
                    self._failures.setdefault(entry.id, 0)
                else:
                    self._failures[entry.id] = self._failures.get(entry.id, 0) + 1
                    if self._failures[entry.id] >= self._max_failures:
                        self._put_aside(entry, fault)
                        return
        self._buffer.extendleft(reversed(entries))
        self._woken.set()

    def _put_aside(self, entry: StoredEvent, fault: Exception) -> None:
        log.error(
            "an entry cannot be delivered and is put aside; remove the cause, then requeue it",
            entry=entry.id,
            failures=self._failures[entry.id],
            reason=repr(fault),
        )
        self._forget(entry.id)
        self._dead.add(entry.id)
        self._known.add(entry.id)
        self._burials.append((entry, repr(fault)))

    async def requeue_dead(self) -> int:
        """See `Queue.requeue_dead`.

        Raises:
            Unavailable: Redis, which knows what was put aside, does not answer.
        """
        async with self._tidying:
            try:
                await self._commands.delete(self._dead_key)
            except FAILURES as error:
                raise Unavailable("Redis does not answer; requeue again when it does") from error
            dead, self._dead = self._dead, set()
            self._burials.clear()
        self._known -= dead
        self._wake()
        return len(dead)

    def offer(self, entries: Sequence[StoredEvent]) -> None:
        # Such as could not be added to the stream; the outbox has them in their order.
        self._wake()

    def _wake(self) -> None:
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
            "queue_dead": len(self._dead),
            "queue_redis_away": float(self._is_away),
        }

    async def close(self) -> None:
        if self._reading is not None:
            await end(self._reading)
        await self._client.aclose()
        await self._commands.aclose()

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

    def _is_new(self, entry_id: int) -> bool:
        return entry_id not in self._known and entry_id not in self._acknowledged

    # The stream

    async def _read_forever(self) -> None:
        while True:
            await self._room.wait()
            try:
                await self._read()
            except FAILURES as error:
                self._joined = False
                self._attempted.set()
                if isinstance(error, ResponseError) and _is_group_gone(error):
                    log.warning("the stream was lost; going on from the outbox", error=str(error))
                    continue
                if not self._is_away:
                    log.warning("Redis does not answer; reading the outbox", error=str(error))
                    self._is_away = True
                    self._woken.set()
                await asyncio.sleep(RETRY_S)
            except Exception:  # whatever it was, entries must go on coming
                log.exception("reading the stream failed")
                self._attempted.set()
                await asyncio.sleep(RETRY_S)

    async def _read(self) -> None:
        """One read of the stream, and what is due beside it."""
        if not self._joined:
            await self._join()
        if monotonic() >= self._reclaimed_s + self._reclaim_s:
            await self._reclaim()
            self._reclaimed_s = monotonic()
        reply: Any = await self._client.xreadgroup(
            GROUP,
            self._consumer,
            {self._key: ">"},
            count=READ_COUNT,
            # While the outbox serves, an answer matters more than an entry.
            block=None if self._is_away else int(BLOCK_S * 1000),
        )
        if self._is_away:
            log.info("reading the stream")
            self._is_away = False
            self._behind = True
        for _, messages in reply or ():
            await self._admit(messages)
        if self._burials:
            await self._tidy()

    async def _join(self) -> None:
        """Make the group where it is missing, and learn what was put aside."""
        try:
            await self._client.xgroup_create(self._key, GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise
        dead: Any = await self._client.xrange(self._dead_key)
        listed = {entry.id for _, fields in dead if (entry := _decoded(fields)) is not None}
        unlisted = self._dead - listed - {entry.id for entry, _ in self._burials}
        # A stream of dead letters that was lost: they are tried again.
        self._known = (self._known - unlisted) | {each for each in listed if self._is_new(each)}
        self._dead = (self._dead - unlisted) | listed - self._held.keys()
        self._joined = True
        self._attempted.set()
        self._behind = True
        self._woken.set()

    async def _reclaim(self) -> None:
        """Take over what a consumer read and did not remove: it died, or its removal failed."""
        start: Any = "0-0"
        while True:
            reply: Any = await self._client.xautoclaim(
                self._key,
                GROUP,
                self._consumer,
                min_idle_time=int(self._reclaim_s * 1000),
                start_id=start,
                count=READ_COUNT,
            )
            start, messages = reply[:2]
            self._counts["reclaimed"] += await self._admit(messages, reclaimed=True)
            if start == b"0-0":
                return

    async def _admit(self, messages: Iterable[Message], *, reclaimed: bool = False) -> int:
        """Put what is new into the buffer; remove what was acknowledged; how many were new."""
        arrived: list[StoredEvent] = []
        doubtful: list[StoredEvent] = []
        # Those before its own time another consumer may have acknowledged.
        sure_from = max(self._first_own, first_id_at(self._clock_ms() - OVERDUE_MS))
        for message_id, fields in messages:
            if message_id is None:  # how Redis 6 shows what was removed
                continue
            entry = _decoded(fields)
            if entry is None or entry.id in self._acknowledged or entry.id in self._dead:
                self._removals.append(message_id)
                continue
            self._message_ids[entry.id] = message_id
            if entry.id not in self._known:
                (doubtful if reclaimed or entry.id < sure_from else arrived).append(entry)
        if doubtful:
            present = await self._present([entry.id for entry in doubtful])
            for entry in doubtful:
                if entry.id in present:
                    arrived.append(entry)
                else:
                    self._forget(entry.id)
        # The outbox may have brought some of them meanwhile.
        fresh = [entry for entry in arrived if self._is_new(entry.id)]
        for entry in arrived:
            if entry.id in self._acknowledged:
                self._forget(entry.id)
        self._known.update(entry.id for entry in fresh)
        self._buffer.extend(fresh)
        self._counts["from_stream"] += len(fresh)
        if len(self._buffer) >= READ_COUNT:
            self._room.clear()
        if fresh:
            self._woken.set()
        return len(fresh)

    async def _present(self, entry_ids: Collection[int]) -> set[int]:
        """Which of these the outbox has; waits for as long as the store is away."""
        while True:
            try:
                return await self._outbox.present(entry_ids)
            except Unavailable:
                await asyncio.sleep(AWAY_POLL_S)

    async def _tidy(self) -> None:
        """Remove from the stream what is done, and write down what was put aside.

        Where Redis fails, both are kept for the next time; what is lost with this process is
        found by `_reclaim`, and is tried again.
        """
        async with self._tidying:
            removals, burials = list(self._removals), list(self._burials)
            if not removals and not burials:
                return
            self._removals.clear()
            self._burials.clear()
            try:
                await self._remove(removals, burials)
            except FAILURES as error:
                log.warning("cannot tidy the stream", error=str(error))
                self._removals.extend(removals)
                self._burials += burials

    async def _remove(
        self, removals: Sequence[bytes], burials: Sequence[tuple[StoredEvent, str]]
    ) -> None:
        pipeline = self._commands.pipeline(transaction=False)
        if removals:
            pipeline.xack(self._key, GROUP, *removals)
            pipeline.xdel(self._key, *removals)
        for entry, reason in burials:
            fields: Any = {ENTRY_FIELD: _encoder.encode(entry), REASON_FIELD: reason}
            pipeline.xadd(self._dead_key, fields)
        await pipeline.execute()


def _decoded(fields: Mapping[bytes, bytes]) -> StoredEvent | None:
    """The entry of a message; None if it is none (deleted meanwhile, or not ours)."""
    try:
        return _decoder.decode(fields[ENTRY_FIELD])
    except (KeyError, TypeError, msgspec.MsgspecError):
        return None


def _is_group_gone(error: ResponseError) -> bool:
    """Whether an error says that the stream, or its group, is no longer there."""
    return str(error).startswith(("NOGROUP", "UNBLOCKED"))
