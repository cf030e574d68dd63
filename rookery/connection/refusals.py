"""Tells the security log of streams that were refused."""

from collections.abc import Callable
from typing import TypeAlias

from websockets.http11 import Request

from rookery.errors import DeviceRevoked, InvalidToken, RookeryError
from rookery.security_log import Origin, Refusals

Found: TypeAlias = Callable[[str, str | None], str]
"""An address's name, by who is connected and what ``X-Forwarded-For`` says."""


class StreamRefusals:
    """Records bad tokens and tickets, summed up where they are many.

    `client_of` finds the client's address, `key_of` what it counts as.
    """

    def __init__(self, client_of: Found, key_of: Found) -> None:
        self._client_of = client_of
        self._key_of = key_of
        self._refusals = Refusals()

    def refused(self, error: RookeryError, peer: str, request: Request) -> None:
        """See `ConnectionListener.on_refused`."""
        if isinstance(error, InvalidToken | DeviceRevoked):
            forwarded = ",".join(request.headers.get_all("X-Forwarded-For")) or None
            origin = Origin(self._client_of(peer, forwarded), self._key_of(peer, forwarded))
            self._refusals.refused(error.code, lambda: origin, endpoint="stream")

    def summarise(self) -> None:
        """Record what was summed up so far; call it at the end."""
        self._refusals.summarise()
