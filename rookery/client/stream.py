"""The stream of live events: the asyncio shell around `resume` and the `websockets` client.

A task connects, and connects again after a cut; what comes goes into a bounded inbox, and
iterating takes from there. While it is full nothing is read, so that the server notices a slow
reader and merges what it has for it. Imports nothing of the server's side.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from types import TracebackType
from typing import Any, Self

from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from rookery.client.backoff import Backoff
from rookery.client.closing import Action, action_after
from rookery.client.connection import StreamConnection
from rookery.client.dialing import Cut, Dialer, StreamSettings, close
from rookery.client.errors import ConnectionFailed, StreamClosed
from rookery.client.events import Connected, Disconnected, Event
from rookery.client.inbox import Inbox
from rookery.client.position import Position
from rookery.client.resume import Notice, Pong, ProtocolViolation, Resumption
from rookery.client.silence import SilenceWatch
from rookery.client.transport import Transport
from rookery.client.wire import DECODE_ERRORS, Encoding, decoder_of, encoder_of

log = logging.getLogger(__name__)

WATCH_LIMIT = 200
_ABNORMAL = 1006


class Stream:
    """Live events of the client's user: ``async for event in stream``.

    It finds the server, connects, and after any cut connects again and resumes, until `aclose`.
    Each event comes once and in order; where events are missing, a `More` or `Reset` says so in
    their place. Iterating ends by `StreamClosed` where connecting again would not help (logged
    out, revoked), after the events that came before it.

    ``async with`` begins to connect at once and closes at the end; without it, the first
    iteration connects, and the client closes the stream. One task iterates; the other methods
    may be called from any task of the loop.
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
        self._decode = decoder_of(encoding)
        self._encode = encoder_of(encoding)
        self._settings = settings
        self._ended = ended
        self._core = Resumption(position)
        self._dialer = Dialer(transport, encoding, settings)
        self._backoff = Backoff(settings.base_s, settings.cap_s)
        self._inbox = Inbox(position, settings.buffer_events, connection_events)
        self._watched: tuple[str, ...] = ()
        self._pings: deque[tuple[float, asyncio.Future[float]]] = deque()
        self._live = asyncio.Event()  # also set at the end, so that nobody waits for ever
        self._socket: StreamConnection | None = None
        self._silence: SilenceWatch | None = None
        self._paused = False
        self._broken: Exception | None = None  # why the connection is of no more use
        self._works: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._failure: Exception | None = None
        self._closed = False

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

    def __anext__(self) -> Coroutine[Any, Any, Event]:
        """The next event. To stop waiting for it, for instance by a timeout, loses nothing.

        Raises:
            StreamClosed: the stream is over for good.
            StopAsyncIteration: `aclose` was called.
        """
        self._start()
        return self._inbox.get()

    @property
    def position(self) -> Position | None:
        """After the last event that was yielded; None until connected for the first time.

        A stream that is given it goes on with the event after that. Save it once the event has
        been dealt with.
        """
        return self._inbox.position

    @property
    def connected(self) -> bool:
        """Whether the stream is live at this moment."""
        return self._core.live

    async def wait_connected(self) -> None:
        """Wait until the stream is live. What is fetched after that, and its events, have no gap.

        Raises:
            StreamClosed: the stream is over for good.
            ConnectionFailed: `aclose` was called.
        """
        self._start()
        await self._live.wait()
        if self._closed:
            raise ConnectionFailed("The stream is closed")
        if self._failure is not None:
            raise self._failure

    async def watch(self, tweet_ids: Iterable[str | int]) -> None:
        """Ask for `Counts` of these tweets (at most 200) instead of those before.

        Also possible without a connection: each new one is told.

        Raises:
            ValueError: too many, or not ids.
        """
        self.set_watched(tweet_ids)
        if self._core.live:
            await self._send_watched()

    def set_watched(self, tweet_ids: Iterable[str | int]) -> None:
        """As `watch`, from the next connection on."""
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
        self._inbox.clear()
        self._inbox.end(StopAsyncIteration())
        self._live.set()
        self._ended(self)
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    # The task

    def _start(self) -> None:
        if self._task is None and not self._closed:
            self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            while True:
                try:
                    await self._connect_and_read()
                except Cut as cut:
                    wait_s = self._backoff.next_s(cut.at_least_s)
                    log.debug("the stream was cut: %s (%s)", cut.reason, cut.code)
                    self._inbox.put(Disconnected(cut.code, cut.reason, wait_s))
                    await asyncio.sleep(wait_s)
        except Exception as error:
            self._failure = error
            self._inbox.end(error)
            self._live.set()
            self._ended(self)

    async def _connect_and_read(self) -> None:
        """One connection, from finding a server to the end, which is always an exception.

        Raises:
            Cut: try again.
            StreamClosed: do not.
        """
        socket = self._socket = await self._dialer.dial(self._core.position)
        loop = asyncio.get_running_loop()
        opened_s = loop.time()
        silence = self._silence = SilenceWatch(loop, socket, self._settings.open_timeout_s)
        self._broken = None
        try:
            socket.listen(self._take)
            await socket.recv()  # what comes goes to `_take`; this tells of the end
        except ConnectionClosed as closed:
            error = self._cut_of(closed, silence.expired)
            cause = self._broken or closed
            raise error from (closed if cause is error else cause)
        finally:
            socket.listen(_ignore)
            silence.stop()
            if self._core.live and loop.time() - opened_s >= self._settings.healthy_s:
                self._backoff.reset()
            self._core.lost()
            if not self._closed:
                self._live.clear()
            self._fail_pings()
            await close(socket, 1000, politely=not self._paused)
            self._paused = False
            self._socket = None

    def _take(self, data: bytes) -> None:
        """A message has come; called by the connection, within the event loop's read."""
        if self._broken is not None:
            return
        inbox = self._inbox
        try:
            for event in self._core.receive(self._decode(data)):
                if isinstance(event, Pong | Notice):
                    self._aside(event)
                    continue
                inbox.put(event)
                if isinstance(event, Connected):
                    self._went_live(event)
        except Exception as error:
            self._broken = error
            if self._socket is not None:
                self._do(close(self._socket, 1002))
        if inbox.full and not self._paused:
            self._pause_reading()

    def _went_live(self, welcome: Connected) -> None:
        if self._silence is not None:
            self._silence.allow(2 * welcome.heartbeat_s + self._settings.silence_grace_s)
        self._live.set()
        if self._watched:
            self._do(self._send_watched())

    def _pause_reading(self) -> None:
        socket, silence = self._socket, self._silence
        if socket is None or silence is None or socket.transport.is_closing():
            return

        def resume() -> None:
            if self._socket is socket and not socket.transport.is_closing():
                self._paused = False
                silence.resume()
                socket.transport.resume_reading()

        self._paused = True
        silence.pause()  # while nothing is read, nothing can be heard
        socket.transport.pause_reading()
        self._inbox.when_empty(resume)

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` beside the reading; it ends with the connection at the latest."""
        task = asyncio.create_task(work)
        self._works.add(task)
        task.add_done_callback(self._works.discard)

    def _aside(self, event: Pong | Notice) -> None:
        if isinstance(event, Notice):
            log.warning("the server refused a message: %s (%s)", event.error, event.code)
        elif self._pings:
            sent_s, answered = self._pings.popleft()
            if not answered.done():
                answered.set_result(asyncio.get_running_loop().time() - sent_s)

    def _fail_pings(self) -> None:
        while self._pings:
            _, answered = self._pings.popleft()
            if not answered.done():
                answered.set_exception(ConnectionFailed("The stream was cut"))

    async def _send_watched(self) -> None:
        await self._send({"type": "watch", "tweetIds": list(self._watched)})

    async def _send(self, message: dict[str, Any]) -> None:
        """Send a message; where the connection is lost, the reading task notices."""
        if self._socket is not None:
            with contextlib.suppress(ConnectionClosed):
                await self._socket.send(self._encode(message))

    def _cut_of(self, closed: ConnectionClosed, silent: bool) -> Exception:
        """What the end of a connection means."""
        broken = self._broken
        if broken is not None and not isinstance(broken, (ProtocolViolation, *DECODE_ERRORS)):
            return broken
        if broken is None and closed.rcvd_then_sent is False:
            broken = closed  # the library closed, and the server echoed
        if broken is None and closed.rcvd is None and closed.sent is not None:
            if closed.sent.code == CloseCode.MESSAGE_TOO_BIG:
                broken = closed  # the library closed, and did not wait for an echo
        if broken is not None:
            log.warning("a stream broke the protocol: %s", broken)
            return Cut(None, f"the server broke the protocol: {broken}")
        if closed.rcvd is None:
            return Cut(_ABNORMAL, "the server fell silent" if silent else "the connection was lost")
        code, reason = closed.rcvd.code, closed.rcvd.reason
        action = action_after(code)
        if action is Action.STOP:
            return StreamClosed(code, reason)
        if action is Action.REFRESH:
            self._dialer.token_expired()
        return Cut(code, reason, self._settings.cap_s if action is Action.LATER else 0.0)


def _ignore(data: bytes) -> None:
    """Take a message that came after the end."""
