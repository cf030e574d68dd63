"""Profiles, by id and by name."""

import asyncio

from tests.integration.http_world import World

BY_NAME = "by/username/nobody"


async def test_profile_patch_changes_one_field_and_put_all(world: World) -> None:
    """PATCH leaves the rest as it is; PUT empties what is left out."""
    ada = await world.user("ada")
    path = f"/users/{ada.user_id}"
    changed = await ada.ok("PATCH", path, {"bio": "Counting", "location": "London"})
    assert (changed["bio"], changed["location"], changed["name"]) == ("Counting", "London", "Ada")
    replaced = await ada.ok("PUT", path, {"name": "Countess"})
    assert (replaced["bio"], replaced["location"], replaced["name"]) == ("", "", "Countess")


async def test_profile_of_another_user_cannot_be_changed(world: World) -> None:
    """PATCH on somebody else's profile is forbidden."""
    ada, bob = await world.user("ada"), await world.user("bob")
    status, answer, _ = await ada.request("PATCH", f"/users/{bob.user_id}", {"bio": "x"})
    assert (status, answer["code"]) == (403, "forbidden")


async def test_profile_is_public_and_shows_relations_to_a_viewer(world: World) -> None:
    """Anyone sees a profile, without the email; a viewer also sees who follows whom."""
    ada, bob = await world.user("ada"), await world.user("bob")
    await ada.ok("POST", f"/users/{bob.user_id}/follow")
    anonymous = await world.nobody.ok("GET", "/users/by/username/BOB")
    assert anonymous["id"] == bob.user_id
    assert not {"email", "following", "followedBy"} & set(anonymous)
    seen = await ada.ok("GET", f"/users/{bob.user_id}")
    assert (seen["following"], seen["followedBy"]) == (True, False)


async def test_a_user_is_found_by_name_wherever_by_id(world: World) -> None:
    """Also one whose name consists of digits: a path says which it takes."""
    ada, other = await world.user("ada"), await world.user("12345")
    tweet = await other.ok("POST", "/tweets", {"text": "hi"})
    await other.ok("POST", f"/tweets/{tweet['tweetId']}/like")
    by_name, by_id = "/users/by/username/12345", f"/users/{other.user_id}"
    assert await ada.ok("POST", f"{by_name}/follow") == {
        "message": "Followed user",
        "following": True,
        "requested": False,
    }
    for part in ("", "/followers", "/following", "/likes"):
        assert await ada.ok("GET", by_name + part) == await ada.ok("GET", by_id + part)
    assert (await ada.ok("GET", f"{by_name}/followers"))["followers"][0]["username"] == "ada"
    timelines = ("/timeline/user/by/username/12345", f"/timeline/user/{other.user_id}")
    assert await ada.ok("GET", timelines[0]) == await ada.ok("GET", timelines[1])
    assert (await ada.ok("DELETE", f"{by_name}/follow"))["following"] is False
    assert (await other.ok("PATCH", by_name, {"bio": "new"}))["bio"] == "new"
    assert (await ada.request("PATCH", by_name, {"bio": "new"}))[0] == 403
    assert (await ada.request("GET", "/users/12345"))[0] == 404
    status, answer, _ = await other.request("POST", f"{by_name}/follow")
    assert (status, answer["field"]) == (400, "username")


async def test_a_missing_user_has_one_wording(world: World) -> None:
    """By id and by name."""
    ada = await world.user("ada")
    parts = ("", "/followers", "/following", "/likes", "/pinned")
    asked = [("GET", f"/users/{who}{part}") for who in ("999", BY_NAME) for part in parts]
    asked += [("POST", f"/users/{who}/follow") for who in ("999", BY_NAME)]
    asked += [("GET", "/timeline/user/999"), ("GET", "/users/nobody/tweets")]
    said = {(await ada.request(*each))[1]["error"] for each in asked}
    assert said == {"User not found"}


async def test_parallel_changes_of_a_profile_are_all_made(world: World) -> None:
    """None is refused, and the fields that each changes are kept."""
    ada = await world.user("ada")
    path = f"/users/{ada.user_id}"
    changes = [{"bio": f"b{number}"} for number in range(20)]
    changes += [{"location": f"l{number}"} for number in range(20)]
    answers = await asyncio.gather(*(ada.request("PATCH", path, change) for change in changes))
    assert {status for status, _, _ in answers} == {200}
    me = await ada.ok("GET", path)
    assert (me["bio"][0], me["location"][0]) == ("b", "l")
