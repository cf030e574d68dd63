"""Listening: the port, and the end of it."""

import socket

import pytest

from rookery.errors import PortTaken
from rookery.http.protocol.message import Request, Response
from rookery.http.protocol.server import serve
from tests.integration.http_world import http_world


async def nothing(request: Request) -> Response:
    return Response(200, b"", {})


async def test_taken_port_is_explained() -> None:
    """Who cannot listen is told where, and how to choose another port."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortTaken) as caught:
            await serve(nothing, "127.0.0.1", port)
    assert str(caught.value) == (
        f"port {port} on 127.0.0.1 is in use; choose another with --http-port or ROOKERY_HTTP_PORT"
    )


async def test_port_is_shared_where_that_is_asked_for() -> None:
    """Two listeners with `reuse_port` stand on the same port."""
    first = await serve(nothing, "127.0.0.1", 0, reuse_port=True)
    try:
        second = await serve(nothing, "127.0.0.1", first.port, reuse_port=True)
        assert second.port == first.port
        await second.close()
    finally:
        await first.close()


async def test_port_is_free_again_after_the_end() -> None:
    """Cleaning up closes the listener."""
    async with http_world() as world:
        port = world.port
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
