"""Every field of every endpoint, given what it does not take: the answer names it, and its rule."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any, get_args
from urllib.parse import quote

import msgspec
import pytest
import pytest_asyncio

from rookery.http.app import ROUTES
from rookery.http.endpoint import Endpoint
from rookery.http.schemas import CURSOR_FIELD
from tests.integration.http_world import Client, World, http_world

WRONG = {
    "empty": "",
    "too long": "x" * 5_000,
    "ill-formed": "\u2603 \u0000/",
    "an object": {"a": 1},
}
FILLED: dict[str, Any] = {
    "email": "x@example.org",
    "username": "xavier",
    "password": "correct horse battery",
    "name": "Xavier",
    "text": "hello",
    "refreshToken": "1.abc.def",
}
"""What the other required fields of a body hold."""
ANYTHING_GOES = {("empty", "bio"), ("empty", "location"), ("empty", "website")}


def _fields(shape: type[msgspec.Struct]) -> list[msgspec.structs.FieldInfo]:
    return list(msgspec.structs.fields(shape))


def _cases() -> Iterator[Any]:
    for endpoint in ROUTES:
        for where, shape in (
            ("path", endpoint.path_type),
            ("query", endpoint.query_type),
            ("body", endpoint.body_type),
        ):
            for field in _fields(shape):
                for kind in WRONG:
                    if where != "body" and kind == "an object":
                        continue
                    if where == "path" and kind == "empty":
                        continue  # another path
                    name = field.encode_name
                    yield pytest.param(
                        endpoint, where, name, kind, id=f"{endpoint.operation_id}-{name}-{kind}"
                    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncIterator[World]:
    async with http_world() as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ada(world: World) -> Client:
    return await world.user("ada")
