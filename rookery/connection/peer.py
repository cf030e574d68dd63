"""A connection as the hub sees it.

Interface only; `server.Connection` implements it over a socket, tests with lists.
"""

from typing import Protocol

from rookery.connection.session import Session


class Peer(Protocol):
    """The writing end of one WebSocket, with its session. Compared by identity."""

    alarm_tick: int

    @property
    def session(self) -> Session: ...

    def write(self, data: bytes) -> int:
        """Write whole frames; returns what the transport now holds, in bytes. Never blocks."""
        ...

    def ping(self) -> None:
        """Send a ping frame."""
        ...

    def close(self, code: int, reason: str) -> None:
        """Begin the closing handshake, which ends in bounded time."""
        ...

    def __hash__(self) -> int: ...
