"""The connection manager: live connection servers, and which device is connected where."""

from collections import Counter
from collections.abc import Iterable, Mapping
from time import monotonic

import msgspec

from rookery.actors import names
from rookery.actors.runtime import Actor, ActorContext, Directory
from rookery.errors import Unavailable

SILENT_AFTER_S = 4.0
"""A connection server that has not reported for so long is not offered to clients."""


class ServerReport(msgspec.Struct, frozen=True, array_like=True):
    """What a connection server says of itself every second, and when sessions come or go.

    `joined` and `left` are (user id, device id) since its last report; with `whole`, `joined` is
    everyone. `draining`: no more clients are to be sent to it.
    """

    name: str
    incarnation: str
    url: str
    sessions: int
    joined: list[tuple[int, str]]
    left: list[tuple[int, str]]
    whole: bool = False
    draining: bool = False


class _Server:
    __slots__ = ("_devices", "heard_s", "incarnation", "is_draining", "sessions", "url")

    def __init__(self, incarnation: str) -> None:
        self.incarnation = incarnation
        self.url = ""
        self.sessions = 0
        self.heard_s = 0.0
        self.is_draining = False
        self._devices: dict[int, Counter[str]] = {}

    def clear(self) -> None:
        self._devices.clear()

    def join(self, user_id: int, device_id: str) -> None:
        self._devices.setdefault(user_id, Counter())[device_id] += 1

    def leave(self, user_id: int, device_id: str) -> None:
        devices = self._devices.get(user_id, Counter())
        devices[device_id] -= 1
        if devices[device_id] <= 0:
            del devices[device_id]
        if not devices:
            self._devices.pop(user_id, None)

    def devices_of(self, user_id: int) -> Iterable[str]:
        return self._devices.get(user_id, ())

    def __len__(self) -> int:
        return sum(len(devices) for devices in self._devices.values())


class ConnectionManager(Actor):
    """Knows the connection servers and their devices.

    Durable: nothing. Rebuilt: each server reports all its devices again when it is told that it
    is not known. Callers may retry everything.
    """

    def __init__(self, context: ActorContext) -> None:
        super().__init__(context)
        self._servers: dict[str, _Server] = {}

    async def report(self, report: ServerReport) -> bool:
        """Take a server's report; False: not known in this incarnation, send everything."""
        server = self._servers.get(report.name)
        if server is None or server.incarnation != report.incarnation:
            if not report.whole:
                return False
            server = self._servers[report.name] = _Server(report.incarnation)
        if report.whole:
            server.clear()
        for device in report.joined:
            server.join(*device)
        for device in report.left:
            server.leave(*device)
        server.url, server.sessions = report.url, report.sessions
        server.heard_s, server.is_draining = monotonic(), report.draining
        return True

    def _live(self) -> list[_Server]:
        since_s = monotonic() - SILENT_AFTER_S
        return [server for server in self._servers.values() if server.heard_s >= since_s]

    async def pick(self) -> str:
        """The URL of the live connection server with the fewest sessions.

        Raises:
            Unavailable: there is none.
        """
        live = [server for server in self._live() if not server.is_draining]
        if not live:
            raise Unavailable("No connection server is available")
        return min(live, key=lambda server: server.sessions).url

    async def connected(self, user_id: int) -> list[str]:
        """The ids of a user's devices that are connected to any live server."""
        return sorted({device for server in self._live() for device in server.devices_of(user_id)})

    def figures(self) -> Mapping[str, float]:
        live = self._live()
        return {
            "connection_servers": len(live),
            "connected_devices": sum(len(server) for server in live),
        }


class StreamDirectory:
    """`rookery.services.ports.StreamDirectoryPort` over the connection manager."""

    def __init__(self, directory: Directory) -> None:
        self._manager = directory.ref(names.CONNECTION_MANAGER)

    async def pick(self) -> str:
        """See `StreamDirectoryPort.pick`."""
        url: str = await self._manager.call("pick")
        return url

    async def connected(self, user_id: int) -> set[str]:
        """See `StreamDirectoryPort.connected`; none where the manager does not answer."""
        try:
            return set(await self._manager.call("connected", user_id))
        except Unavailable:
            return set()
