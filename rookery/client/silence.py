"""Notices a server that has fallen silent.

A connection that dies without a word (a cable pulled, a process stopped) looks idle for many
minutes. The server sends a ping each heartbeat, so nothing at all for longer means that it is gone.
"""

import asyncio

from rookery.client.connection import StreamConnection


class SilenceWatch:
    """Cuts `connection` once nothing came for `limit_s` (to half as long again).

    Quiet periods are counted, not timed, so that a process that was itself stalled does not take
    it for the server's silence. Costs a timer for each period, nothing for each message.
    `expired` tells that the connection was cut.
    """

    _PERIODS = 2

    def __init__(
        self, loop: asyncio.AbstractEventLoop, connection: StreamConnection, limit_s: float
    ) -> None:
        self.expired = False
        self._loop = loop
        self._connection = connection
        self._timer: asyncio.TimerHandle | None = None
        self.allow(limit_s)

    def allow(self, limit_s: float) -> None:
        """Change the limit, and begin anew."""
        self._period_s = limit_s / self._PERIODS
        self.resume()

    def pause(self) -> None:
        """Do not count until `resume`, as nothing is being read."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    stop = pause

    def resume(self) -> None:
        """Begin anew."""
        self.pause()
        self._quiet = 0
        self._connection.heard = False
        self._timer = self._loop.call_later(self._period_s, self._check)

    def _check(self) -> None:
        self._quiet = 0 if self._connection.heard else self._quiet + 1
        self._connection.heard = False
        if self._quiet >= self._PERIODS:
            self.expired = True
            self._connection.transport.abort()
        else:
            self._timer = self._loop.call_later(self._period_s, self._check)
