"""Addresses of stores, as operators write them: ``sqlite:FOLDER`` and ``mongodb://…/DATABASE``."""

import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

from rookery import config
from rookery.errors import ConfigError, StartupError
from rookery.redaction import redacted_address, said_of
from rookery.store import SQLITE_FILE, StoreParts, clock_ms
from rookery.store.engine import Reader
from rookery.store.mongo import MongoStore
from rookery.store.mongo.client import Connection
from rookery.store.mongo.migrations import stored_version
from rookery.store.schema import COLLECTIONS, LEASES
from rookery.store.sqlite import SqliteStore

TIMEOUT_S = 20.0
"""So long MongoDB may take for a batch or a read, or be away."""
_FORMS = (
    "write sqlite:FOLDER or mongodb://HOST:PORT/DATABASE?replicaSet=NAME, or env:VARIABLE for one"
    " with a password"
)


class StoreAddress(Protocol):
    """Where a store is."""

    @property
    def name(self) -> str:
        """The address without name and password; the same for the same store."""
        ...

    def opened(self, *, exists: bool) -> AbstractAsyncContextManager[StoreParts]:
        """The store at the address, as a context manager.

        `exists`: it has to be there, and no server may be using it; else it is made.

        Raises:
            StartupError: it cannot be used; the text says why and what to do.
        """
        ...


@dataclass(frozen=True)
class SqliteAddress:
    """A data folder."""

    folder: Path

    @property
    def name(self) -> str:
        return f"sqlite:{self.folder.resolve()}"

    @asynccontextmanager
    async def opened(self, *, exists: bool) -> AsyncIterator[StoreParts]:
        """Holds the folder's writer lock meanwhile."""
        path = self.folder / SQLITE_FILE
        if exists and not path.exists():
            raise StartupError(
                f"There is no store in {self.folder}: it has no file {SQLITE_FILE}."
                " Name the data folder of a server (its setting server.data_dir)"
            )
        store = SqliteStore(path, COLLECTIONS, clock_ms=clock_ms)
        try:
            yield StoreParts(store.reader, store.writer)
        finally:
            await store.close()


@dataclass(frozen=True)
class MongoAddress:
    """A MongoDB database."""

    uri: str
    database: str
    hosts: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"mongodb://{','.join(self.hosts)}/{self.database}"

    @asynccontextmanager
    async def opened(self, *, exists: bool) -> AsyncIterator[StoreParts]:
        """Nothing keeps servers away; one that runs has leases in force."""
        settings = config.Store(
            engine="mongo",
            mongo_uri=self.uri,
            mongo_database=self.database,
            timeout_s=TIMEOUT_S,
        )
        if exists and await _version(settings) == 0:
            raise StartupError(
                f"There is no store in {self.name}: the database is empty, or not Rookery's."
                " Correct its name, or that of the server"
            )
        store = await MongoStore.open(settings, COLLECTIONS)
        try:
            if exists:
                await _check_unused(self.name, store.reader)
            yield StoreParts(store.reader, store.writer)
        finally:
            await store.close()


def parse(text: str) -> StoreAddress:
    """The address written in `text`; after ``env:`` comes the variable that holds it.

    So that a password need not be among the arguments, which every user of the machine sees.

    Raises:
        ConfigError: it is none; the text says how to write one.
    """
    scheme, _, rest = text.partition(":")
    if scheme == "env":
        text = os.environ.get(rest, "")
        if not text:
            raise ConfigError(f"there is no address in the environment variable {rest}: {_FORMS}")
        scheme, _, rest = text.partition(":")
    if scheme == "sqlite" and rest:
        return SqliteAddress(Path(rest))
    if scheme not in ("mongodb", "mongodb+srv"):
        raise ConfigError(f"{redacted_address(text)!r} is not the address of a store: {_FORMS}")
    shown = redacted_address(text)
    try:
        parsed = parse_uri(text)
    except (PyMongoError, ValueError) as error:
        said = said_of(text, error)
        raise ConfigError(f"{shown} is not an address of MongoDB ({said}): {_FORMS}") from error
    if not parsed["database"]:
        raise ConfigError(f"{shown} names no database: {_FORMS}")
    hosts = tuple(sorted(f"{host}:{port}" for host, port in parsed["nodelist"]))
    return MongoAddress(text, parsed["database"], hosts)


async def _version(settings: config.Store) -> int | None:
    """The schema version; None where that cannot be read, and opening will say why."""
    connection = Connection(settings)
    try:
        return await stored_version(connection.database())
    except (PyMongoError, ValueError):
        return None
    finally:
        await connection.close()


async def _check_unused(name: str, reader: Reader) -> None:
    leases = await reader.range(LEASES, limit=1024)
    now_ms = clock_ms()
    used = [lease for lease in leases if lease["expires_ms"] > now_ms]
    if used:
        holders = ", ".join(sorted(lease["holder"].partition(":")[0] or "?" for lease in used))
        wait_s = max(lease["expires_ms"] - now_ms for lease in used) / 1000
        raise StartupError(
            f"A server is using {name} ({holders}): stop it and run the same command again."
            f" After a server was killed, wait {wait_s:.0f} s"
        )
