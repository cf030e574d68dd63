"""The store's single writer, as an actor, and the `Writer` by which others reach it."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import msgspec

from rookery.actors import names
from rookery.actors.coalescer import Coalescer
from rookery.actors.runtime import Actor, ActorContext, Directory
from rookery.store import clock_ms, open_writer
from rookery.store.engine import Insert, WriteBatch
from rookery.store.schema import OUTBOX
from rookery.store.sqlite import SqliteWriter

SWEEP_PERIOD_S = 60.0

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[WriteBatch])


class StoreWriter(Actor):
    """Commits everyone's writes to SQLite, many callers' in one commit.

    Durable: what `write` answered without an error. Rebuilt: nothing is kept. Callers may not
    retry a write whose outcome is unknown unless the batch itself makes it safe (an `Insert`, or
    an `Expect`).
    """

    def __init__(self, context: ActorContext, data_dir: str) -> None:
        super().__init__(context)
        self._data_dir = Path(data_dir)
        self._outbox_commits = 0
        self._outbox_grew = asyncio.Event()
        self._writer: SqliteWriter | None = None

    async def start(self) -> None:
        self._writer = await asyncio.to_thread(open_writer, self._data_dir)
        self.spawn(self._sweep_expired())

    async def stop(self) -> None:
        await super().stop()
        if self._writer is not None:
            await self._writer.close()

    @property
    def _open(self) -> SqliteWriter:
        assert self._writer is not None, "start() comes first"
        return self._writer

    async def write(self, payload: bytes) -> list[Exception | None]:
        """Commit batches (a MessagePack list of `WriteBatch`); the outcome of each, in order."""
        batches = _decoder.decode(payload)
        outcomes = await self._open.write_many(batches)
        for batch, outcome in zip(batches, outcomes, strict=True):
            if outcome is None and any(
                isinstance(op, Insert) and op.collection == OUTBOX.name for op in batch.operations
            ):
                self._outbox_commits += 1
                self._outbox_grew.set()
                self._outbox_grew = asyncio.Event()
                break
        return outcomes

    async def wait_outbox(self, seen: int, wait_s: float) -> int:
        """The number of commits that added to the outbox, once it differs from `seen`.

        Returns the same number after `wait_s` without one. Numbers start anew after a restart.
        """
        if self._outbox_commits == seen:
            try:
                await asyncio.wait_for(self._outbox_grew.wait(), wait_s)
            except TimeoutError:
                pass
        return self._outbox_commits

    async def _sweep_expired(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_PERIOD_S)
            await self._open.sweep(clock_ms())

    def figures(self) -> Mapping[str, float]:
        return {f"store_{name}": value for name, value in self._open.figures().items()}


class RemoteWriter:
    """`rookery.store.engine.Writer` over the `StoreWriter` actor. One per process."""

    def __init__(self, directory: Directory) -> None:
        self._ref = directory.ref(names.STORE_WRITER)
        self._batches: Coalescer[WriteBatch, None] = Coalescer(
            self._write, name="store_write", max_batch=500, max_pending=5_000
        )

    async def _write(self, batches: list[WriteBatch]) -> list[Exception | None]:
        outcomes: list[Exception | None] = await self._ref.call("write", _encoder.encode(batches))
        return outcomes

    async def write(self, batch: WriteBatch) -> None:
        await self._batches.submit(batch)

    async def close(self) -> None:
        await self._batches.aclose()

    def figures(self) -> Mapping[str, float]:
        return self._batches.figures()
