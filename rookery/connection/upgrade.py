"""Answers to the HTTP request that opens a stream: let in, or refused with a status.

No I/O. What stands in the request is read by `handshake`.
"""

import logging
from collections.abc import Callable
from http import HTTPStatus

from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from rookery.connection.handshake import (
    host_fault,
    is_stream_path,
    is_version_refused,
    select_subprotocol,
    tell_version,
)
from rookery.connection.settings import StreamSettings

_log = logging.getLogger("rookery.connection.protocol")
_log.setLevel(logging.ERROR)  # the library tells of each opening and closing


def new_protocol(settings: StreamSettings) -> ServerProtocol:
    """The library's side of a connection, with our subprotocols."""
    return ServerProtocol(
        select_subprotocol=select_subprotocol, max_size=settings.max_frame_bytes, logger=_log
    )


def answer_to(protocol: ServerProtocol, request: Request, has_room: Callable[[], bool]) -> Response:
    """The answer to a request that can be read; its status is 101 if it is let in."""
    response = _judged(protocol, request, has_room)
    return response if response.status_code == 101 else _marked_as_text(response)


def refusal(protocol: ServerProtocol, status: HTTPStatus, text: str) -> Response:
    """The answer to what was not read, or cannot be."""
    return _marked_as_text(protocol.reject(status, text + "\n"))


def _judged(protocol: ServerProtocol, request: Request, has_room: Callable[[], bool]) -> Response:
    response = protocol.accept(request)
    fault = host_fault(request.headers)
    if response.status_code == 101:
        if not is_stream_path(request.path):
            response = protocol.reject(HTTPStatus.NOT_FOUND, "Connect to /stream.\n")
        elif not has_room():
            response = protocol.reject(HTTPStatus.SERVICE_UNAVAILABLE, "The server is full.\n")
            response.headers["Retry-After"] = "5"
    if fault is not None and response.status_code in (101, HTTPStatus.BAD_REQUEST):
        response = protocol.reject(HTTPStatus.BAD_REQUEST, fault + "\n")
    elif response.status_code == HTTPStatus.BAD_REQUEST and is_version_refused(request.headers):
        text = "Only version 13 of the WebSocket protocol is spoken here.\n"
        response = protocol.reject(HTTPStatus.UPGRADE_REQUIRED, text)
    if response.status_code in (HTTPStatus.BAD_REQUEST, HTTPStatus.UPGRADE_REQUIRED):
        tell_version(response)
    return response


def _marked_as_text(refused: Response) -> Response:
    """Keep browsers from taking a refusal for anything else."""
    refused.headers["X-Content-Type-Options"] = "nosniff"
    return refused
