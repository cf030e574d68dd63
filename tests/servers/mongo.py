"""Real MongoDB servers of tests' own: `mongod` processes that make a replica set.

The program comes with a package from PyPI (a development dependency). What is killed here, or
thrown away, is journaled: what was acknowledged is there after the next start.
"""

import contextlib
import gc
import os
import signal
import subprocess
import time
import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pymongo
from pymongo.errors import OperationFailure, PyMongoError

from tests.servers.machine import free_port, missing

START_BOUND_S = 30.0
REPLICA_SET = "rs0"
LIFETIME_S = 5
"""So long what a dead client had open stays closed to others."""
ELECTION_MS = 1_000
"""A secondary that misses its primary for so long asks for an election."""
ALREADY_INITIALIZED = 23

Hello = dict[str, Any]


def program() -> Path | None:
    """The `mongod` of the package; None where it is not installed."""
    found = find_spec("fiftyone")
    places = [] if found is None else list(found.submodule_search_locations or ())
    paths = [Path(each) / "db/bin/mongod" for each in places]
    return next((path for path in paths if path.exists()), None)


def required() -> None:
    """Skip the test where there is no `mongod`; fail it where CI runs."""
    if program() is None:
        missing("mongod is not installed; make install-dev does it")


@contextlib.contextmanager
def lost_sockets_collected() -> Iterator[None]:
    """Have done with the sockets that PyMongo loses, before other tests hear of them.

    It does not close a socket whose connecting is cancelled, as by closing a client whose server
    is gone (`pymongo.pool_shared._async_create_connection`).
    """
    yield
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "unclosed <socket", ResourceWarning)
        gc.collect()


class MongoMember:
    """One `mongod` over a folder. `start` it; all methods block.

    It can be killed, paused, and started again on the same data.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = None,
        replica_set: str | None = REPLICA_SET,
        lifetime_s: int = LIFETIME_S,
    ) -> None:
        """`replica_set` None makes it a standalone."""
        self.folder = folder
        self._lifetime_s = lifetime_s
        self.port = port or free_port()
        self._replica_set = replica_set
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None, "start() comes first"
        return self._process.pid

    def start(self) -> None:
        """Start the process and return when it answers."""
        path = program()
        assert path is not None, "required() comes first"
        data = self.folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        settings = {
            "transactionLifetimeLimitSeconds": self._lifetime_s,
            "diagnosticDataCollectionEnabled": "false",
            # Else a secondary waits 5 s longer for a primary that hangs before it asks another.
            "oplogNetworkTimeoutBufferSeconds": 1,
            # A primary that is told to end waits so long for another one to take over.
            "shutdownTimeoutMillisForSignaledShutdown": 100,
        }
        command = [
            *(str(path), "--bind_ip", "127.0.0.1", "--port", str(self.port), "--nounixsocket"),
            *("--dbpath", str(data), "--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "200"),
        ]
        for name, value in settings.items():
            command += ("--setParameter", f"{name}={value}")
        if self._replica_set is not None:
            command += ("--replSet", self._replica_set)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C at the terminal is for the tests
            )
        self.until(lambda _: True, "answer")

    def until(self, condition: Callable[[Hello], object], what: str) -> None:
        """Return when what it says of itself meets `condition`."""
        deadline = time.monotonic() + START_BOUND_S
        while True:
            with contextlib.suppress(PyMongoError):
                if condition(self.command({"hello": 1})):
                    return
            assert self._process is not None
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = self.log()
                self.stop()
                raise AssertionError(f"mongod at {self.address} does not {what}: {said}")
            time.sleep(0.02)

    def command(self, command: dict[str, Any]) -> dict[str, Any]:
        """The answer of this very member to a command on `admin`."""
        with self.client() as client:
            return client.admin.command(command)

    def client(self) -> pymongo.MongoClient[dict[str, Any]]:
        """A client of this very member, whatever it is in its set."""
        return pymongo.MongoClient(
            "127.0.0.1",
            self.port,
            directConnection=True,
            serverSelectionTimeoutMS=1000,
            socketTimeoutMS=5000,
        )

    def log(self) -> str:
        """The end of what the server has written."""
        return (self.folder / "log").read_text(errors="replace")[-4000:]

    def kill(self) -> None:
        """End it at once (SIGKILL), and return when it is gone; nothing if it does not run."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def pause(self) -> None:
        """Stop it where it stands (SIGSTOP): connections stay, answers do not come."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT it."""
        os.kill(self.pid, signal.SIGCONT)

    stop = kill
    """Its data are thrown away, or are read by the next start: there is nothing to wait for."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


class MongoServer(MongoMember):
    """A replica set of one member, which is its primary when `start` returns."""

    @property
    def uri(self) -> str:
        return f"mongodb://{self.address}/?replicaSet={self._replica_set}"

    def start(self) -> None:
        super().start()
        assert self._replica_set is not None
        initiate(self._replica_set, (self,))
        self.until(lambda hello: hello["isWritablePrimary"], "become primary")


class MongoReplicas:
    """A replica set of three members. A context manager; all methods block."""

    def __init__(self, folder: Path) -> None:
        self.members = tuple(MongoMember(folder / str(number)) for number in range(3))

    @property
    def uri(self) -> str:
        hosts = ",".join(member.address for member in self.members)
        return f"mongodb://{hosts}/?replicaSet={REPLICA_SET}"

    @property
    def primary(self) -> MongoMember:
        """The member that a majority follows."""
        with pymongo.MongoClient[dict[str, Any]](self.uri) as client:
            client.admin.command("ping")
            assert client.primary is not None
            port = client.primary[1]
        return next(member for member in self.members if member.port == port)

    def start(self) -> None:
        """Start all, and return when there is a primary that the two others follow."""
        for member in self.members:
            member.start()
        initiate(REPLICA_SET, self.members)
        self.settle()

    def settle(self) -> None:
        """Return when there is a primary that the two others follow."""
        for member in self.members:
            member.until(lambda hello: hello.get("primary"), "know a primary")
            member.until(lambda hello: hello["secondary"] or hello["isWritablePrimary"], "follow")

    def stop(self) -> None:
        for member in self.members:
            member.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def initiate(name: str, members: tuple[MongoMember, ...]) -> None:
    """Make a replica set of `members`, if they are not yet one."""
    first = members[0]
    hosts = [{"_id": number, "host": each.address} for number, each in enumerate(members)]
    with first.client() as client:
        if "setName" in client.admin.command("hello"):
            return
        made = {
            "_id": name,
            "members": hosts,
            "settings": {"electionTimeoutMillis": ELECTION_MS, "heartbeatIntervalMillis": 500},
        }
        try:
            client.admin.command("replSetInitiate", made)
        except OperationFailure as error:
            if error.code != ALREADY_INITIALIZED:
                raise
