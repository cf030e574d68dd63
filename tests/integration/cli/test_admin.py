"""`rookery admin suspend` and `restore`, as an operator types them beside a server."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from click.testing import Result

from rookery.actors import names
from rookery.errors import ActorUnavailable
from rookery.messages import Invalidation
from tests.integration.cli.commands import command
from tests.integration.server.world import ServerThread, World, config


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[ServerThread]:
    made = ServerThread(config(tmp_path / "data", "inline"))
    await asyncio.to_thread(made.start)
    yield made
    await asyncio.to_thread(made.stop)


async def admin(server: ServerThread, *words: str) -> Result:
    """The result of a command about this server."""
    folder = str(server.config.server.data_dir)
    return await asyncio.to_thread(command, "admin", *words, "-d", folder)


def complaints(result: Result) -> list[str]:
    """What is said on standard error, where the server beside it logs as well."""
    return [each for each in result.stderr.splitlines() if each.startswith("rookery: ")]


async def test_an_account_is_suspended_and_restored(server: ServerThread) -> None:
    """In whatever case its name is written, and however often."""
    async with World(server) as world:
        ada = await world.person("ada")
        listener = await ada.listen()
        for act, status in (("suspend", 401), ("restore", 401)):
            for _ in range(2):
                result = await admin(server, act, ada.username.upper())
                assert (result.exit_code, complaints(result)) == (0, [])
                now = {"suspend": "suspended", "restore": "active"}[act]
                assert result.stdout == f"{ada.username} (id {ada.id}) is {now}\n"
            assert await world.statuses("/users/me", ada.session.token) == {status}
        await listener.until(lambda: listener.closed)
        again = await ada.another_device()
        assert await world.statuses("/users/me", again.session.token) == {200}


async def test_who_is_not_there_is_one_line(server: ServerThread) -> None:
    """And an exit status."""
    for act in ("suspend", "restore"):
        result = await admin(server, act, "nobody")
        assert (result.exit_code, result.stdout) == (1, "")
        assert complaints(result) == ["rookery: User not found"]


async def test_a_process_that_does_not_answer_is_told_of(server: ServerThread) -> None:
    """The account is suspended all the same."""
    async with World(server) as world:
        ada = await world.person("ada")

        async def fail(changes: list[Invalidation]) -> None:
            raise ActorUnavailable

        server.instance(names.connection_server(0)).invalidate = fail
        result = await admin(server, "suspend", ada.username)
        assert result.exit_code == 1
        assert "is suspended" in result.stdout
        assert "did not answer" in result.stderr
        assert await world.statuses("/users/me", ada.session.token) == {401}
