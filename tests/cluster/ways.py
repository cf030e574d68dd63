"""Ways into each node of a cluster by itself, though all nodes listen on one machine.

Gateways share one port, and the kernel chooses who takes a connection: a `Door` tries until it was
the gateway it leads to. Connection servers are chosen by the manager: a signpost names always the
same one.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

from aiohttp import web
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol
from yarl import URL

from rookery.actors import names
from tests.integration.server.world import WITHIN_S, Person, ServerThread, pid_of

HOST = "127.0.0.1"
JSON = "rookery.v1.json"
CHUNK_BYTES = 2**16

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class SharedPort:
    """Connections to the gateways that share a port, by the process that has taken each."""

    def __init__(self, url: URL, pids: Sequence[int]) -> None:
        self.url = url
        self._pids = pids
        self._taken: dict[int, list[Streams]] = {pid: [] for pid in pids}
        self._opening = asyncio.Lock()

    async def connect(self, pid: int) -> Streams:
        """A connection that a process has taken and nobody has used."""
        async with self._opening, asyncio.timeout(WITHIN_S):
            while not self._taken[pid]:
                opened = await asyncio.open_connection(HOST, self.url.port)
                try:
                    port = opened[1].get_extra_info("sockname")[1]
                    self._taken[await self._taken_by(port)].append(opened)
                except BaseException:
                    opened[1].close()
                    raise
            return self._taken[pid].pop()

    async def _taken_by(self, port: int) -> int:
        """Which process holds the connection that comes from a port, once one has taken it."""
        assert self.url.port is not None
        while True:
            socket = _socket_between(self.url.port, port)
            for pid in self._pids:
                if socket in _open_files(pid):
                    return pid
            await asyncio.sleep(0.002)

    def close(self) -> None:
        for left in self._taken.values():
            for _, writer in left:
                writer.close()


def _socket_between(port: int, peer: int) -> str:
    """The socket of a connection between two ports, as the process that has it sees it open."""
    # Far quicker than psutil, where thousands of connections have ended just now.
    established = rf":{port:04X} [0-9A-F]+:{peer:04X} 01 (.*)"
    found = re.search(established, Path("/proc/net/tcp").read_text())
    return "" if found is None else f"socket:[{found[1].split()[5]}]"


def _open_files(pid: int) -> set[str]:
    found = set()
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            found.add(str(each.readlink()))
    return found


class Door:
    """Forwards each connection to one of the gateways that share a port."""

    def __init__(self, shared: SharedPort, pid: int) -> None:
        self._shared = shared
        self._pid = pid
        self._forwarding: set[asyncio.Task[None]] = set()

    async def open(self) -> str:
        """Listen; the address for clients."""
        self._server = await asyncio.start_server(self._taken, HOST, 0)
        return str(self._shared.url.with_port(self._server.sockets[0].getsockname()[1]))

    async def close(self) -> None:
        self._server.close()
        for task in self._forwarding:
            task.cancel()
        await asyncio.gather(*self._forwarding, return_exceptions=True)
        await self._server.wait_closed()

    def _taken(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._forward((reader, writer)))
        self._forwarding.add(task)
        task.add_done_callback(self._forwarding.discard)

    async def _forward(self, client: Streams) -> None:
        opened = [client]
        try:
            gateway = await self._shared.connect(self._pid)
            opened.append(gateway)
            both = [
                asyncio.create_task(_pump(client[0], gateway[1])),
                asyncio.create_task(_pump(gateway[0], client[1])),
            ]
            try:
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for each in both:
                    each.cancel()
        finally:
            for _, writer in opened:
                writer.close()


async def _pump(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(CHUNK_BYTES):
            to.write(data)
            await to.drain()
    except ConnectionError:
        pass  # the other side is told by the end of this one


@asynccontextmanager
async def doors(server: ServerThread) -> AsyncIterator[list[str]]:
    """An address for the gateway of each node, which is the only one there."""
    view = server.server.view
    placed = server.server.cluster.controller.nodes.placed  # type: ignore[union-attr]
    assert all(len(each.actors.gateways) == 1 for each in placed.values())
    pids = [await server.on_loop(pid_of(name, server.namespace)) for name in view.serving.gateways]
    async with AsyncExitStack() as stack:
        shared = SharedPort(URL(server.http_url), pids)
        stack.callback(shared.close)
        urls: list[str] = []
        for pid in pids:
            door = Door(shared, pid)
            urls.append(await door.open())
            stack.push_async_callback(door.close)
        yield urls


@asynccontextmanager
async def signposts(server: ServerThread, somebody: Person) -> AsyncIterator[list[str]]:
    """An address for each connection server, where clients are told to open streams there.

    `somebody` opens streams until the manager has named all of them.
    """
    live = await _live_urls(server, somebody)

    async def name(request: web.Request) -> web.Response:
        url = live[int(request.match_info["number"])]
        return web.json_response({"url": url, "protocols": [JSON], "heartbeatS": 20})

    application = web.Application()
    application.router.add_get("/{number}/api/v1/stream", name)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        site = web.TCPSite(runner, HOST, 0)
        await site.start()
        (host, port), *_ = runner.addresses
        yield [f"http://{host}:{port}/{number}" for number in range(len(live))]
    finally:
        await runner.cleanup()


async def _live_urls(server: ServerThread, somebody: Person) -> list[str]:
    count = len(server.server.view.serving.connection_servers)
    headers = {"Authorization": f"Bearer {somebody.session.token}"}
    found: list[str] = []
    async with AsyncExitStack() as stack, asyncio.timeout(WITHIN_S):
        while len(found) < count:
            # The one with the fewest sessions, as far as the manager has heard.
            url: str = await server.actor(names.CONNECTION_MANAGER, "pick")
            opening = connect(
                url,
                subprotocols=[Subprotocol(JSON)],
                additional_headers=headers,
                compression=None,
                proxy=None,
            )
            await stack.enter_async_context(opening)
            if url not in found:
                found.append(url)
    return found
