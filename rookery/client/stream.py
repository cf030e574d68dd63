"""The stream of live events: the asyncio shell around `resume` and the `websockets` client.

A task connects, reads into a bounded queue and connects again after a cut; iterating takes from
the queue. While the queue is full nothing is read, so that the server notices a slow reader and
merges what it has for it. Imports nothing of the server's side.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.typing import Subprotocol
from yarl import URL

from rookery.client.backoff import Backoff
from rookery.client.closing import TOKEN_EXPIRED, Action, action_after, close_code_of
from rookery.client.errors import (
    ApiError,
    ConnectionFailed,
    InvalidResponse,
    StreamClosed,
    seconds_of,
)
from rookery.client.events import Connected, Counts, Disconnected, Event, Reset, TweetEvent
from rookery.client.models import StreamAddress
from rookery.client.position import Position
from rookery.client.resume import Notice, Pong, ProtocolViolation, Resumption
from rookery.client.silence import HeardConnection, SilenceWatch
from rookery.client.transport import Call, Transport
from rookery.client.wire import DECODE_ERRORS, SUBPROTOCOLS, Encoding, decoder_of, encoder_of

log = logging.getLogger(__name__)

WATCH_LIMIT = 200
_ABNORMAL = 1006
_CLOSE_TIMEOUT_S = 2.0


class StreamSettings(msgspec.Struct, frozen=True):
    """How a stream connects; the defaults suit everyone but tests.

    Waits between attempts have full jitter and double from `base_s` to `cap_s`, and begin anew
    after a connection that lasted `healthy_s`. A server from which nothing came for two
    heartbeats and `silence_grace_s` counts as gone. `buffer_events` wait for a slow reader.
    """

    base_s: float = 0.1
    cap_s: float = 10.0
    healthy_s: float = 5.0
    open_timeout_s: float = 10.0
    silence_grace_s: float = 5.0
    buffer_events: int = 1_000


class _Cut(Exception):
    """The connection ended, or did not come about, and another is to be tried."""

    def __init__(self, code: int | None, reason: str, at_least_s: float = 0.0) -> None:
        super().__init__(code, reason, at_least_s)
        self.code = code
        self.reason = reason
        self.at_least_s = at_least_s


class Stream:
    """Live events of the client's user: ``async for event in stream``.

    It finds the server, connects, and after any cut connects again and resumes, until `aclose`.
    Each event comes once and in order; where events are missing, a `More` or `Reset` says so in
    their place. Iterating ends by `StreamClosed` where connecting again would not help (logged
    out, revoked), after the events that came before it.

    ``async with`` connects at once and closes at the end; without it, the first iteration
    connects, and the client closes the stream. One task iterates; the other methods may be
    called from any task of the loop.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        encoding: Encoding,
        position: Position | None,
        connection_events: bool,
        settings: StreamSettings,
        ended: Callable[["Stream"], None],
    ) -> None:
        self._transport = transport
        self._encoding: Encoding = encoding
        self._decode = decoder_of(encoding)
        self._encode = encoder_of(encoding)
        self._connection_events = connection_events
        self._settings = settings
        self._ended = ended
        self._core = Resumption(position)
        self._backoff = Backoff(settings.base_s, settings.cap_s)
        self._queue: deque[Event] = deque()
        self._waiting: asyncio.Future[None] | None = None
        self._room = asyncio.Event()
        self._room.set()
        self._epoch = None if position is None else position.epoch
        self._offset = -1 if position is None else position.offset
        self._watched: tuple[str, ...] = ()
        self._pings: deque[tuple[float, asyncio.Future[float]]] = deque()
        self._socket: HeardConnection | None = None
        self._silence: SilenceWatch | None = None
        self._task: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None
        self._closed = False
        self._token: str | None = None
        self._token_expired = False

    # For the reader

    async def __aenter__(self) -> Self:
        self._start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        """The next event.

        Raises:
            StreamClosed: the stream is over for good.
            StopAsyncIteration: `aclose` was called.
        """
        queue = self._queue
        while True:
            while not queue:
                await self._wait()
            event = queue.popleft()
            if not queue:
                self._room.set()
            if type(event) is TweetEvent:  # as most are
                self._offset = event.offset
                return event
            if self._note(event) or self._connection_events:
                return event

    async def _wait(self) -> None:
        """Wait until something is queued, or raise that nothing will be."""
        if self._closed:
            raise StopAsyncIteration
        if self._failure is not None:
            raise self._failure
        if self._waiting is not None:
            raise RuntimeError("only one task may iterate over a stream")
        self._start()
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            await self._waiting
        finally:
            self._waiting = None

    def _note(self, event: Event) -> bool:
        """Follow the position; False for events about the connection."""
        if isinstance(event, Reset):
            self._epoch, self._offset = event.epoch, event.offset
        elif isinstance(event, Connected):
            # Of another epoch, its position counts only with the Reset that comes next.
            if self._epoch is None:
                self._epoch, self._offset = event.epoch, event.offset
            return False
        elif isinstance(event, Disconnected):
            return False
        elif not isinstance(event, Counts):
            self._offset = event.offset
        return True

    @property
    def position(self) -> Position | None:
        """After the last event that was yielded; None until connected for the first time.

        A stream that is given it goes on with the event after that. Save it once the event has
        been dealt with.
        """
        return None if self._epoch is None else Position(self._epoch, self._offset)

    @property
    def connected(self) -> bool:
        """Whether the stream is live at this moment."""
        return self._core.live

    async def watch(self, tweet_ids: Iterable[str | int]) -> None:
        """Ask for `Counts` of these tweets (at most 200) instead of those before.

        Also without a connection: each new one is told.

        Raises:
            ValueError: too many, or not ids.
        """
        self.set_watched(tweet_ids)
        if self._core.live:
            await self._send_watched()

    def set_watched(self, tweet_ids: Iterable[str | int]) -> None:
        """As `watch`, for a stream that is not connected yet."""
        ids = tuple(dict.fromkeys(str(tweet_id) for tweet_id in tweet_ids))
        if len(ids) > WATCH_LIMIT:
            raise ValueError(f"at most {WATCH_LIMIT} tweets can be watched, not {len(ids)}")
        for text in ids:
            if not (text.isascii() and text.isdecimal()):
                raise ValueError(f"not an id: {text!r}")
        self._watched = ids

    async def ping(self) -> float:
        """Send a ping; returns the seconds until its answer.

        Raises:
            ConnectionFailed: not connected, or cut off meanwhile.
        """
        if not self._core.live:
            raise ConnectionFailed("The stream is not connected")
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[float] = loop.create_future()
        self._pings.append((loop.time(), answered))
        await self._send({"type": "ping"})
        return await answered

    async def aclose(self) -> None:
        """End the stream; iterating over it ends, too. Again is no error."""
        self._closed = True
        self._ended(self)
        self._queue.clear()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._wake()

    # The task

    def _start(self) -> None:
        if self._task is None and not self._closed:
            self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            while True:
                try:
                    await self._connect_and_read()
                except _Cut as cut:
                    wait_s = self._backoff.next_s(cut.at_least_s)
                    self._tell_of_cut(Disconnected(cut.code, cut.reason, wait_s))
                await asyncio.sleep(wait_s)
        except Exception as error:
            self._failure = error
            self._ended(self)
        finally:
            self._wake()

    async def _connect_and_read(self) -> None:
        """One connection, from finding the server to its end, which is always an exception.

        Raises:
            _Cut: try again.
            StreamClosed: do not.
        """
        socket = await self._open(await self._discover())
        self._socket = socket
        loop = asyncio.get_running_loop()
        opened_s = loop.time()
        self._silence = SilenceWatch(loop, socket, self._settings.open_timeout_s)
        try:
            await self._read(socket)
        except ConnectionClosed as closed:
            raise self._cut_of(closed) from closed
        except (ProtocolViolation, *DECODE_ERRORS) as error:
            log.warning("a stream broke the protocol: %s", error)
            await self._close(socket, 1002)
            raise _Cut(None, f"the server broke the protocol: {error}") from error
        finally:
            self._silence.stop()
            if self._core.live and loop.time() - opened_s >= self._settings.healthy_s:
                self._backoff.reset()
            self._core.lost()
            self._fail_pings()
            await self._close(socket, 1000)
            self._socket = None

    async def _discover(self) -> str:
        """The address to connect to, with the position."""
        transport = self._transport
        try:
            if self._token_expired and not await transport.renew(self._token):
                raise StreamClosed(TOKEN_EXPIRED, "The token has expired")
            self._token_expired = False
            call = Call("GET", "/stream")
            found = await transport.request(call, StreamAddress, max_attempts=1)
        except (ConnectionFailed, InvalidResponse) as error:
            raise _Cut(None, str(error)) from error
        except ApiError as error:
            code = close_code_of(error.status, error.code)
            if code is None:
                raise _Cut(None, str(error), error.retry_after_s or 0.0) from error
            raise StreamClosed(code, error.message) from error
        try:
            url = URL(found.url)
        except ValueError as error:
            raise _Cut(None, f"the server named no address: {found.url[:200]!r}") from error
        if transport.encrypted and url.scheme == "ws":
            # The token would go over the wire in the clear.
            raise StreamClosed(400, f"{transport.address} named an unencrypted stream: {url}")
        position = self._core.position
        if position is not None:
            url = url.update_query(epoch=position.epoch, offset=str(position.offset))
        return str(url)

    async def _open(self, url: str) -> HeardConnection:
        self._token = self._transport.token
        subprotocol = Subprotocol(SUBPROTOCOLS[self._encoding])
        arguments: dict[str, Any] = {}
        if url.startswith("wss:") and self._transport.ssl_context is not None:
            arguments["ssl"] = self._transport.ssl_context
        try:
            socket: ClientConnection = await connect(
                url,
                subprotocols=[subprotocol],
                additional_headers={"Authorization": f"Bearer {self._token or ''}"},
                compression=None,
                proxy=None,
                open_timeout=self._settings.open_timeout_s,
                close_timeout=_CLOSE_TIMEOUT_S,
                ping_interval=None,  # the server pings; `silence` sees that it does
                create_connection=HeardConnection,
                **arguments,
            )
        except InvalidStatus as error:
            raise _refused(error) from error
        except (OSError, TimeoutError, InvalidHandshake, InvalidURI, EOFError) as error:
            place = URL(url).with_query(None)
            raise _Cut(None, f"cannot open a stream at {place}: {error}") from error
        assert isinstance(socket, HeardConnection)
        if socket.subprotocol != subprotocol:
            await self._close(socket, 1002)
            raise _Cut(None, f"the server did not agree to {subprotocol}")
        return socket

    async def _read(self, socket: HeardConnection) -> None:
        receive, decode, queue = self._core.receive, self._decode, self._queue
        room = self._settings.buffer_events
        while True:
            for event in receive(decode(await socket.recv(decode=False))):
                if isinstance(event, Pong | Notice):
                    self._aside(event)
                    continue
                queue.append(event)
                if isinstance(event, Connected):
                    await self._went_live(event)
            waiting = self._waiting
            if waiting is not None and queue and not waiting.done():
                waiting.set_result(None)
            if len(queue) >= room:
                await self._wait_for_room()

    async def _went_live(self, welcome: Connected) -> None:
        if self._silence is not None:
            self._silence.allow(2 * welcome.heartbeat_s + self._settings.silence_grace_s)
        if self._watched:
            await self._send_watched()

    async def _wait_for_room(self) -> None:
        """Stop reading until the reader has caught up; the silence meanwhile is of our making."""
        self._room.clear()
        if self._silence is not None:
            self._silence.pause()
        await self._room.wait()
        if self._silence is not None:
            self._silence.resume()

    def _aside(self, event: Pong | Notice) -> None:
        if isinstance(event, Notice):
            log.warning("the server refused a message: %s (%s)", event.error, event.code)
        elif self._pings:
            sent_s, answered = self._pings.popleft()
            if not answered.done():
                answered.set_result(asyncio.get_running_loop().time() - sent_s)

    def _tell_of_cut(self, event: Disconnected) -> None:
        log.debug("the stream was cut: %s (%s)", event.reason, event.code)
        if not self._connection_events:
            return
        if self._queue and isinstance(self._queue[-1], Disconnected):
            self._queue.pop()  # the latest is enough for a reader who has seen none of them
        self._queue.append(event)
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    # Sending and closing

    async def _send_watched(self) -> None:
        await self._send({"type": "watch", "tweetIds": list(self._watched)})

    async def _send(self, message: dict[str, Any]) -> None:
        """Send a message; where the connection is lost, the reading task notices."""
        if self._socket is not None:
            with contextlib.suppress(ConnectionClosed):
                await self._socket.send(self._encode(message))

    def _fail_pings(self) -> None:
        while self._pings:
            _, answered = self._pings.popleft()
            if not answered.done():
                answered.set_exception(ConnectionFailed("The stream was cut"))

    async def _close(self, socket: HeardConnection, code: int) -> None:
        """Close politely if that is possible soon, and by force otherwise."""
        try:
            if self._room.is_set():
                async with asyncio.timeout(2 * _CLOSE_TIMEOUT_S):
                    await socket.close(code)
        except TimeoutError:
            pass
        finally:
            socket.transport.abort()

    def _cut_of(self, closed: ConnectionClosed) -> Exception:
        """What the end of a connection means."""
        if closed.rcvd is not None and closed.rcvd_then_sent is False:
            assert closed.sent is not None
            return _Cut(None, f"the server broke the protocol: {closed.sent}")
        if closed.rcvd is None:
            silent = self._silence is not None and self._silence.expired
            reason = "the server fell silent" if silent else "the connection was lost"
            return _Cut(_ABNORMAL, reason)
        code, reason = closed.rcvd.code, closed.rcvd.reason
        action = action_after(code)
        if action is Action.STOP:
            return StreamClosed(code, reason)
        if action is Action.REFRESH:
            self._token_expired = True
        return _Cut(code, reason, self._settings.cap_s if action is Action.LATER else 0.0)


def _refused(error: InvalidStatus) -> Exception:
    """What an HTTP status in answer to the handshake means."""
    response = error.response
    if 400 <= response.status_code < 500 and response.status_code not in (404, 408, 429):
        text = bytes(response.body or b"").decode(errors="replace").strip()
        return StreamClosed(response.status_code, text or "the stream was refused")
    wait_s = seconds_of(response.headers.get("Retry-After"))
    return _Cut(None, f"the stream was refused with {response.status_code}", wait_s or 0.0)
