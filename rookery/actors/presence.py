"""A connection server's side of presence: its users at the shards, itself at the manager.

`ShardPresence` implements `rookery.connection.ports.PresencePort`.
"""

import asyncio
import secrets
from collections.abc import Sequence

import numpy as np

from rookery.actors import names
from rookery.actors.manager import ServerReport
from rookery.actors.runtime import Directory
from rookery.actors.shards import Shards
from rookery.connection.ports import Attached
from rookery.errors import Unavailable
from rookery.models import Identity

REPORT_PERIOD_S = 1.0


class ShardPresence:
    """Registers one incarnation of one connection server's users with their shards."""

    def __init__(self, shards: Shards, server: str) -> None:
        self._shards = shards
        self._server = server
        self.incarnation = secrets.token_hex(8)
        self._lives: tuple[int, dict[str, str]] | None = None
        self._seen: dict[str, int] = {}

    async def attach(self, user_id: int, epoch: str | None, offset: int | None) -> Attached:
        """See `PresencePort.attach`."""
        request = (user_id, self._server, self.incarnation, epoch, offset)
        return Attached(*await self._shards.attach(request))

    async def detach(self, user_id: int) -> None:
        """See `PresencePort.detach`."""
        await self._shards.detach(user_id, self._server, self.incarnation)

    async def positions(self, user_ids: Sequence[int]) -> Sequence[tuple[str, int] | None]:
        """See `PresencePort.positions`."""
        return await self._shards.positions(self._server, self.incarnation, user_ids)

    async def recently_notified(self) -> Sequence[int] | None:
        """See `PresencePort.recently_notified`."""
        version = self._shards.topology.view.version
        answers = await self._shards.recently_notified(self._server, self.incarnation, self._seen)
        former = self._lives
        self._lives = version, {shard: life for shard, (life, _, _) in answers.items()}
        self._seen = {shard: seen for shard, (_, seen, _) in answers.items()}
        if self._lives != former:  # a shard is new, or began anew, or users have moved
            return None
        users = [np.frombuffer(ids, dtype=np.int64) for _, _, ids in answers.values()]
        return np.concatenate(users).tolist() if users else []


class Reporter:
    """Tells the connection manager of this server and its devices."""

    def __init__(self, directory: Directory, name: str, incarnation: str, url: str) -> None:
        self._manager = directory.ref(names.CONNECTION_MANAGER)
        self._name = name
        self._incarnation = incarnation
        self._url = url
        self._devices: dict[tuple[int, str], int] = {}
        self._joined: list[tuple[int, str]] = []
        self._left: list[tuple[int, str]] = []
        self._whole = True
        self.is_draining = False
        """Whether the manager is to offer this server to no more clients."""

    @property
    def devices(self) -> list[tuple[int, str]]:
        """The connected (user id, device id)s."""
        return list(self._devices)

    def joined(self, identity: Identity) -> None:
        device = (identity.user_id, identity.device_id)
        self._devices[device] = self._devices.get(device, 0) + 1
        self._joined.append(device)

    def left(self, identity: Identity) -> None:
        device = (identity.user_id, identity.device_id)
        count = self._devices.get(device, 0) - 1
        if count > 0:
            self._devices[device] = count
        else:
            self._devices.pop(device, None)
        self._left.append(device)

    async def report_forever(self) -> None:
        """Report every second; everything anew where the manager does not know this server."""
        while True:
            try:
                await self._report()
            except Unavailable:
                self._whole = True
            await asyncio.sleep(0.05 if self._whole else REPORT_PERIOD_S)

    async def _report(self) -> None:
        joined, left, self._joined, self._left = self._joined, self._left, [], []
        if self._whole:
            joined = [device for device, count in self._devices.items() for _ in range(count)]
            left = []
        report = ServerReport(
            name=self._name,
            incarnation=self._incarnation,
            url=self._url,
            sessions=sum(self._devices.values()),
            joined=joined,
            left=left,
            whole=self._whole,
            draining=self.is_draining,
        )
        self._whole = not await self._manager.call("report", report)
