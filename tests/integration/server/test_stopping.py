"""``rookery serve`` honours a signal at any moment, and a clean stop leaves a whole store."""

import asyncio
import signal
import sqlite3
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from rookery.client import Client
from tests.integration.server.command import Command, Server, deaf

RUNTIMES = ["inline", pytest.param("ray", marks=pytest.mark.ray)]
DELAYS_S = [0.2, 0.5, 1.0, 2.0, 3.0, 5.0]
DEAF = 10
POSTS = 200


async def fill(server: Server) -> list[asyncio.StreamWriter]:
    """Clients that stop reading, and more tweets for them than their sockets hold."""
    async with Client(server.url) as client:
        session = await client.sign_up(
            email="a@x.example", username="ada", password="correct horse battery", name="Ada"
        )
        clients = [await deaf(server.live_port, session.token) for _ in range(DEAF)]
        for first in range(0, POSTS, 20):
            await asyncio.gather(
                *(client.post(f"{'x' * 250} {number}") for number in range(first, first + 20))
            )
    return clients


def tweets_in_copy(server: Server) -> int:
    """How many tweets somebody has who copies the file alone."""
    copy = server.folder / "copy.sqlite"
    copy.write_bytes((server.folder / "data" / "rookery.sqlite").read_bytes())
    connection = sqlite3.connect(copy)
    try:
        (count,) = connection.execute("SELECT count(*) FROM tweets").fetchone()
        return int(count)
    finally:
        connection.close()


@pytest.mark.timeout(180)
@pytest.mark.parametrize("runtime", RUNTIMES)
async def test_clients_that_stop_reading_cost_the_store_nothing(
    tmp_path: Path, runtime: str
) -> None:
    """After SIGTERM only the store's file is there, everything in it, and the status is 0."""
    async with Server(tmp_path, runtime) as server:
        await server.until_said("is ready")
        clients = await fill(server)
        server.send(signal.SIGTERM)
        assert await server.status() == 0, server.said
        assert server.files == ["rookery.sqlite"]
        assert tweets_in_copy(server) == POSTS
        for each in clients:
            each.close()


def shows_traceback(said: str) -> bool:
    """Whether our code is shown; Python's own, while it starts itself, is not ours to hide."""
    return "Traceback" in said and "rookery/" in said


@pytest.mark.timeout(180)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("delay_s", DELAYS_S)
@pytest.mark.parametrize("runtime", RUNTIMES)
async def test_a_signal_is_honoured_at_any_moment_of_the_start(
    tmp_path: Path, runtime: str, delay_s: float, number: signal.Signals
) -> None:
    """It ends soon, says so, shows no traceback, and leaves no process behind."""
    async with Server(tmp_path, runtime) as server:
        # The moment is what is tried; those after the start are all the same.
        with suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await server.until_said("is ready")
        server.send(number)
        status = await server.status()
        said = server.said
        assert status in (0, 128 + number, -number), said
        assert not shows_traceback(said)
        # Python itself says nothing of ours if it has yet to reach the program.
        assert "stop" in said or delay_s < 1.0
        await server.until_nothing_is_left()


async def test_a_stop_is_announced_at_once(tmp_path: Path) -> None:
    """Also where it then takes its time, as with a request that is not answered yet."""
    async with Server(tmp_path, "inline") as server:
        await server.until_said("is ready")
        _, writer = await asyncio.open_connection("127.0.0.1", server.http_port)
        writer.write(b"POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
        await writer.drain()
        server.send(signal.SIGTERM)
        await server.until_said("stopping …", within_s=2.0)
        assert await server.status() == 0, server.said
        assert server.files == ["rookery.sqlite"]
        writer.close()


async def test_a_second_signal_waits_for_the_store_only(tmp_path: Path) -> None:
    """What is cut off is told by the exit status; the store is whole all the same."""
    async with Server(tmp_path, "inline") as server:
        await server.until_said("is ready")
        _, writer = await asyncio.open_connection("127.0.0.1", server.http_port)
        writer.write(b"POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
        await writer.drain()
        server.send(signal.SIGTERM)
        await server.until_said("stopping …")
        server.send(signal.SIGTERM)
        assert await server.status() == 3, server.said
        assert "Gateway-0 did not stop in time" in server.said
        assert server.files[0] == "rookery.sqlite"
        writer.close()


async def test_a_last_checkpoint_that_fails_is_told(tmp_path: Path) -> None:
    """Somebody reads the file and does not end: the log stays beside it, and the status says so."""
    async with Server(tmp_path, "inline") as server:
        await server.until_said("is ready")
        reader = sqlite3.connect(tmp_path / "data" / "rookery.sqlite", isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM users").fetchone()
        async with aiohttp.ClientSession() as http:
            body = {
                "email": "a@x.example",
                "username": "ada",
                "password": "correct horse battery",
                "name": "Ada",
            }
            async with http.post(f"{server.url}/api/v1/signup", json=body) as answer:
                assert answer.status == 201
        server.send(signal.SIGTERM)
        assert await server.status() == 3, server.said
        assert "could not be folded" in server.said
        reader.close()


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that takes some seconds to load."""
    path = tmp_path_factory.mktemp("events") / "events.txt"
    with path.open("w") as file:
        for number in range(400_000):
            file.write(f"{number % 90_000 + 1} {number % 80_001 + 2} {1_341_100_972 + number} MT\n")
    return path


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("delay_s", [0.3, 2.0, 4.0])
async def test_a_load_is_ended_by_a_signal(
    tmp_path: Path, events: Path, delay_s: float, number: signal.Signals
) -> None:
    """At any moment, in order or after 5 s, and without a traceback."""
    arguments = ("load", str(events), "--data", str(tmp_path / "data"))
    async with Command(tmp_path / "load", *arguments) as command:
        await asyncio.sleep(delay_s)  # the moment is what is tried
        command.send(number)
        assert await command.status() in (128 + number, -number), command.said
        assert not shows_traceback(command.said)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_tail_is_ended_by_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    """With the status that a shell expects, and without a traceback."""
    async with Server(tmp_path / "server", "inline") as server:
        await server.until_said("is ready")
        async with Client(server.url) as client:
            session = await client.sign_up(
                email="a@x.example", username="bea", password="correct horse battery", name="Bea"
            )
        arguments = ("tail", "--token", session.token, "--url", server.url)
        async with Command(tmp_path / "tail", *arguments) as command:
            await command.until_said("connected")
            command.send(number)
            assert await command.status() == 128 + number, command.said
            assert "Traceback" not in command.said
