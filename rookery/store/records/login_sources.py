"""From where accounts were logged in to: devices and addresses that count as known for a while.

An attempt to log in from one of these has a budget of its own, which strangers cannot use up.
"""

from collections.abc import Sequence

from rookery.store.engine import Delete, Operation, Put, Reader
from rookery.store.schema import LOGIN_SOURCES

KNOWN_MS = 90 * 86_400_000
"""How long a source is known after the last log-in from it."""
MAX_SOURCES = 200
"""So many are kept for a user. Each is a further budget of guesses, and a row of the store."""
_READ = 1000
"""So many of a user's are looked at; more than `MAX_SOURCES` there are only from before."""


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

    async def beyond(self, user_id: int, adding: int) -> tuple[Operation, ...]:
        """What makes room for `adding` more of the user's: those that expire soonest go."""
        fields = ("expires_ms", "source")
        found = await self._reader.select(LOGIN_SOURCES, fields, (user_id,), limit=_READ)
        too_many = max(0, len(found) + adding - MAX_SOURCES)
        return tuple(self.remove(user_id, source) for _, source in sorted(found)[:too_many])

    @staticmethod
    def remove(user_id: int, source: str) -> Operation:
        """Know `source` no more."""
        return Delete(LOGIN_SOURCES.name, (user_id, source))

    @staticmethod
    def add(user_id: int, source: str, now_ms: int) -> Operation:
        """Know `source` from now on, for `KNOWN_MS`."""
        document = {"user_id": user_id, "source": source, "expires_ms": now_ms + KNOWN_MS}
        return Put(LOGIN_SOURCES.name, document)
