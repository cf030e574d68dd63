"""Signing up, in and out."""

import pytest

from rookery.messages import Invalidation
from tests.integration.http_world import PASSWORD, Invalidations, World


async def test_signup_answers_an_account_that_can_be_used_at_once(world: World) -> None:
    """The token of a sign-up shows the profile that was given, email included."""
    ada = await world.user("ada")
    assert set(ada.account) == {
        "userId", "token", "refreshToken", "expiresIn", "deviceId", "profile",
    }  # fmt: skip
    me = await ada.ok("GET", "/users/me")
    assert me == ada.account["profile"]
    assert (me["username"], me["email"], me["id"]) == ("ada", "ada@example.org", ada.user_id)


async def test_signup_of_a_taken_name_names_the_field(world: World) -> None:
    """A username that is taken, in whatever case, is a conflict on `username`."""
    await world.user("ada")
    body = {"email": "b@example.org", "username": "ADA", "password": PASSWORD, "name": "B"}
    status, answer, _ = await world.nobody.request("POST", "/signup", body)
    assert (status, answer["code"], answer["field"]) == (409, "conflict", "username")


async def test_signup_repeated_with_its_key_answers_the_same_account(world: World) -> None:
    """A repeated sign-up with one Idempotency-Key makes one account."""
    body = {"email": "a@example.org", "username": "ada", "password": PASSWORD, "name": "A"}
    key = {"Idempotency-Key": "first"}
    first = await world.nobody.request("POST", "/signup", body, key)
    again = await world.nobody.request("POST", "/signup", body, key)
    assert (first[0], again[0]) == (201, 201)
    assert first[1]["userId"] == again[1]["userId"]
    other = await world.nobody.request("POST", "/signup", {**body, "name": "B"}, key)
    assert (other[0], other[1]["code"]) == (422, "idempotency_mismatch")


@pytest.mark.parametrize("who", [{"username": "Ada"}, {"email": "ADA@example.org"}])
async def test_login_takes_username_or_email(world: World, who: dict[str, str]) -> None:
    """Either name logs in, and `deviceId` keeps the device."""
    ada = await world.user("ada")
    device = {"deviceId": ada.account["deviceId"]}
    answer = await world.nobody.ok("POST", "/login", {**who, **device, "password": PASSWORD})
    assert set(answer) == {"token", "refreshToken", "expiresIn", "deviceId", "user"}
    assert answer["deviceId"] == ada.account["deviceId"]
    assert answer["user"]["id"] == ada.user_id


async def test_refresh_gives_a_token_that_works(world: World) -> None:
    """A refresh token is exchanged for an access token of the same device."""
    ada = await world.user("ada")
    body = {"refreshToken": ada.account["refreshToken"]}
    answer = await world.nobody.ok("POST", "/token/refresh", body)
    assert set(answer) == {"token", "refreshToken", "expiresIn", "deviceId"}
    ada.token = answer["token"]
    assert (await ada.ok("GET", "/users/me"))["id"] == ada.user_id


async def test_logout_ends_the_token_at_once(world: World) -> None:
    """After a logout the token is refused as that of a revoked device."""
    ada = await world.user("ada")
    assert await ada.ok("POST", "/logout") == {"message": "Logged out"}
    status, answer, headers = await ada.request("GET", "/users/me")
    assert (status, answer["code"]) == (401, "device_revoked")
    assert headers["WWW-Authenticate"] == "Bearer"


async def test_a_log_out_that_not_everybody_confirmed_says_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not said to be true everywhere before it is."""

    async def missed(self: Invalidations, change: Invalidation) -> bool:
        return False

    monkeypatch.setattr(Invalidations, "broadcast", missed)
    ada = await world.user("ada")
    for method, path in (("DELETE", f"/devices/{ada.account['deviceId']}"), ("POST", "/logout")):
        assert "does not answer" in (await ada.ok(method, path))["message"]
