"""A TCP proxy that refuses connections, or holds them without a word, when it is told to."""

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self

CHUNK_BYTES = 65_536


class Proxy:
    """Passes connections on to `target_port` of this machine. An async context manager.

    `refused` counts connections that were turned away or broken off, `held_bytes` what did not
    get through while it hung.
    """

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._open = asyncio.Event()
        self._open.set()
        self._refuses = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.refused = 0
        self.held_bytes = 0
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def refuse(self) -> None:
        """Break off all connections, and each new one."""
        self._refuses = True
        self.refused += len(self._writers) // 2
        for writer in self._writers:
            writer.transport.abort()

    def hang(self) -> None:
        """Let nothing through, in either direction, and keep the connections."""
        self._open.clear()

    def restore(self) -> None:
        """Pass everything on again, what was held included."""
        self._refuses = False
        self._open.set()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if self._refuses:
                self.refused += 1
                writer.transport.abort()
                return
            with suppress(OSError):
                await self._pass_on(reader, writer)
        except asyncio.CancelledError:
            writer.transport.abort()  # the end of the proxy; asyncio would report it as an error
        finally:
            self._tasks.discard(task)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            writer.transport.abort()
            raise
        ends = {writer, there[1]}
        self._writers |= ends
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._copy(reader, there[1]))
                group.create_task(self._copy(there[0], writer))
        except BaseExceptionGroup as broken:
            if broken.subgroup(OSError) is None:
                raise
        finally:
            self._writers -= ends
            for each in ends:
                each.transport.abort()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK_BYTES):
            if not self._open.is_set():
                self.held_bytes += len(data)
                await self._open.wait()
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError  # one end has closed: so does the other
