"""`rookery.control`: who may speak to the operator's channel."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from rookery import security_log
from rookery.control import ControlServer, audited, find, single


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


@pytest.mark.parametrize("missed", [[], ["gateway 2"]])
async def test_the_log_tells_which_processes_an_act_missed(
    tmp_path: Path, missed: list[str]
) -> None:
    """New keys are not in use there yet."""

    async def rotate(arguments: Mapping[str, Any]) -> dict[str, Any]:
        return {"key": "2", "missed": missed}

    security_log.configure(str(tmp_path / "log"))
    try:
        command = audited("rotate-keys", single(rotate), lambda _: {})
        assert [each async for each in command({})] == [{"key": "2", "missed": missed}]
    finally:
        security_log.configure("")
    told = json.loads((tmp_path / "log").read_text())
    assert told.get("missed", []) == missed
