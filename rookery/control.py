"""The control channel: how the command line speaks with a running server on the same machine.

The serving process listens on a loopback port of the system's choice and writes the address and a
secret into ``control.json`` in its data folder, readable by its user only: whoever may read the
data folder may control the server. Requests and answers are JSON lines over HTTP.
"""

import asyncio
import hmac
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from rookery.errors import Forbidden, NotFound, RookeryError, Unavailable, reason_of
from rookery.permissions import open_private
from rookery.security_log import Event, Origin, Refusals, operator, record

CONTROL_FILE = "control.json"
MAX_BODY_BYTES = 64 * 2**20

Command = Callable[[Mapping[str, Any]], AsyncIterator[Any]]
"""Takes arguments and yields answers, each anything msgspec can encode."""


class Address(msgspec.Struct, frozen=True):
    """What ``control.json`` holds."""

    port: int
    secret: str
    pid: int


class ControlServer:
    """Answers commands of the command line."""

    def __init__(self, data_dir: Path, commands: Mapping[str, Command]) -> None:
        self._file = data_dir / CONTROL_FILE
        self._commands = commands
        self._secret = secrets.token_urlsafe(32)
        self._refusals = Refusals()

    async def start(self) -> None:
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_post("/{command}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        address = Address(self._runner.addresses[0][1], self._secret, os.getpid())
        with suppress(FileNotFoundError):
            self._file.unlink()  # a file that is made anew is ours, and nobody has it open
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(open_private(self._file, flags), "wb") as file:
            file.write(msgspec.json.encode(address))

    async def stop(self) -> None:
        with suppress(FileNotFoundError):
            self._file.unlink()
        await self._runner.cleanup()
        self._refusals.summarise()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(errors="surrogateescape"), self._secret.encode()):
            self._refusals.refused("control_secret", lambda: Origin(request.remote or ""))
            raise web.HTTPUnauthorized
        command = self._commands.get(request.match_info["command"])
        if command is None:
            raise web.HTTPNotFound
        arguments = msgspec.json.decode(await request.read() or b"{}")
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        try:
            async for answer in command(arguments):
                await response.write(msgspec.json.encode({"answer": answer}) + b"\n")
        except RookeryError as error:
            told = {"error": str(error), "code": error.code}
            await response.write(msgspec.json.encode(told) + b"\n")
        return response


class ControlError(RookeryError):
    """The server refused a command; the text is its own."""


def find(data_dir: Path) -> Address | None:
    """The server that runs on a data folder, if there is one."""
    try:
        address = msgspec.json.decode((data_dir / CONTROL_FILE).read_bytes(), type=Address)
        os.kill(address.pid, 0)
    except (OSError, msgspec.DecodeError):
        return None
    return address


def _is_closed(data_dir: Path) -> bool:
    try:
        with open(data_dir / CONTROL_FILE, "rb"):
            return False
    except PermissionError:
        return True
    except OSError:
        return False


class Control:
    """Speaks with the server of a data folder. An async context manager.

    Raises:
        NotFound: no server runs there.
        Forbidden: the folder is another user's.
    """

    def __init__(self, data_dir: Path) -> None:
        if _is_closed(data_dir):
            raise Forbidden(
                f"the data folder {data_dir} is closed to user {os.geteuid()}; give the command as"
                " the user who runs the server"
            )
        address = find(data_dir)
        if address is None:
            raise NotFound(
                f"no server is running on the data folder {data_dir}; start one with: rookery serve"
            )
        self._session = aiohttp.ClientSession(
            f"http://127.0.0.1:{address.port}",
            headers={"Authorization": f"Bearer {address.secret}"},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=5),
            read_bufsize=2**20,
        )

    async def __aenter__(self) -> "Control":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def stream(self, command: str, **arguments: Any) -> AsyncIterator[Any]:
        """The answers to a command, as they come. The server is told who gives it.

        Raises:
            ControlError: the server refused, with its text.
            Unavailable: the server went away.
        """
        try:
            async with self._session.post(
                f"/{command}", data=msgspec.json.encode({"operator": operator(), **arguments})
            ) as response:
                response.raise_for_status()
                while line := await _line(response.content):
                    answer = msgspec.json.decode(line)
                    if "error" in answer:
                        raise ControlError(answer["error"])
                    yield answer["answer"]
        except (TimeoutError, aiohttp.ClientError) as error:
            raise Unavailable(f"the server does not answer: {reason_of(error)}") from error

    async def call(self, command: str, **arguments: Any) -> Any:
        """The last answer to a command; None if it gives none."""
        last = None
        async for answer in self.stream(command, **arguments):
            last = answer
        return last


async def _line(content: aiohttp.StreamReader) -> bytes:
    """One line, however long; empty at the end."""
    parts = []
    while True:
        try:
            parts.append(await content.readuntil(b"\n"))
            return b"".join(parts)
        except ValueError:  # longer than the buffer
            parts.append(await content.readany())
        except asyncio.IncompleteReadError as error:
            return b"".join([*parts, error.partial])


def single(handler: Callable[[Mapping[str, Any]], Awaitable[Any]]) -> Command:
    """A command that gives one answer."""

    async def command(arguments: Mapping[str, Any]) -> AsyncIterator[Any]:
        yield await handler(arguments)

    return command


def audited(
    name: str, command: Command, facts: Callable[[Mapping[str, Any]], Mapping[str, Any]]
) -> Command:
    """`command` as one that the security log hears of, however it ends.

    `facts` says what of its arguments is logged. Processes that an answer says were `missed` are
    logged, too.
    """

    async def logged(arguments: Mapping[str, Any]) -> AsyncIterator[Any]:
        what = {"act": name, "operator": arguments.get("operator", ""), **facts(arguments)}
        try:
            async for answer in command(arguments):
                if isinstance(answer, Mapping) and answer.get("missed"):
                    what["missed"] = answer["missed"]
                yield answer
        except RookeryError as error:
            record(Event.OPERATOR, "failure", reason=error.code, **what)
            raise
        except BaseException:
            record(Event.OPERATOR, "failure", reason="broken_off", **what)
            raise
        record(Event.OPERATOR, "success", **what)

    return logged
