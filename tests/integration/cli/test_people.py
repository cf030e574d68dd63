"""`rookery tail` and `rookery demo` beside a server, as people use them."""

import asyncio
import contextlib
import json
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from tests.integration.cli.commands import command
from tests.integration.cli.programs import Program
from tests.integration.server.world import PASSWORD, Person, Place, ServerThread, World, config

pytestmark = pytest.mark.timeout(240)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[ServerThread]:
    """A server of the test's own, which has the same ports when it is started again."""
    ports = {"http": {"port": free_port()}, "live": {"port": free_port(), "servers": 1}}
    made = ServerThread(config(tmp_path / "data", "inline", **ports))
    await asyncio.to_thread(made.start)
    yield made
    await asyncio.to_thread(made.stop)


def tail_of(person: Person, server: Place, cwd: Path, *words: str) -> Program:
    options = ("--password", PASSWORD, "--url", server.http_url)
    return Program("tail", person.username, *options, *words, cwd=cwd)


def texts(program: Program) -> list[str]:
    """What tweets say in its lines, without time and name."""
    return [each.split(" ", 2)[2] for each in program.lines if each[2:3] == ":"]


def has_said(program: Program, text: str) -> bool:
    """Whether a text is in its output."""
    return text in "\n".join(program.lines)


class ServerProgram:
    """`rookery serve`, as a process that can be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.http_url = f"http://127.0.0.1:{port}"
        sections = {"http": {"port": port}, "live": {"port": free_port(), "servers": 1}}
        self.config = config(folder / "data", "inline", **sections)
        self._folder = folder
        lines = []
        for name in ("server", "http", "live", "auth", "limits"):
            values = msgspec.to_builtins(getattr(self.config, name))
            lines += [f"[{name}]", *(f"{key} = {json.dumps(values[key])}" for key in values)]
        (folder / "server.toml").write_text("\n".join(lines), encoding="utf-8")

    def start(self) -> None:
        self._program = Program("serve", "--config", "server.toml", cwd=self._folder)
        self._program.until(lambda: "Ctrl-C stops it." in self._program.lines, "a server")

    def stop(self) -> None:
        with self._program as program:
            program.end()


@pytest.fixture
def server_program(tmp_path: Path) -> Iterator[ServerProgram]:
    """A server in a process of its own."""
    made = ServerProgram(tmp_path)
    made.start()
    yield made
    made.stop()


async def test_tail_loses_and_doubles_nothing_over_a_restart(
    server_program: ServerProgram, tmp_path: Path
) -> None:
    """What was posted while it was not connected is printed, in order, with what came before."""
    server = server_program
    async with World(server) as world:
        author, reader = await world.people(2)
        await reader.follow(author)
        await author.post("first")
        with (
            tail_of(reader, server, tmp_path) as plain,
            tail_of(reader, server, tmp_path, "--json") as as_json,
        ):
            both = (plain, as_json)
            for each in both:
                await asyncio.to_thread(each.until, each.is_connected, "a connection")
            await asyncio.to_thread(plain.until, lambda: "first" in texts(plain), "the page")
            await author.post("second")
            for each in both:
                await asyncio.to_thread(each.until, partial(has_said, each, "second"), "the second")
                each.process.send_signal(signal.SIGSTOP)
            await asyncio.to_thread(server.stop)
            await asyncio.to_thread(server.start)
            for number in range(3, 130):
                await author.post(f"number {number}")
            for each in both:
                each.process.send_signal(signal.SIGCONT)
            for each in both:
                await asyncio.to_thread(
                    each.until, partial(has_said, each, "number 129"), "the last"
                )
            await author.post("live again")
            for each in both:
                await asyncio.to_thread(
                    each.until, partial(has_said, each, "live again"), "what came then"
                )
            missed = [f"number {number}" for number in range(3, 130)]
            assert texts(plain) == ["first", "second", *missed, "live again"]
            events = [json.loads(each) for each in as_json.lines]
            said = [each["tweet"]["text"] for each in events if each["type"] == "TweetEvent"]
            assert said == ["second", *missed, "live again"]
            assert plain.end() == as_json.end() == 130
            assert "Traceback" not in " ".join([*plain.errors, *as_json.errors])


async def test_what_people_post_does_nothing_to_a_terminal(
    server: ServerThread, tmp_path: Path
) -> None:
    """Markup, emoji names and line breaks of a post are shown as they are, and indented."""
    async with World(server) as world:
        author, reader = await world.people(2)
        await reader.follow(author)
        with tail_of(reader, server, tmp_path) as program:
            await asyncio.to_thread(program.until, program.is_connected, "a connection")
            await author.post("[/x] :runner: [red]me[/red]\n12:00:00 @bob I resign")
            await author.post("done")
            await asyncio.to_thread(
                program.until, lambda: "done" in " ".join(program.lines), "the posts"
            )
            assert texts(program) == ["[/x] :runner: [red]me[/red]", "done"]
            assert "    12:00:00 @bob I resign" in program.lines


async def test_demo_finds_its_server_and_leaves_others_alone(
    server: ServerThread, tmp_path: Path
) -> None:
    """In the server's folder it needs no address; a real ada keeps her name; Ctrl-C is quiet."""
    async with World(server) as world:
        client = await world.client()
        await client.sign_up(
            email="ada@example.org", username="ada", password="something else", name="Ada"
        )
        options = ("--people", "3", "--rate", "20", "--data", str(tmp_path / "data"))
        with Program("demo", *options, cwd=tmp_path) as program:
            await asyncio.to_thread(
                program.until, lambda: "Below it is live" in " ".join(program.lines), "the people"
            )
            assert "3 people are there: ada2, bruno, chika" in program.lines[0]
            assert f"--url {server.http_url}" in program.lines[1]
            await asyncio.to_thread(_wait_for_posts, server)
            assert await asyncio.to_thread(program.end) == 130
        told = "\n".join(program.errors)
        assert "there is another ada; the demo's is ada2" in told
        assert "never retrieved" not in told and "Traceback" not in told
        await client.log_in("something else", username="ada")


