"""How much is taken of a body, and bodies that are read while they arrive.

The endpoints that take a stream say so (`StreamBounds`); every other body is held whole.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from rookery.errors import PayloadTooLarge, RookeryError

MAX_BODY_BYTES = 1 << 20
"""What is held of any body; an endpoint takes less (`Endpoint.max_body_bytes`)."""
STREAM_BUFFER_BYTES = 64 << 10
"""So much of a streamed body may wait for its reader; then the client has to wait."""


def too_large(most_bytes: int = MAX_BODY_BYTES) -> PayloadTooLarge:
    """The refusal of a body over `most_bytes`."""
    return PayloadTooLarge(f"The body is larger than {most_bytes} bytes")


@dataclass(frozen=True)
class StreamBounds:
    """How large a streamed body may be, and how long it may take from its head to its end."""

    most_bytes: int
    within_s: float


def _nothing() -> None:
    return None


class BodyStream:
    """A body that is read while it arrives: an async iterator of chunks, for one reader.

    A chunk has the bytes that arrived since the last one. Iterating raises the error of a body that
    is too large, too slow, malformed or cut off; the chunks before it were good.
    """

    __slots__ = ("_chunks", "_fault", "_on_wanted", "_waiter", "buffered_bytes", "is_complete")

    def __init__(self, on_wanted: Callable[[], None] = _nothing) -> None:
        """`on_wanted` is called when the reader asks, and nothing or little is left to give."""
        self._chunks: list[bytes] = []
        self._fault: RookeryError | None = None
        self._on_wanted = on_wanted
        self._waiter: asyncio.Future[None] | None = None
        self.buffered_bytes = 0
        self.is_complete = False
        """Whether all of the body has arrived; the reader may still have to take it."""

    # The connection's side.

    @property
    def is_full(self) -> bool:
        return self.buffered_bytes >= STREAM_BUFFER_BYTES

    def feed(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self.buffered_bytes += len(chunk)
        self._wake()

    def finish(self) -> None:
        """The body has arrived whole."""
        self.is_complete = True
        self._wake()

    def fail(self, fault: RookeryError) -> None:
        """Nothing more will arrive: the reader gets `fault` after what has arrived."""
        if not self.is_complete and self._fault is None:
            self._fault = fault
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # The reader's side.

    def __aiter__(self) -> "BodyStream":
        return self

    async def __anext__(self) -> bytes:
        while not self._chunks:
            if self._fault is not None:
                raise self._fault
            if self.is_complete:
                raise StopAsyncIteration
            self._on_wanted()
            if not self._chunks and self._fault is None and not self.is_complete:
                self._waiter = asyncio.get_running_loop().create_future()
                try:
                    await self._waiter
                finally:
                    self._waiter = None
        chunk = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        self.buffered_bytes = 0
        if not self.is_complete:
            self._on_wanted()
        return chunk


def empty_stream() -> BodyStream:
    """The stream of a request without a body."""
    stream = BodyStream()
    stream.finish()
    return stream
