"""The load generator: a child process that keeps so many HTTP connections busy.

As cheap as it can be, since it shares the machine with the server: requests are bytes made before,
of a response only the status and the length are read. Some whole bodies are kept, for the parent
to check afterwards.
"""

import asyncio
from array import array
from time import perf_counter, process_time
from typing import cast

import msgspec
import uvloop

from bench import children
from bench.report import percentile

GIVE_UP_S = 30.0


class Job(msgspec.Struct, kw_only=True):
    """`connections` send `requests` in turn, one after another each, for `warm_up_s` and then
    `seconds`; every one is expected to be answered with `status`. `requests_max` ends it earlier.
    """

    port: int
    requests: list[bytes]
    connections: int
    status: int = 200
    warm_up_s: float = 1.0
    seconds: float = 5.0
    requests_max: int = 1 << 62
    keep_bodies: int = 200


class Outcome(msgspec.Struct, kw_only=True):
    """`rate` a second, and times in ms, of what was answered as expected while measuring.

    `cpu_us_each` is the generator's own processor time for each. `answered` counts the whole run,
    warm-up included; `refused` the other statuses by their code. `bodies` are (number of the
    request, body), kept from all over the run.
    """

    rate: float
    answered: int
    refused: dict[str, int]
    p50_ms: float
    p95_ms: float
    p99_ms: float
    cpu_us_each: float
    bodies: list[tuple[int, bytes]]


class _Generator:
    """What the connections share."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.expected = b"HTTP/1.1 %d " % job.status
        self.next = 0
        self.sent = 0
        self.answered = 0
        self.refused: dict[str, int] = {}
        self.times_s = array("d")
        self.began_s = self.ends_s = float("inf")
        self.bodies: list[tuple[int, bytes]] = []
        self.keep_every = 1
        self.busy = job.connections
        self.idle = asyncio.Event()
        self.error: Exception | None = None

    def take(self) -> int:
        """The number of the next request; -1 if there is none."""
        if perf_counter() >= self.ends_s or self.sent >= self.job.requests_max:
            self.ended()
            return -1
        self.sent += 1
        number = self.next
        self.next = number + 1 if number + 1 < len(self.job.requests) else 0
        return number

    def ended(self, error: Exception | None = None) -> None:
        self.error = self.error or error
        self.busy -= 1
        if self.busy == 0 or error is not None:
            self.idle.set()

    def keep(self, number: int, body: bytes) -> None:
        """Keep a body; later ones ever more rarely, so that they come from the whole run."""
        self.bodies.append((number, body))
        if len(self.bodies) > self.job.keep_bodies:
            self.bodies = self.bodies[::2]
            self.keep_every *= 2


class _Connection(asyncio.Protocol):
    """One keep-alive connection with one request under way."""

    def __init__(self, generator: _Generator) -> None:
        self._generator = generator
        self._requests = generator.job.requests
        self._number = -1
        self._is_expected = True
        self._sent_s = 0.0
        self._head = b""
        self._left = 0
        self._parts: list[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def send(self) -> None:
        self._number = number = self._generator.take()
        if number < 0:
            return
        self._sent_s = perf_counter()
        self._transport.write(self._requests[number])

    def data_received(self, data: bytes) -> None:
        if self._left:
            self._left -= len(data)
            if self._parts is not None:
                self._parts.append(data)
        else:
            if self._head:
                data = self._head + data
                self._head = b""
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._head = data
                return
            self._begin(data, end + 4)
        if self._left == 0:
            self._finish()
        elif self._left < 0:
            self._generator.ended(RuntimeError("more bytes than announced"))

    def _begin(self, data: bytes, body_at: int) -> None:
        generator = self._generator
        at = data.find(b"Content-Length: ", 0, body_at) + 16
        if at < 16:
            raise RuntimeError(f"a response without Content-Length: {data[:body_at]!r}")
        self._left = int(data[at : data.find(b"\r", at)]) - len(data) + body_at
        self._is_expected = data.startswith(generator.expected)
        if not self._is_expected:
            code = data[9:12].decode()
            generator.refused[code] = generator.refused.get(code, 0) + 1
        elif generator.answered % generator.keep_every == 0:
            self._parts = [data[body_at:]]

    def _finish(self) -> None:
        generator = self._generator
        if self._is_expected:
            now_s = perf_counter()
            generator.answered += 1
            if generator.began_s <= now_s < generator.ends_s:
                generator.times_s.append(now_s - self._sent_s)
            if self._parts is not None:
                generator.keep(self._number, b"".join(self._parts))
                self._parts = None
        self.send()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._number >= 0:
            self._generator.ended(exc or RuntimeError("the server closed a connection"))


async def generate(job: Job) -> Outcome:
    """Run the job.

    Raises:
        RuntimeError: a connection broke, or nothing came for `GIVE_UP_S`.
    """
    loop = asyncio.get_running_loop()
    generator = _Generator(job)
    connections = []
    for _ in range(job.connections):
        _, made = await loop.create_connection(
            lambda: _Connection(generator), "127.0.0.1", job.port
        )
        connections.append(made)
    generator.began_s = perf_counter() + job.warm_up_s
    generator.ends_s = generator.began_s + job.seconds
    cpu_s = process_time()
    for each in connections:
        each.send()
    await asyncio.wait_for(generator.idle.wait(), job.warm_up_s + job.seconds + GIVE_UP_S)
    if generator.error is not None:
        raise RuntimeError(f"the load broke off: {generator.error!r}")
    times_ms = [each * 1000 for each in generator.times_s]
    if not times_ms:
        raise RuntimeError(f"nothing was answered as expected; refused: {generator.refused}")
    return Outcome(
        rate=len(times_ms) / (min(perf_counter(), generator.ends_s) - generator.began_s),
        answered=generator.answered,
        refused=generator.refused,
        p50_ms=percentile(times_ms, 50),
        p95_ms=percentile(times_ms, 95),
        p99_ms=percentile(times_ms, 99),
        cpu_us_each=(process_time() - cpu_s) / generator.answered * 1e6,
        bodies=generator.bodies,
    )


async def run(job: Job) -> Outcome:
    """Run the job in a process of its own."""
    return await children.run("bench.load", job, Outcome, job.warm_up_s + job.seconds + 60)


if __name__ == "__main__":
    children.tell(uvloop.run(generate(children.job(Job))))
