"""What an endpoint is said to refuse is what it refuses: no more, no less."""

from typing import Any
from unittest.mock import patch

import pytest

from rookery.errors import Forbidden, Protected
from rookery.http.declaring.endpoint import Auth, Endpoint
from rookery.http.declaring.openapi import codes_of
from rookery.http.declaring.parameters import Nothing
from rookery.http.native.app import ENDPOINTS
from rookery.services.graph import blocks, mutes
from rookery.services.tweets import pins
from rookery.text import PROBLEM_CODES
from tests.integration.http_world import Client, World

BY_ID = {endpoint.operation_id: endpoint for endpoint in ENDPOINTS}
SHOWN = [endpoint for endpoint in ENDPOINTS if not endpoint.hidden]
OURS = {
    "tweets", "engagement", "timelines", "retweets", "bookmarks", "pins",
    "users", "follows", "requests", "blocks", "mutes", "privacy",
}  # fmt: skip
NAMES = {"id": "999", "userId": "999", "username": "nobody", "deviceId": "none"}
PROBLEMS = {
    "text_empty": " ",
    "text_too_long": "x" * 281,
    "text_control_character": "\x00",
    "text_invalid_character": "\uffff",
}
UNREACHABLE = {"text_surrogate"}
"""No JSON in UTF-8 that is read can hold one; a way of posting that is not REST could."""


def path_of(endpoint: Endpoint, **given: str) -> str:
    """Its path with things that are not there, but for what is `given`."""
    path = endpoint.path
    for name, value in {**NAMES, **given}.items():
        path = path.replace(f"{{{name}}}", value)
    return path


def body_of(endpoint: Endpoint) -> Any:
    """A body that fits, where one is needed."""
    return {
        "tweets_create": {"text": "x"},
        "retweets_retweet": {"comment": "x"},
        "tweets_edit": {"text": "x"},
        "tweets_replace": {"text": "x"},
        "users_change": {"bio": "x"},
        "users_change_by_name": {"bio": "x"},
        "users_replace": {"name": "x"},
        "users_replace_by_name": {"name": "x"},
    }.get(endpoint.operation_id)


async def code(
    client: Client,
    endpoint: Endpoint,
    path: str,
    body: Any = None,
    headers: dict[str, str] | None = None,
    data: bytes | None = None,
) -> str | None:
    """The code of a refusal, which must be among those that the document names."""
    status, answer, _ = await client.request(endpoint.method, path, body, headers, data)
    if status < 400:
        return None
    assert answer["code"] in codes_of(endpoint)[status], (endpoint.operation_id, status, answer)
    found: str = answer["code"]
    return found


@pytest.mark.parametrize("endpoint", SHOWN, ids=lambda endpoint: endpoint.operation_id)
async def test_what_the_surface_refuses_is_declared(world: World, endpoint: Endpoint) -> None:
    """Everywhere where it can be: unknown parameters, tokens that are none, bodies too large."""
    ada = await world.user("ada")
    path = path_of(endpoint)
    assert await code(ada, endpoint, f"{path}?nothing=1") == "invalid_request"
    if endpoint.auth is not Auth.NONE:
        basic = {"Authorization": "Basic YTpi"}
        assert await code(world.nobody, endpoint, path, headers=basic) == "unauthenticated"
        wrong = {"Authorization": "Bearer x.y.z"}
        assert await code(world.nobody, endpoint, path, headers=wrong) == "invalid_token"
    if endpoint.method != "GET":
        large = b'"' + b"x" * (1 << 20) + b'"'
        json = {"Content-Type": "application/json"}
        assert await code(ada, endpoint, path, headers=json, data=large) == "payload_too_large"
        packed = {**json, "Content-Encoding": "br"}
        assert (
            await code(ada, endpoint, path, headers=packed, data=b"{}") == "unsupported_media_type"
        )
    if endpoint.body_type is not Nothing:
        assert await code(ada, endpoint, path, {"nothing": 1}) == "invalid_request"
    if "cursor" in endpoint.query_type.__struct_fields__:
        path = path_of(endpoint, username="ada")
        assert await code(ada, endpoint, f"{path}?cursor=x") == "invalid_cursor"


