"""`rookery.control`: who may speak to the operator's channel."""

import asyncio
from pathlib import Path

import pytest

from rookery.control import ControlServer, find


@pytest.mark.parametrize("given", [b"Bearer \xff", b"Bearer guessed", b"\xc3\x28", b""])
async def test_who_does_not_know_the_secret_is_refused(tmp_path: Path, given: bytes) -> None:
    """Whatever bytes it sends instead."""
    server = ControlServer(tmp_path, {})
    await server.start()
    try:
        address = find(tmp_path)
        assert address is not None
        reader, writer = await asyncio.open_connection("127.0.0.1", address.port)
        head = b"POST /status HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n"
        writer.write(head + b"Authorization: " + given + b"\r\n\r\n")
        assert (await reader.readline()).split()[1] == b"401"
        writer.close()
    finally:
        await server.stop()
