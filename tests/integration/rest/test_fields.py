"""Every field of every endpoint, given what it does not take: the answer names it, and its rule."""

import json
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from rookery.http.declaring.endpoint import Auth, Endpoint
from rookery.http.native.app import ENDPOINTS
from tests.integration.http_world import Client, http_world

TOO_LONG, ILL_FORMED = "x" * 5_000, "\u2603 \u0000/"
FILLED: dict[str, Any] = {
    "email": "x@example.org",
    "username": "xavier",
    "password": "correct horse battery",
    "name": "Xavier",
    "text": "hello",
    "refreshToken": "1.abc.def",
}
"""What the other fields of a body hold, where they are required."""
BAD: list[Any] = ["", TOO_LONG, ILL_FORMED, {"a": 1}]


def _filled(shape: type[msgspec.Struct]) -> dict[str, Any]:
    required = [each for each in msgspec.structs.fields(shape) if each.required]
    return {each.encode_name: FILLED[each.encode_name] for each in required}


def _requests(endpoint: Endpoint, me: str) -> list[tuple[str, Any, str, Any]]:
    """(path, body, field, value) for each field and each value that it may not take."""
    found: list[tuple[str, Any, str, Any]] = []
    is_bodiless = not msgspec.structs.fields(endpoint.body_type)
    for field in msgspec.structs.fields(endpoint.body_type):
        for value in BAD:
            body = {**_filled(endpoint.body_type), field.encode_name: value}
            if endpoint.operation_id == "accounts_login":
                body.setdefault("username", "xavier")
                if field.encode_name == "email":
                    del body["username"]
            path = endpoint.path.replace("{id}", me).replace("{username}", "ada")
            found.append((path, body, field.encode_name, value))
    usual = None if is_bodiless else _filled(endpoint.body_type)
    for field in msgspec.structs.fields(endpoint.query_type):
        for value in BAD[:3]:
            query = f"?{field.encode_name}={quote(value)}"
            path = endpoint.path.replace("{id}", me).replace("{username}", "ada")
            found.append((path + query, usual, field.encode_name, value))
    for field in msgspec.structs.fields(endpoint.path_type):
        for value in BAD[1:3]:
            path = endpoint.path.replace(f"{{{field.encode_name}}}", quote(value, ""))
            found.append((path, usual, field.encode_name, value))
    return found


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda each: each.operation_id)
async def test_what_is_wrong_is_named(endpoint: Endpoint) -> None:
    """The text says which field, and never speaks of another one."""
    wrong = []
    async with http_world() as world:
        ada = await world.user("ada")
        client = world.nobody if endpoint.auth is Auth.NONE else ada
        for path, body, field, value in _requests(endpoint, ada.user_id):
            problem = await _problem(client, endpoint.method, path, body, field)
            if problem:
                wrong.append((field, str(value)[:20], problem))
    assert wrong == []


async def _problem(client: Client, method: str, path: str, body: Any, field: str) -> str:
    """What is wrong with the answer to a request whose `field` is wrong."""
    data = None if body is None else json.dumps(body).encode()
    headers = {} if data is None else {"Content-Type": "application/json"}
    status, answer, _ = await client.request(method, path, headers=headers, data=data)
    if status >= 500:
        return f"{status}"
    if status != 400:
        return ""  # Taken, or unknown as what it names: both may be right.
    text: str = answer["error"]
    if "cursor" in text.lower() and field != "cursor":
        return text
    if answer.get("field") != field or field.lower() not in text.lower().replace(" ", ""):
        return f"{answer.get('field')}: {text}"
    return ""


async def test_an_empty_device_id_is_told_so() -> None:
    """And not that a cursor is wrong."""
    async with http_world() as world:
        body = {"username": "ada", "password": "correct horse", "deviceId": ""}
        status, answer, _ = await world.nobody.request("POST", "/login", body)
    assert (status, answer["code"], answer["field"]) == (400, "invalid_request", "deviceId")
    assert answer["error"].startswith("deviceId must be a device id")
