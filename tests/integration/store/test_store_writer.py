"""The store's writer as an actor."""

import asyncio
from pathlib import Path

import pytest

from rookery.actors import writer
from rookery.actors.runtime import ActorSpec
from rookery.actors.runtime_inline import InlineRuntime
from rookery.actors.writer import StoreWriter
from rookery.config import Config, Server
from rookery.errors import StoreUnavailable
from rookery.store.sqlite import SqliteWriter


async def test_a_sweep_that_is_refused_is_not_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has expired is removed as soon as the disk has room again."""
    monkeypatch.setattr(writer, "SWEEP_PERIOD_S", 0.001)
    swept = asyncio.Event()
    tries = 0

    async def sweep(self: SqliteWriter, now_ms: int) -> int:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise StoreUnavailable("disk full")
        swept.set()
        return 0

    monkeypatch.setattr(SqliteWriter, "sweep", sweep)
    runtime = InlineRuntime()
    config = Config(server=Server(data_dir=str(tmp_path / "data"), runtime="inline"))
    await runtime.start(ActorSpec("StoreWriter", StoreWriter, (config,)))
    try:
        await asyncio.wait_for(swept.wait(), 10)
    finally:
        await runtime.stop()
