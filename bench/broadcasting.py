"""What `websockets` alone can push on this machine: a child process around its `broadcast`."""

import asyncio

import msgspec
import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve

from bench import children


class Job(msgspec.Struct):
    """Broadcast `message` as often as each line that is read says, to exactly so many clients."""

    clients: int
    message: bytes


async def _main(job: Job) -> None:
    connections: set[ServerConnection] = set()
    joined_or_left = asyncio.Event()

    def changed() -> None:
        nonlocal joined_or_left
        joined_or_left.set()
        joined_or_left = asyncio.Event()

    async def handle(connection: ServerConnection) -> None:
        connections.add(connection)
        changed()
        await connection.wait_closed()
        connections.discard(connection)
        changed()

    async with serve(
        handle, "127.0.0.1", 0, compression=None, ping_interval=None, close_timeout=0.5
    ) as server:
        children.tell(server.sockets[0].getsockname()[1])
        while (times := await children.until_told(int)) is not None:
            # Those of the time before may still be leaving.
            while len(connections) != job.clients:
                await joined_or_left.wait()
            for _ in range(times):
                broadcast(connections, job.message)
        asyncio.get_running_loop().call_later(0.5, server.close)


if __name__ == "__main__":
    uvloop.run(_main(children.job(Job)))