def _wait_for_posts(server: ServerThread) -> None:
    """Until the demo's people have said something."""
    import sqlite3
    import time

    until_s = time.monotonic() + 20
    path = Path(server.config.server.data_dir) / "rookery.sqlite"
    while time.monotonic() < until_s:
        store = sqlite3.connect(path)
        try:
            if store.execute("SELECT count(*) FROM tweets").fetchone()[0] > 2:
                return
        finally:
            store.close()
        time.sleep(0.05)
    raise AssertionError("nobody posted")


async def test_demo_ends_by_itself(server: ServerThread, tmp_path: Path) -> None:
    """After its time it says what was done, and ends with status 0."""
    options = ("--people", "2", "--minutes", "0.05", "--rate", "20", "--url", server.http_url)
    result = await asyncio.to_thread(command, "demo", *options)
    assert result.exit_code == 0, result.output
    assert "They stay; run it again for more." in result.stdout


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.0.0.5", "machine.example"])
async def test_a_stream_is_named_by_the_address_that_was_used(tmp_path: Path, host: str) -> None:
    """A server on all addresses tells each client the one which it came by."""
    import aiohttp

    everywhere = {"http": {"host": "0.0.0.0", "port": 0}, "live": {"host": "0.0.0.0", "port": 0}}
    server = ServerThread(config(tmp_path / "data", "inline", **everywhere))
    await asyncio.to_thread(server.start)
    try:
        assert server.http_url.startswith("http://127.0.0.1:")
        async with World(server) as world, aiohttp.ClientSession() as http:
            (person,) = await world.people(1)
            headers = {"Authorization": f"Bearer {person.session.token}", "Host": f"{host}:8000"}
            async with http.get(f"{server.http_url}/api/v1/stream", headers=headers) as answer:
                url = (await answer.json())["url"]
        port = server.server.live_ports[0]
        assert url == f"ws://{host}:{port}/stream"
    finally:
        await asyncio.to_thread(server.stop)


async def test_a_server_on_ipv6_can_be_used(tmp_path: Path) -> None:
    """Its addresses stand in brackets, and a client follows them."""
    with contextlib.closing(socket.socket(socket.AF_INET6)) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("no IPv6 here")
    six = {"http": {"host": "::1", "port": 0}, "live": {"host": "::1", "port": 0}}
    server = ServerThread(config(tmp_path / "data", "inline", **six))
    await asyncio.to_thread(server.start)
    try:
        assert server.http_url.startswith("http://[::1]:")
        async with World(server) as world:
            (person,) = await world.people(1)
            listener = await person.listen()
            posted = await person.post("over IPv6")
            await listener.until(lambda: listener.tweet_ids == [posted])
    finally:
        await asyncio.to_thread(server.stop)
