"""What is looked at before a server starts on MongoDB; whatever is wrong has its sentence."""

import asyncio
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import pymongo
import structlog
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import (
    ConfigurationError,
    ConnectionFailure,
    InvalidURI,
    OperationFailure,
    PyMongoError,
)
from pymongo.uri_parser import parse_uri

from rookery import config
from rookery.errors import StartupError
from rookery.store.engine import Collection
from rookery.store.mongo.client import Connection
from rookery.store.mongo.migrations import Migration, migrate, migrations, schema_differences

log = structlog.get_logger(__name__)

LEAST_VERSION = (6, 0)
"""The oldest MongoDB that the engine was tested on. It needs 5.1 for `$documents` in pipelines."""

LIFETIME = "transactionLifetimeLimitSeconds"
LONGEST_LIFETIME_S = 10

_SCHEMES = ("mongodb://", "mongodb+srv://")
_AUTHENTICATION_FAILED = 18
_UNAUTHORIZED = 13
_EXAMPLE = "mongodb://HOST:27017/?replicaSet=rs0"
_MAKE_REPLICA_SET = (
    "Rookery needs transactions, which MongoDB has on a replica set alone; one member is enough: "
    "start it with mongod --replSet rs0, run rs.initiate() once in mongosh, and set "
    f"store.mongo_uri to {_EXAMPLE}."
)


async def prepare(
    settings: config.Store,
    collections: Sequence[Collection],
    *,
    steps: Sequence[Migration] | None = None,
) -> None:
    """Check the configured MongoDB, and bring the database to this program's schema version.

    Raises:
        StoreTooNew: a newer release wrote the database.
        StartupError: it cannot be used; the text says why and what to do.
    """
    connection = Connection(settings)
    try:
        try:
            if not settings.mongo_uri.startswith(_SCHEMES):  # the driver takes a bare host as well
                raise InvalidURI(f"it does not begin with {' or '.join(_SCHEMES)}")
            database = connection.database()
            hello = await database.client.admin.command("hello")
            check_server(hello, await database.client.admin.command("buildInfo"), settings)
            await _warn_of_long_transactions(database.client.admin)
            await migrate(database, steps or migrations(collections))
            differences = await schema_differences(database, collections)
        except ConnectionFailure as error:
            raise StartupError(await _why_not_reached(settings, error)) from error
        except (PyMongoError, ValueError) as error:
            raise StartupError(_cannot_use(settings, error)) from error
    finally:
        await connection.close()
    if differences:
        raise StartupError(
            f"The database {settings.mongo_database} at {shown(settings)} does not have what this "
            f"program declares: {'; '.join(islice(differences, 5))}. A migration is missing, or "
            "indexes were changed by hand: create them as declared, start the release that wrote "
            "the database, or restore a backup."
        )


def check_server(
    hello: Mapping[str, Any], build: Mapping[str, Any], settings: config.Store
) -> None:
    """Refuse a server that lacks what the engine needs; raises `StartupError`."""
    version = tuple(build["versionArray"][:2])
    if version < LEAST_VERSION:
        raise StartupError(
            f"The MongoDB at {shown(settings)} is version {build['version']}, and Rookery needs "
            f"{'.'.join(map(str, LEAST_VERSION))} or later: upgrade it."
        )
    if "setName" not in hello and hello.get("msg") != "isdbgrid":
        raise StartupError(
            f"The MongoDB at {shown(settings)} runs alone, as a standalone. {_MAKE_REPLICA_SET}"
        )


async def _warn_of_long_transactions(admin: AsyncDatabase[dict[str, Any]]) -> None:
    try:
        found = await admin.command({"getParameter": 1, LIFETIME: 1})
    except OperationFailure:
        return  # a router has no such parameter, and not everybody may ask
    warn_of_lifetime(found.get(LIFETIME, 0))


def warn_of_lifetime(seconds: float) -> None:
    """Warn if what a dead process was writing stays locked for long."""
    if seconds > LONGEST_LIFETIME_S:
        log.warning(
            "what a dying process was writing stays locked for long; start mongod with the option",
            option=f"--setParameter {LIFETIME}=5",
            locked_for_s=seconds,
        )


def shown(settings: config.Store) -> str:
    """The configured address without name and password."""
    scheme, _, rest = settings.mongo_uri.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if rest else "store.mongo_uri"


async def _why_not_reached(settings: config.Store, error: ConnectionFailure) -> str:
    """Why no primary was found, as told by the first server of the address that does answer."""
    parsed = await asyncio.to_thread(_parsed, settings)
    wanted = parsed.get("options", {}).get("replicaSet")
    for host, port in parsed.get("nodelist", ()):
        client: pymongo.AsyncMongoClient[dict[str, Any]] = pymongo.AsyncMongoClient(
            host, port, directConnection=True, serverSelectionTimeoutMS=1000, timeoutMS=2000
        )
        try:
            hello = await client.admin.command("hello")
        except PyMongoError:
            continue
        finally:
            await client.close()
        where = f"The MongoDB at {host}:{port}"
        name = hello.get("setName")
        if name is not None and wanted not in (None, name):
            return (
                f"{where} belongs to the replica set {name}, not to {wanted}: write "
                f"replicaSet={name} in store.mongo_uri."
            )
        if name is not None:
            return (
                f"{where} is of the replica set {name}, which has no primary within reach now: "
                "look at rs.status() in mongosh; its members must be reachable from here under "
                f"the names they are configured with ({', '.join(hello.get('hosts', ()))})."
            )
        if hello.get("isreplicaset"):
            return f"{where} is not yet in a replica set: run rs.initiate() once in mongosh."
        if hello.get("msg") == "isdbgrid":
            return f"{where} is a router (mongos): take replicaSet out of store.mongo_uri."
        return f"{where} runs alone, as a standalone. {_MAKE_REPLICA_SET}"
    return (
        f"No MongoDB answers at {shown(settings)} within {settings.timeout_s:g} s ({_short(error)})"
        ". Start it, or correct store.mongo_uri (ROOKERY_STORE_MONGO_URI)."
    )


def _parsed(settings: config.Store) -> dict[str, Any]:
    """The parts of the address; for one that DNS holds the members of, as DNS has them now."""
    try:
        return dict(parse_uri(settings.mongo_uri))
    except PyMongoError:
        return {}


def _cannot_use(settings: config.Store, error: Exception) -> str:
    where = shown(settings)
    if isinstance(error, OperationFailure):
        if error.code == _AUTHENTICATION_FAILED:
            return (
                f"The MongoDB at {where} does not accept the name or password in store.mongo_uri: "
                "correct them, with authSource=DATABASE if the user is not in admin."
            )
        if error.code == _UNAUTHORIZED:
            return (
                f"The MongoDB at {where} does not let this user work on the database "
                f"{settings.mongo_database} ({_short(error)}): grant it the role readWrite there, "
                "or put the name and password of one who has it into store.mongo_uri."
            )
        return f"The MongoDB at {where} cannot be used ({_short(error)})."
    if isinstance(error, InvalidURI | ConfigurationError | ValueError):
        return (
            f"store.mongo_uri ({where}) cannot be used: {error}. "
            f"Write {_EXAMPLE}, with NAME:PASSWORD@ before HOST where one is needed."
        )
    return f"The MongoDB at {where} cannot be used ({_short(error)})."


def _short(error: Exception) -> str:
    """The driver's words, without the description of the whole topology."""
    text = str(error).split(", full error:")[0].split(" (configured timeouts:")[0]
    return text if len(text) <= 300 else text[:297] + "..."
