"""From where accounts were logged in to: devices and addresses that count as known for a while.

An attempt to log in from one of these has a budget of its own, which strangers cannot use up.
"""

from collections.abc import Sequence

from rookery.store.engine import Operation, Put, Reader
from rookery.store.schema import LOGIN_SOURCES

KNOWN_MS = 90 * 86_400_000
"""How long a source is known after the last log-in from it."""


def device_source(device_id: str) -> str:
    """The source that is a device."""
    return f"device:{device_id}"


def address_source(key: str) -> str:
    """The source that is an address, by what it counts for."""
    return f"address:{key}"


class LoginSources:
    """Reads sources, and makes the operations that add them."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def known(self, user_id: int, sources: Sequence[str], now_ms: int) -> list[str]:
        """Those of `sources` from which the user has logged in, in their order."""
        keys = [(user_id, source) for source in sources]
        documents = await self._reader.get_many(LOGIN_SOURCES, keys)
        return [
            source
            for source, document in zip(sources, documents, strict=True)
            if document is not None and int(document["expires_ms"]) > now_ms
        ]

    @staticmethod
    def add(user_id: int, source: str, now_ms: int) -> Operation:
        """Know `source` from now on, for `KNOWN_MS`."""
        document = {"user_id": user_id, "source": source, "expires_ms": now_ms + KNOWN_MS}
        return Put(LOGIN_SOURCES.name, document)
