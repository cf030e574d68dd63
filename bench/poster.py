"""Posts at a steady rate, whatever the answers take: a child process.

The rate is open: each post has its moment, and its time counts from there, so that a server that
falls behind cannot slow down what it is asked (no coordinated omission).
"""

import asyncio
from collections import deque
from contextlib import suppress
from time import monotonic
from typing import cast

import msgspec
import uvloop

from bench import children

CONNECTIONS = 64
DRAIN_S = 20.0
ID_FIELD = b'"tweetId":"'


class Job(msgspec.Struct, kw_only=True):
    """Send `requests` in turn, `rate` a second, for `seconds`."""

    port: int
    requests: list[bytes]
    rate: float
    seconds: float


class Posted(msgspec.Struct, kw_only=True):
    """`tweets` are (tweet id, `time.monotonic` at which it was due, ms until its answer)."""

    tweets: list[tuple[str, float, float]]
    refused: int


class _Poster:
    def __init__(self) -> None:
        self.idle: deque[_Connection] = deque()
        self.waiting: deque[tuple[bytes, float]] = deque()
        self.tweets: list[tuple[str, float, float]] = []
        self.refused = 0
        self.under_way = 0
        self.idle_again = asyncio.Event()

    def post(self, request: bytes, due_s: float) -> None:
        self.under_way += 1
        self.idle_again.clear()
        if self.idle:
            self.idle.popleft().send(request, due_s)
        else:
            self.waiting.append((request, due_s))

    def answered(self, connection: "_Connection", head: bytes, due_s: float) -> None:
        self.under_way -= 1
        at = head.find(ID_FIELD) + len(ID_FIELD)
        if head.startswith(b"HTTP/1.1 201 ") and at >= len(ID_FIELD):
            tweet_id = head[at : head.find(b'"', at)].decode()
            self.tweets.append((tweet_id, due_s, (monotonic() - due_s) * 1000))
        else:
            self.refused += 1
        if self.waiting:
            connection.send(*self.waiting.popleft())
        else:
            self.idle.append(connection)
        if not self.under_way:
            self.idle_again.set()


class _Connection(asyncio.Protocol):
    def __init__(self, poster: _Poster) -> None:
        self._poster = poster
        self._buffer = b""
        self._due_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def send(self, request: bytes, due_s: float) -> None:
        self._due_s = due_s
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data
        end = data.find(b"\r\n\r\n")
        at = data.find(b"Content-Length: ") + 16
        if end < 0 or len(data) < end + 4 + int(data[at : data.find(b"\r", at)]):
            self._buffer = data
            return
        self._buffer = b""
        self._poster.answered(self, data, self._due_s)


async def _post(job: Job) -> Posted:
    loop = asyncio.get_running_loop()
    poster = _Poster()
    for _ in range(CONNECTIONS):
        _, made = await loop.create_connection(lambda: _Connection(poster), "127.0.0.1", job.port)
        poster.idle.append(made)
    began_s = monotonic()
    for number in range(int(job.rate * job.seconds)):
        due_s = began_s + number / job.rate
        await asyncio.sleep(max(0.0, due_s - monotonic()))
        poster.post(job.requests[number % len(job.requests)], due_s)
    with suppress(TimeoutError):
        await asyncio.wait_for(poster.idle_again.wait(), DRAIN_S)
    return Posted(tweets=poster.tweets, refused=poster.refused + poster.under_way)


async def run(job: Job) -> Posted:
    """Run the job in a process of its own."""
    return await children.run("bench.poster", job, Posted, job.seconds + DRAIN_S + 30)


if __name__ == "__main__":
    children.tell(uvloop.run(_post(children.job(Job))))
