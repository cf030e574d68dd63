"""Where a user is signed in."""

from typing import Any

import pytest

from tests.integration.http_world import PASSWORD, World


async def test_devices_are_listed_and_revoked(world: World) -> None:
    """A second device is listed, and gone once revoked."""
    ada = await world.user("ada")
    login = {"username": "ada", "password": PASSWORD, "deviceName": "Phone"}
    for path in ("/devices/{}", "/devices"):
        other = await world.nobody.ok("POST", "/login", login)
        listed = (await ada.ok("GET", "/devices"))["devices"]
        assert {(device["name"], device["current"]) for device in listed} == {
            ("Python", True),
            ("Phone", False),
        }
        await ada.ok("DELETE", path.format(other["deviceId"]))
        assert len((await ada.ok("GET", "/devices"))["devices"]) == 1


async def test_devices_are_paged_the_one_seen_last_first(world: World) -> None:
    """Each once, also where one is used meanwhile; with name, address and time of last use."""
    ada = await world.user("ada")
    for number in range(4):
        login = {"username": "ada", "password": PASSWORD, "deviceName": f"device {number}"}
        newest = await world.nobody.ok("POST", "/login", login)
    listed: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = await ada.ok("GET", f"/devices?limit=2{cursor}")
        assert len(page["devices"]) <= 2
        listed += page["devices"]
        if page["nextCursor"] is None:
            break
        cursor = f"&cursor={page['nextCursor']}"
        await world.nobody.ok("POST", "/token/refresh", {"refreshToken": newest["refreshToken"]})
    assert len({each["deviceId"] for each in listed}) == len(listed) == 5
    times = [each["lastSeenAt"] for each in listed]
    assert times == sorted(times, reverse=True)
    assert {each["lastAddress"] for each in listed} == {"127.0.0.1"}
    assert all(each["expiresAt"] > each["lastSeenAt"] for each in listed)


@pytest.mark.parametrize("cursor", ["x", "0-a", "1-", "-1-a", "1" * 17 + "-a", "AAAAAAAAAAAAAAAA"])
async def test_a_cursor_that_devices_did_not_hand_out(world: World, cursor: str) -> None:
    """Is refused as any other."""
    ada = await world.user("ada")
    status, answer, _ = await ada.request("GET", f"/devices?cursor={cursor}")
    assert (status, answer["code"]) == (400, "invalid_cursor")
