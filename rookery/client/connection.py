"""The `websockets` connection, with messages handed over as they arrive.

`recv` wakes a task for each message and the task another for each event; at thousands of small
messages a second that is most of the cost. So messages go to a callback within the event loop's
read, and `recv` only tells of the end. Imports nothing of the project.
"""

from collections.abc import Callable
from typing import TypeAlias

from websockets.asyncio.client import ClientConnection
from websockets.frames import Frame, Opcode
from websockets.protocol import Event

Take: TypeAlias = Callable[[bytes], None]
_DATA = frozenset({Opcode.TEXT, Opcode.BINARY, Opcode.CONT})


class StreamConnection(ClientConnection):
    """A connection whose messages go to the callback given to `listen`.

    `heard` is set whenever bytes come, pings included, and is for others to clear. `recv` never
    returns; it raises when the connection has ended.
    """

    heard = False
    _take: Take | None = None
    _early: tuple[bytes, ...] = ()
    _parts: bytearray | None = None

    def listen(self, take: Take) -> None:
        """Hand messages to `take` from now on, first those that came before this call.

        `take` must not raise, and not block.
        """
        self._take = take
        early, self._early = self._early, ()
        for data in early:
            take(data)

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        self.heard = True
        super().data_received(data)

    def process_event(self, event: Event) -> None:
        """Called by the library for the handshake's response and for each frame."""
        if self.response is None or not isinstance(event, Frame) or event.opcode not in _DATA:
            super().process_event(event)
        elif event.fin and event.opcode is not Opcode.CONT:
            self._message(bytes(event.data))
        else:
            self._fragment(event)

    def _message(self, data: bytes) -> None:
        if self._take is not None:
            self._take(data)
        else:
            self._early += (data,)

    def _fragment(self, frame: Frame) -> None:
        """Put a message together again that something on the way has fragmented."""
        if self._parts is None:
            self._parts = bytearray()
        self._parts += frame.data
        if frame.fin:
            whole, self._parts = self._parts, None
            self._message(bytes(whole))
