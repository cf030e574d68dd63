"""A persistent WebSocket session on gevent: connects, resumes, and measures pushes.

What it does with messages and close codes is what the Python client does (docs/protocol.md); only
the socket under it is another, since asyncio and gevent do not mix.
"""

import random
from collections.abc import Mapping, Sequence
from contextlib import suppress
from time import monotonic, time
from typing import Any

import gevent  # type: ignore[import-untyped]
import msgpack  # type: ignore[import-untyped]
import websocket
from locust.event import EventHook

from bench.scenarios.rest import OVERLOADED, Account, Rest
from rookery.client.closing import TOKEN_EXPIRED, Action, action_after
from rookery.client.events import Connected, More, Reset, TweetEvent
from rookery.client.resume import ProtocolViolation, Resumption
from rookery.ids import time_ms_of

SUBPROTOCOL = "rookery.v1.msgpack"
OPEN_S = 10.0
GRACE_S = 5.0
BASE_S, CAP_S, HEALTHY_S, LATER_S = 0.1, 10.0, 5.0, 30.0
NORMAL, GOING_AWAY, CUT = 1000, 1001, 1006


class Closed(Exception):
    """The server ended the session, or the connection broke."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class LiveSession:
    """Holds a session until it is stopped. Every push is counted as ``WS push``: the time from
    the tweet's id (its millisecond, by the server's clock) until it is decoded here."""

    def __init__(
        self, rest: Rest, account: Account, request: EventHook, context: Mapping[str, Any]
    ) -> None:
        self._rest = rest
        self._account = account
        self._request = request
        self._context = context
        self._resumption = Resumption()
        self._socket: websocket.WebSocket | None = None
        self._healthy_since_s = 0.0
        self._connected_ms = 0.0
        self.missed = False
        """Whether events came that name no tweets: home is to be fetched."""
        self._greenlet = gevent.spawn(self._run)

    def watch(self, tweet_ids: Sequence[str]) -> None:
        """Ask for the counts of these tweets, if there is a connection."""
        if self._socket is not None and self._resumption.live:
            message = {"type": "watch", "tweetIds": list(tweet_ids)}
            with suppress(OSError, websocket.WebSocketException):
                self._socket.send_binary(msgpack.packb(message))

    def stop(self) -> None:
        """End it with a proper close."""
        self._greenlet.kill()

    def _run(self) -> None:
        delay_s = BASE_S
        while True:
            self._healthy_since_s = 0.0
            action, at_least_s = Action.RECONNECT, 0.0
            try:
                socket = self._connected()
                if socket is not None:
                    self._read(socket)
            except Closed as closed:
                action = action_after(closed.code)
                if closed.code not in (GOING_AWAY, TOKEN_EXPIRED):
                    self._count(f"closed {closed.code}", 0.0, exception=closed)
            except ProtocolViolation as violation:
                self._count("violation", 0.0, exception=violation)
            finally:
                self._disconnect()
            if action is Action.STOP:
                return
            if action is Action.REFRESH:
                self._account.renew_s = 0.0
            if action is Action.LATER:
                at_least_s = LATER_S
            if self._healthy_since_s and monotonic() - self._healthy_since_s > HEALTHY_S:
                delay_s = BASE_S
            gevent.sleep(at_least_s + random.uniform(0, delay_s))
            delay_s = min(CAP_S, 2 * delay_s)

    def _connected(self) -> websocket.WebSocket | None:
        """A connection, or None where the server refuses one for now; that has been counted."""
        found = self._rest.call("GET", "/stream", account=self._account)
        if not found.ok:
            gevent.sleep(found.retry_after_s or 0.0)
            return None
        url = found.body["url"]
        position = self._resumption.position
        if position is not None:
            url += f"?epoch={position.epoch}&offset={position.offset}"
        socket = websocket.WebSocket(skip_utf8_validation=True)
        begun_s = monotonic()
        try:
            socket.connect(  # type: ignore[no-untyped-call]
                url,
                timeout=OPEN_S,
                subprotocols=[SUBPROTOCOL],
                header=[f"Authorization: Bearer {self._account.token}"],
                suppress_origin=True,
            )
        except websocket.WebSocketBadStatusException as error:
            self._refused(error, begun_s)
            return None
        except (OSError, websocket.WebSocketException) as error:
            self._count("connect", _ms_since(begun_s), exception=error)
            return None
        self._socket = socket
        self._count("connect", _ms_since(begun_s))
        return socket

    def _refused(self, error: websocket.WebSocketBadStatusException, begun_s: float) -> None:
        told = (error.resp_headers or {}).get("retry-after", "")
        if error.status_code == OVERLOADED and told.isdigit() and self._rest.may_be_overloaded():
            self._count("connect (503)", _ms_since(begun_s))
        else:
            self._count("connect", _ms_since(begun_s), exception=error)
        gevent.sleep(float(told) if told.isdigit() else 0.0)

    def _read(self, socket: websocket.WebSocket) -> None:
        """Take messages until the connection ends.

        Raises:
            Closed, ProtocolViolation
        """
        while True:
            try:
                opcode, data = socket.recv_data()
            except (OSError, websocket.WebSocketException) as error:
                raise Closed(CUT, str(error)) from error
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                code = int.from_bytes(data[:2]) if len(data) >= 2 else CUT
                raise Closed(code, data[2:].decode(errors="replace"))
            self._take(socket, data)

    def _take(self, socket: websocket.WebSocket, data: bytes) -> None:
        try:
            message = msgpack.unpackb(data)
        except (ValueError, msgpack.UnpackException) as error:
            raise ProtocolViolation(f"not MessagePack: {error}") from error
        for event in self._resumption.receive(message):
            if isinstance(event, TweetEvent):
                made_ms = time_ms_of(int(event.tweet_id))
                # What was missed says how long the connection was away, nothing of the pushing.
                name = "push" if made_ms >= self._connected_ms else "push (missed)"
                self._count(name, max(0.0, time() * 1000 - made_ms), length=len(data))
            elif isinstance(event, Connected):
                self._healthy_since_s, self._connected_ms = monotonic(), time() * 1000
                socket.settimeout(2 * event.heartbeat_s + GRACE_S)
            elif isinstance(event, (More, Reset)):
                self.missed = True

    def _count(
        self, name: str, time_ms: float, *, length: int = 0, exception: Exception | None = None
    ) -> None:
        self._request.fire(  # type: ignore[no-untyped-call]
            request_type="WS",
            name=name,
            response_time=time_ms,
            response_length=length,
            exception=exception,
            context=self._context,
        )

    def _disconnect(self) -> None:
        """Close the connection without waiting for the server's answer."""
        self._resumption.lost()
        socket, self._socket = self._socket, None
        if socket is not None:
            if socket.connected:
                with suppress(OSError, websocket.WebSocketException):
                    socket.send_close(NORMAL)
            socket.shutdown()  # type: ignore[no-untyped-call]


def _ms_since(begun_s: float) -> float:
    return (monotonic() - begun_s) * 1000
