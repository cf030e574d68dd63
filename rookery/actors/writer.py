"""How every process writes to the store, and an embedded store's single writer as an actor.

SQLite is written by one process, which the others send their batches to; MongoDB by each itself.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from math import inf
from time import monotonic
from typing import ClassVar

import msgspec
import structlog

from rookery.actors import names
from rookery.actors.announcing import announcer
from rookery.actors.coalescer import Coalescer
from rookery.actors.runtime import Actor, ActorContext, Directory, Stage
from rookery.config import Config
from rookery.errors import RookeryError, StoreUnavailable
from rookery.events.encoding import StoredEvent
from rookery.store import clock_ms, open_sole_writer, open_writer
from rookery.store.engine import Insert, SoleWriter, WriteBatch
from rookery.store.records.outbox import stored_event
from rookery.store.schema import OUTBOX

log = structlog.get_logger(__name__)

SWEEP_PERIOD_S = 60.0
ANNOUNCED_WITHIN_S = 1.0
WAITING_S = 1.0
"""So long a batch may wait for the transaction before its own, which has a limit itself."""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[WriteBatch])


def group_writer(directory: Directory, config: Config) -> "RemoteWriter | LocalWriter":
    """The configured store's writer for this process."""
    return RemoteWriter(directory) if config.has_store_writer else LocalWriter(directory, config)


def committed_events(
    batches: Sequence[WriteBatch], outcomes: Iterable[Exception | None]
) -> list[StoredEvent]:
    """The events of batches that took effect."""
    return [
        stored_event(operation.document)
        for batch, outcome in zip(batches, outcomes, strict=True)
        if outcome is None
        for operation in batch.operations
        if isinstance(operation, Insert) and operation.collection == OUTBOX.name
    ]


class StoreWriter(Actor):
    """Commits everyone's writes to an embedded store, many callers' in one commit.

    Durable: what `write` answered without an error. Rebuilt: nothing is kept. Callers may not
    retry a write whose outcome is unknown unless the batch itself makes it safe (an `Insert`, or
    an `Expect`).

    Its stop commits what waits and folds the write-ahead log into the file, so that the file alone
    is the whole store; if that fails the stop fails, and nothing is lost: the log stays.
    """

    stage: ClassVar[Stage] = Stage.STORE
    stop_s: ClassVar[float] = 8.0

    def __init__(self, context: ActorContext, config: Config) -> None:
        super().__init__(context)
        self._config = config
        self._announcer = announcer(context.directory, config)
        self._writer: SoleWriter | None = None

    async def start(self) -> None:
        opening = asyncio.ensure_future(asyncio.to_thread(open_sole_writer, self._config))
        try:
            self._writer = await asyncio.shield(opening)
        except asyncio.CancelledError:
            await (await opening).close()  # a thread cannot be broken off
            raise
        self.spawn(self._sweep_expired())

    async def stop(self) -> None:
        try:
            await super().stop()
            async with asyncio.timeout(ANNOUNCED_WITHIN_S):
                await self._announcer.close()
        except TimeoutError:
            pass  # the worker finds the events in the outbox
        finally:
            if self._writer is not None:
                await self._writer.close()
        if self._writer is not None and not self._writer.is_folded:
            raise StoreUnavailable(
                "the write-ahead log could not be folded into the store's file: keep both together"
            )

    @property
    def _open(self) -> SoleWriter:
        assert self._writer is not None, "start() comes first"
        return self._writer

    async def write(self, payload: bytes) -> list[Exception | None]:
        """Commit batches (a MessagePack list of `WriteBatch`); the outcome of each, in order."""
        batches = _decoder.decode(payload)
        outcomes = await self._open.write_many(batches)
        if events := committed_events(batches, outcomes):
            self._announcer.announce(events)
        return outcomes

    async def _sweep_expired(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_PERIOD_S)
            try:
                await self._open.sweep(clock_ms())
            except RookeryError as error:  # The next one finds what this one has left.
                log.warning("what has expired was not removed", error=str(error))

    def figures(self) -> Mapping[str, float]:
        return {f"store_{name}": value for name, value in self._open.figures().items()}


def _has_refusal(outcomes: Iterable[Exception | None]) -> bool:
    return any(isinstance(outcome, StoreUnavailable) for outcome in outcomes)


class RemoteWriter:
    """`GroupWriter` over the `StoreWriter` actor."""

    def __init__(self, directory: Directory) -> None:
        self.refused_s = -inf
        """When the store last refused a write, by the monotonic clock."""
        self._ref = directory.ref(names.STORE_WRITER)
        self._batches: Coalescer[WriteBatch, None] = Coalescer(
            self._write, name="store_write", max_batch=500, max_pending=5_000
        )

    async def _write(self, batches: list[WriteBatch]) -> list[Exception | None]:
        outcomes: list[Exception | None] = await self._ref.call("write", _encoder.encode(batches))
        if _has_refusal(outcomes):
            self.refused_s = monotonic()
        return outcomes

    async def write(self, batch: WriteBatch) -> None:
        await self._batches.submit(batch)

    async def close(self) -> None:
        await self._batches.aclose()

    def figures(self) -> Mapping[str, float]:
        return self._batches.figures()


class LocalWriter:
    """`GroupWriter` that commits in this process: what comes during a commit is in the next one."""

    def __init__(self, directory: Directory, config: Config) -> None:
        self.refused_s = -inf
        """As `RemoteWriter.refused_s`."""
        self._writer = open_writer(config)
        self._announcer = announcer(directory, config)
        self._batches: Coalescer[WriteBatch, None] = Coalescer(
            self._write,
            name="store_write",
            max_batch=500,
            max_pending=5_000,
            deadline_s=config.store.timeout_s + WAITING_S,
        )

    async def _write(self, batches: list[WriteBatch]) -> list[Exception | None]:
        outcomes = await self._writer.write_many(batches)
        if events := committed_events(batches, outcomes):
            self._announcer.announce(events)
        if _has_refusal(outcomes):
            self.refused_s = monotonic()
        return outcomes

    async def write(self, batch: WriteBatch) -> None:
        await self._batches.submit(batch)

    async def close(self) -> None:
        await self._batches.aclose()
        await self._announcer.close()
        await self._writer.close()

    def figures(self) -> Mapping[str, float]:
        return {**self._batches.figures(), **self._writer.figures()}
