"""From a path to its handler: literal words first, parameters where those lead nowhere."""

from collections.abc import Mapping

import pytest

from rookery.http.declaring.handling import HttpHandler
from rookery.http.declaring.routing import Router
from rookery.http.native.app import NATIVE
from rookery.http.protocol.message import Request, Response

PATHS = (
    "/users/me",
    "/users/{id}",
    "/users/{id}/follow",
    "/users/{username}/tweets",
    "/users/by/username/{username}",
    "/users/by/username/{username}/follow",
)


def handler(path: str) -> HttpHandler:
    async def answer(request: Request, parameters: Mapping[str, str]) -> Response:
        return Response(200, repr((path, dict(parameters))).encode(), {})

    return answer


def request(path: str, method: str = "GET") -> Request:
    made = Request("127.0.0.1")
    made.method, made.path = method, path
    return made


@pytest.fixture
def router() -> Router:
    made = Router(NATIVE.errors)
    for path in PATHS:
        made.add(path, {"GET": handler(path)})
    return made


@pytest.mark.parametrize(
    ("path", "declared", "parameters"),
    [
        ("/users/me", "/users/me", {}),
        ("/users/7", "/users/{id}", {"id": "7"}),
        ("/users/by", "/users/{id}", {"id": "by"}),
        ("/users/7/follow", "/users/{id}/follow", {"id": "7"}),
        ("/users/ada/tweets", "/users/{username}/tweets", {"username": "ada"}),
        ("/users/123/tweets", "/users/{username}/tweets", {"username": "123"}),
        ("/users/me/tweets", "/users/{username}/tweets", {"username": "me"}),
        ("/users/by/tweets", "/users/{username}/tweets", {"username": "by"}),
        ("/users/a%2Fb/tweets", "/users/{username}/tweets", {"username": "a/b"}),
        ("/users/by/username/me", "/users/by/username/{username}", {"username": "me"}),
        (
            "/users/by/username/7/follow",
            "/users/by/username/{username}/follow",
            {"username": "7"},
        ),
    ],
)
async def test_a_path_leads_to_its_handler(
    router: Router, path: str, declared: str, parameters: dict[str, str]
) -> None:
    """With the parameters by the names of that path."""
    response = await router.respond(request(path))
    assert response.body == repr((declared, parameters)).encode()


@pytest.mark.parametrize("path", ["/users", "/users//follow", "/users/7/x", "/x", "/users/7/", ""])
async def test_what_is_no_path_is_not_found(router: Router, path: str) -> None:
    """Also where a beginning of it is one."""
    assert (await router.respond(request(path))).status == 404


async def test_another_method_is_told_which_are_possible(router: Router) -> None:
    """By `Allow`, also where a word of the path is a parameter."""
    for path in ("/users/7", "/users/me/tweets"):
        response = await router.respond(request(path, "POST"))
        assert (response.status, response.headers["Allow"]) == (405, "GET")


async def test_a_path_of_very_many_parts_is_refused_quickly(router: Router) -> None:
    """The search goes no deeper than the declared paths."""
    assert (await router.respond(request("/users/by" * 4000))).status == 404
