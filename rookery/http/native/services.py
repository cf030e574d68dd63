"""What the REST surface stands on, as one value handed to every handler.

Composed by `rookery.compose.gateway`.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping

from rookery.config import Config
from rookery.http.addresses import Addresses
from rookery.security_log import Refusals
from rookery.services.limits import Limits
from rookery.services.ports import StreamDirectoryPort
from rookery.services.use_cases import Ground, UseCases


class Services(UseCases):
    """What handlers may call: the use-cases, and what this surface needs beside them.

    `ready` says of each part that is needed whether it answers; it must not raise, and must
    return within a second or two. `stream` knows where streams can be opened, and who has one.
    """

    def __init__(
        self,
        ground: Ground,
        config: Config,
        *,
        stream: StreamDirectoryPort,
        ready: Callable[[], Awaitable[Mapping[str, bool]]],
        limits: Limits,
    ) -> None:
        super().__init__(ground, config)
        self.stream = stream
        self.ready = ready
        self.limits = limits
        self.addresses = Addresses(config.http.trusted_proxies)
        self.refusals = Refusals()
        self.heartbeat_s = config.live.heartbeat_s
        """Told to WebSocket clients."""

    async def connected(self, user_id: int) -> Collection[str]:
        """The user's devices that hold a stream, as far as is known."""
        return await self.stream.connected(user_id)