async def social_refusals(
    ada: Client, endpoint: Endpoint, other: dict[str, str]
) -> set[str | None]:
    """What is refused of a user whom one blocks, and where nobody more may be blocked or muted."""
    if endpoint.tag == "follows":
        await ada.ok("POST", f"/users/by/username/{other['username']}/block")
        return {await code(ada, endpoint, path_of(endpoint, **other))}
    await ada.ok("DELETE", path_of(endpoint, **other))
    with patch.object(blocks, "MAX_BLOCKS", 0), patch.object(mutes, "MAX_MUTES", 0):
        return {await code(ada, endpoint, path_of(endpoint, **other), body_of(endpoint))}


async def refusals_of_writing(ada: Client, bob: Client, endpoint: Endpoint) -> set[str | None]:
    """What is refused of tweets that are not for everybody, of too many pins, and by keys."""
    found: set[str | None] = set()
    limited = {"text": "@ada only you", "visibility": "mentioned"}
    hers = (await bob.ok("POST", "/tweets", limited))["tweetId"]
    own = (await ada.ok("POST", "/tweets", {"text": "own"}))["tweetId"]
    if endpoint.operation_id == "pins_pin":
        with patch.object(pins, "MAX_PINS", 0):
            found.add(await code(ada, endpoint, path_of(endpoint, id=own)))
    elif endpoint.operation_id in ("retweets_retweet", "tweets_create"):
        text = "comment" if endpoint.tag == "retweets" else "text"
        quoting = {} if endpoint.tag == "retweets" else {"quoteTweetId": hers}
        found.add(await code(ada, endpoint, path_of(endpoint, id=hers), {text: "x", **quoting}))
        key = {"Idempotency-Key": "k"}
        for words in ("one", "two"):
            path = path_of(endpoint, id=own)
            found.add(await code(ada, endpoint, path, {text: words}, key))
        found.add(await code(ada, endpoint, path_of(endpoint, id=own), {text: "x" * 281}))
    return found


async def refusals(world: World, endpoint: Endpoint) -> set[str | None]:
    """The codes of what its use-case refuses: what is not there, and what is somebody else's."""
    ada, bob = await world.user("ada"), await world.user("bob")
    tweet = await bob.ok("POST", "/tweets", {"text": "his"})
    body = body_of(endpoint)
    found = {await code(ada, endpoint, path_of(endpoint), body)}
    other = {"id": tweet["tweetId"], "username": "bob"}
    if endpoint.path.startswith("/users/{id}"):
        other["id"] = bob.user_id
    found.add(await code(ada, endpoint, path_of(endpoint, **other), body))
    if Protected in endpoint.errors:
        cyd = await world.user("cyd")
        await cyd.ok("PATCH", f"/users/{cyd.user_id}", {"isPrivate": True})
        private = path_of(endpoint, id=cyd.user_id, username="cyd")
        found.add(await code(ada, endpoint, private, body))
    if Forbidden in endpoint.errors and endpoint.tag in ("follows", "blocks", "mutes"):
        found |= await social_refusals(ada, endpoint, other)
    if endpoint.operation_id == "tweets_create":
        absent = {"text": "x", "replyToTweetId": "999"}
        found.add(await code(ada, endpoint, "/tweets", absent))
    found |= await refusals_of_writing(ada, bob, endpoint)
    if body is not None and "text" in body:
        own = await ada.ok("POST", "/tweets", {"text": "own"})
        path = path_of(endpoint, id=own["tweetId"])
        for expected, text in PROBLEMS.items():
            refused = await code(ada, endpoint, path, {"text": text})
            assert refused == expected
            found.add(refused)
    return found


@pytest.mark.parametrize(
    "endpoint",
    [endpoint for endpoint in SHOWN if endpoint.tag in OURS],
    ids=lambda endpoint: endpoint.operation_id,
)
async def test_what_a_use_case_is_said_to_refuse_it_refuses(
    world: World, endpoint: Endpoint
) -> None:
    """Each error that is declared comes out, and none that is not."""
    declared = {error.code for error in endpoint.errors}
    if "text" in endpoint.body_type.__struct_fields__:
        declared |= PROBLEMS.keys()
    assert await refusals(world, endpoint) - {None} >= declared - {"invalid_request"}


def test_every_problem_of_a_text_is_provoked() -> None:
    """But for the one that cannot come in by JSON."""
    assert PROBLEMS.keys() | UNREACHABLE == set(PROBLEM_CODES)
