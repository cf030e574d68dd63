"""What aiohttp does on this machine without our work: child processes that share a port."""

import asyncio
import signal
from types import TracebackType
from typing import Any

import msgspec
import uvloop
from aiohttp import web
from multidict import CIMultiDict

from bench import children
from bench.server import free_port
from rookery.http.native.routes.tweets import NewTweetBody
from rookery.text import parse


class Job(msgspec.Struct, kw_only=True):
    """Answer `path` with these status, headers and body; a POST after its body was checked."""

    port: int
    method: str
    path: str
    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Ceiling:
    """So many processes that serve a `Job` on one port. An async context manager."""

    def __init__(self, processes: int, **job: Any) -> None:
        self.port = free_port()
        self._processes = processes
        self._job = Job(port=self.port, **job)
        self._children: list[children.Child] = []

    async def __aenter__(self) -> "Ceiling":
        for _ in range(self._processes):
            self._children.append(await children.Child.start("bench.ceilings", self._job))
        for child in self._children:
            await child.answer(int)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for child in self._children:
            await child.stop()


async def _serve(job: Job) -> None:
    decode = msgspec.json.Decoder(NewTweetBody).decode
    common = CIMultiDict(job.headers)

    async def static(request: web.Request) -> web.Response:
        return web.Response(status=job.status, body=job.body, headers=common.copy())

    async def checking(request: web.Request) -> web.Response:
        parse(decode(await request.read()).text, 280)
        return web.Response(status=job.status, body=job.body, headers=common.copy())

    app = web.Application()
    app.router.add_route(job.method, job.path, checking if job.method == "POST" else static)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", job.port, reuse_port=True, backlog=1024).start()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, lambda: None)
    children.tell(job.port)
    await children.until_told(str)
    await runner.cleanup()


if __name__ == "__main__":
    uvloop.run(_serve(children.job(Job)))
