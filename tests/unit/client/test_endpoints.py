"""Whatever the server can be asked, the client has a method for."""

import inspect
from typing import Any

import pytest

from rookery.client import Client, Pages
from rookery.client.transport import Call
from rookery.http.native.app import ENDPOINTS

ID = "7"
ELSEWHERE = {
    ("POST", "/tweets/{}/unlike"): ("DELETE", "/tweets/{}/like"),
    ("POST", "/users/{}/unfollow"): ("DELETE", "/users/{}/follow"),
    ("POST", "/users/{}/unblock"): ("DELETE", "/users/{}/block"),
    ("POST", "/users/{}/unmute"): ("DELETE", "/users/{}/mute"),
    ("PUT", "/tweets/{}"): ("PATCH", "/tweets/{}"),
    ("PUT", "/users/{}"): ("PATCH", "/users/{}"),
}
"""What does the same as another endpoint, which the client asks."""
NO_METHOD = {("GET", "/docs"), ("GET", "/openapi.json")}
"""For browsers and programs that make clients."""
RENEWAL = ("POST", "/token/refresh")
"""Asked below what is recorded here; `test_rest_calls` sees it."""
OTHERS = {"close", "refresh", "stream"}
"""Methods that ask nothing by themselves."""


class Asked(Exception):
    """The request is known; there is no answer."""


class Recorder:
    """Stands in the transport's place, and keeps what is asked."""

    token = refresh_token = None

    def __init__(self) -> None:
        self.asked: set[tuple[str, str]] = set()

    async def send(self, call: Call, **_: Any) -> Any:
        path = "/".join("{id}" if part == ID else part for part in call.path.split("/"))
        self.asked.add((call.method, template(path)))
        raise Asked

    async def request(self, call: Call, to: type, **options: Any) -> Any:
        return await self.send(call, **options)


def template(path: str) -> str:
    """A path whose variables have no names; a user by name is a user."""
    path = "/".join("{}" if part.startswith("{") else part for part in path.split("/"))
    return path.replace("/by/username/{}", "/{}")


async def asked_by(name: str) -> set[tuple[str, str]]:
    """The requests of a method, whose arguments are all the same id."""
    client = Client("http://127.0.0.1:1")
    recorder = Recorder()
    client._transport = recorder  # type: ignore[assignment]
    client._user_id = ID
    method = getattr(client, name)
    parameters = inspect.signature(method).parameters.values()
    needed = [each for each in parameters if each.default is inspect.Parameter.empty]
    names = {each.name: ID for each in needed}
    with pytest.raises(Asked):
        result = method(**names)
        await (result.page() if isinstance(result, Pages) else result)
    return recorder.asked


async def test_every_endpoint_has_a_method() -> None:
    """Whoever adds an endpoint adds a method, or says what it is the same as."""
    methods = [
        name
        for name, _ in inspect.getmembers(Client, inspect.isfunction)
        if not name.startswith("_") and name not in OTHERS
    ]
    asked = {RENEWAL}
    for name in methods:
        asked |= await asked_by(name)
    there = {(each.method, template(each.path)) for each in ENDPOINTS if not each.hidden}
    assert asked <= there
    assert there - NO_METHOD - asked == ELSEWHERE.keys()
    assert asked >= set(ELSEWHERE.values())
