"""Opening streams of live events. Part of `Client`."""

from collections.abc import Iterable

from rookery.client.dialing import StreamSettings
from rookery.client.models import StreamAddress, StreamTicket
from rookery.client.paths import Id
from rookery.client.position import Position
from rookery.client.requests import Requests
from rookery.client.stream import Stream
from rookery.client.transport import Call
from rookery.client.wire import Encoding


class LiveMethods(Requests):
    """The methods of `Client` about streams."""

    _streams: set[Stream]

    async def discover_stream(self) -> StreamAddress:
        """Where to open a WebSocket now. `stream` does this by itself."""
        return await self._get("/stream", StreamAddress)

    async def stream_ticket(self) -> StreamTicket:
        """A ticket to hand to a program that opens a stream and can send no header (a browser).

        `stream` needs none: it sends the token in a header.
        """
        call = Call("POST", "/stream/ticket", repeatable=True)
        return await self._transport.request(call, StreamTicket)

    def stream(
        self,
        *,
        encoding: Encoding = "msgpack",
        watch: Iterable[Id] = (),
        position: Position | None = None,
        connection_events: bool = False,
        settings: StreamSettings | None = None,
    ) -> Stream:
        """Live events, from now on or from `position`; see `Stream`.

        With `connection_events` it also yields `Connected` and `Disconnected`. `watch` names
        tweets whose counts are wanted.
        """
        stream = Stream(
            self._transport,
            encoding=encoding,
            position=position,
            connection_events=connection_events,
            settings=settings or StreamSettings(),
            ended=self._streams.discard,
        )
        stream.set_watched(watch)
        self._streams.add(stream)
        return stream
