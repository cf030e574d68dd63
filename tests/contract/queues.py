"""What the queue's suite runs over: a store in memory, a real Redis, and consumers that may die."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack

from rookery.config import Redis
from rookery.events.encoding import StoredEvent, encoded
from rookery.events.kinds import TweetPosted
from rookery.events.relay import IDLE_WAIT_S
from rookery.ids import first_id_at
from rookery.store import clock_ms
from rookery.store.engine import WriteBatch
from rookery.store.queue import Announcer, Queue
from rookery.store.queue_outbox import OutboxQueue
from rookery.store.records.outbox import Outbox, adding_stored
from rookery.store.redis.announcer import RedisAnnouncer
from rookery.store.redis.queue import RedisQueue
from tests.servers.redis import RedisServer
from tests.unit.memory_store import MemoryStore

WITHIN_S = 10.0
LIMIT = 100

_numbers = itertools.count(1)


def entries(count: int, age_s: float = 0.0) -> list[StoredEvent]:
    """New entries in the order of their ids, made `age_s` ago."""
    first = first_id_at(clock_ms() - int(age_s * 1000))
    return [
        encoded(
            TweetPosted(
                id=first + next(_numbers),
                tweet_id=number,
                author_id=7,
                conversation_id=number,
                record=b"\x81\x00",
            )
        )
        for number in range(count)
    ]


def ids(taken: Sequence[StoredEvent]) -> list[int]:
    return [entry.id for entry in taken]


class Direct:
    """`Announcer` that offers to the present consumer, as an actor call does."""

    def __init__(self, scene: "Scene") -> None:
        self._scene = scene
        self.count = 0

    def announce(self, entries: Sequence[StoredEvent]) -> None:
        self.count += len(entries)
        self._scene.queue.offer(entries)

    async def close(self) -> None: ...


class Scene:
    """One outbox, who commits to it, and its present consumer `queue`."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self.store = MemoryStore()
        self.outbox = Outbox(self.store)
        self.direct = Direct(self)
        self.announcer: Announcer = self.direct
        self.queue: Queue

    def open(self) -> Queue:
        """Another consumer, which is the present one from now on."""
        self.queue = self._made()
        self._stack.push_async_callback(self.queue.close)
        return self.queue

    def _made(self) -> Queue:
        return OutboxQueue(self.outbox)

    async def store_only(self, added: Sequence[StoredEvent]) -> None:
        """Commit entries and die before they are announced."""
        await self.store.write(WriteBatch(tuple(adding_stored(entry) for entry in added)))

    async def commit(self, added: Sequence[StoredEvent]) -> list[int]:
        """Commit entries, and announce them; their ids."""
        await self.store_only(added)
        self.announcer.announce(added)
        return ids(added)

    async def die(self) -> None:
        """The present consumer ends without a word, and another one takes over."""
        await self.queue.close()
        self.open()

    async def drain(self, count: int, within_s: float = WITHIN_S) -> list[int]:
        """Take until that many came; their ids in the order in which they came.

        Raises:
            AssertionError: they did not in time.
        """
        taken: list[int] = []
        until_s = time.monotonic() + within_s
        while len(taken) < count:
            left_s = until_s - time.monotonic()
            assert left_s > 0, f"{len(taken)} of {count} entries within {within_s} s"
            taken += ids(await self.queue.take(LIMIT, min(left_s, IDLE_WAIT_S)))  # as the relay
        return taken


class RedisScene(Scene):
    """With a stream of its own in a real Redis."""

    def __init__(self, stack: AsyncExitStack, server: RedisServer) -> None:
        super().__init__(stack)
        self.server = server
        self.settings = Redis(url=server.url, prefix=f"test{next(_numbers)}:", timeout_s=0.3)
        self.max_length = 1_000

    def open(self) -> Queue:
        if self.announcer is self.direct:
            self.announcer = RedisAnnouncer(
                self.settings, self.direct, clock_ms, max_length=self.max_length
            )
            self._stack.push_async_callback(self.announcer.close)
        return super().open()

    def _made(self) -> Queue:
        return RedisQueue(
            self.outbox,
            self.settings,
            "consumer",
            clock_ms,
            reclaim_s=0.2,
        )

    async def is_streaming(self, is_away: bool = False) -> None:
        """Wait until the consumer reads the stream, or no longer can."""

        async def is_so() -> bool:
            return self.queue.figures()["queue_redis_away"] == float(is_away)

        await until(is_so)


async def until(condition: Callable[[], Awaitable[object]], within_s: float = WITHIN_S) -> None:
    """Ask again and again until the answer is true.

    Raises:
        AssertionError: it was not in time.
    """
    until_s = time.monotonic() + within_s
    while not await condition():
        assert time.monotonic() < until_s, f"not within {within_s} s: {condition}"
        await asyncio.sleep(0.01)
