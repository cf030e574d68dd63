"""Following on request, blocking, muting and privacy over real HTTP."""

from typing import Any

import pytest

from tests.integration.http_world import Client, World


async def private(world: World, username: str) -> Client:
    client = await world.user(username)
    await client.ok("PUT", "/account/privacy", {"isPrivate": True})
    return client


async def names(client: Client, path: str) -> list[str]:
    return [each["username"] for each in (await client.ok("GET", path))["users"]]


async def test_a_private_account_is_asked_and_approves(world: World) -> None:
    """Both sides see how it stands, at each step."""
    ada, bob = await world.user("ada"), await private(world, "bob")
    answer = await ada.ok("POST", f"/users/{bob.user_id}/follow")
    assert answer == {"message": "Asked to follow user", "following": False, "requested": True}
    profile = await ada.ok("GET", f"/users/{bob.user_id}")
    assert (profile["following"], profile["requested"], profile["isPrivate"]) == (False, True, True)
    assert await names(bob, "/follow-requests") == ["ada"]
    assert await names(ada, "/follow-requests/sent") == ["bob"]
    await bob.ok("POST", f"/follow-requests/{ada.user_id}/approve")
    await bob.ok("POST", f"/follow-requests/{ada.user_id}/approve")
    profile = await ada.ok("GET", f"/users/{bob.user_id}")
    assert (profile["following"], profile["requested"]) == (True, False)
    assert await names(bob, "/follow-requests") == []
    answer = await ada.ok("POST", "/users/by/username/BOB/follow")
    assert answer == {"message": "Followed user", "following": True, "requested": False}
    await bob.ok("DELETE", f"/users/{ada.user_id}/follower")
    assert not (await ada.ok("GET", f"/users/{bob.user_id}"))["following"]


async def test_denying_and_withdrawing(world: World) -> None:
    """Each ends the request; approving what is not there is 404."""
    ada, bob = await world.user("ada"), await private(world, "bob")
    for end, path in (
        (bob, f"/follow-requests/{ada.user_id}/deny"),
        (ada, f"/users/{bob.user_id}/unfollow"),
    ):
        await ada.ok("POST", f"/users/{bob.user_id}/follow")
        await end.ok("POST", path)
        await end.ok("POST", path)
        assert await names(bob, "/follow-requests") == []
    status, answer, _ = await bob.request("POST", f"/follow-requests/{ada.user_id}/approve")
    assert (status, answer["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "body"),
    [
        ("GET", {"error": "User not found", "code": "not_found"}),
        ("POST follow", {"error": "User not found", "code": "not_found"}),
        ("DELETE follow", {"message": "Unfollowed user", "following": False, "requested": False}),
        ("DELETE follower", {"message": "The user does not follow you"}),
        ("POST block", {"message": "User blocked", "blocking": True}),
        ("DELETE block", {"message": "User unblocked", "blocking": False}),
        ("POST mute", {"message": "User muted", "muting": True, "mutedUntil": None}),
        ("DELETE mute", {"message": "User unmuted", "muting": False, "mutedUntil": None}),
    ],
)
async def test_who_is_blocked_cannot_tell_it_from_nobody(
    world: World, method: str, body: dict[str, Any]
) -> None:
    """The same status and body by id and by name; what can be done is done."""
    ada, bob = await world.user("ada"), await world.user("bob")
    await ada.ok("POST", f"/users/{bob.user_id}/block")
    verb, _, action = method.partition(" ")
    tail = f"/{action}" if action else ""
    answers: list[tuple[int, Any]] = []
    for who in (ada.user_id, "999", "by/username/ada", "by/username/nobody"):
        status, answer, _ = await bob.request(verb, f"/users/{who}{tail}")
        answers.append((status, answer))
    assert answers == [(404 if "error" in body else 200, body)] * 4
    await ada.ok("POST", f"/users/{bob.user_id}/unblock")
    profile = await bob.ok("GET", f"/users/{ada.user_id}")
    assert profile["blocking"] is (method == "POST block")
    assert profile["muting"] is (method == "POST mute")


async def test_a_block_is_listed_and_ended(world: World) -> None:
    """By who blocks, on the profile and in the list; again is no error."""
    ada, bob = await world.user("ada"), await world.user("bob")
    await bob.ok("POST", f"/users/{ada.user_id}/follow")
    for _ in range(2):
        answer = await ada.ok("POST", f"/users/{bob.user_id}/block")
        assert answer == {"message": "User blocked", "blocking": True}
    profile = await ada.ok("GET", f"/users/{bob.user_id}")
    assert (profile["blocking"], profile["followedBy"]) == (True, False)
    assert await names(ada, "/blocks") == ["bob"]
    status, answer, _ = await ada.request("POST", f"/users/{bob.user_id}/follow")
    assert (status, answer["code"]) == (403, "forbidden")
    for method, path in (("DELETE", "block"), ("POST", "unblock")):
        answer = await ada.ok(method, f"/users/{bob.user_id}/{path}")
        assert answer == {"message": "User unblocked", "blocking": False}
    assert await names(ada, "/blocks") == []
    assert (await bob.ok("GET", f"/users/{ada.user_id}"))["username"] == "ada"


async def test_a_mute_needs_no_body_and_takes_a_time(world: World) -> None:
    """Only who mutes sees it."""
    ada, bob = await world.user("ada"), await world.user("bob")
    path = f"/users/{bob.user_id}/mute"
    answer = await ada.ok("POST", path)
    assert answer == {"message": "User muted", "muting": True, "mutedUntil": None}
    until = (await ada.ok("POST", path, {"durationS": 3600}))["mutedUntil"]
    profile = await ada.ok("GET", f"/users/{bob.user_id}")
    assert (profile["muting"], profile["mutedUntil"]) == (True, until)
    assert await names(ada, "/mutes") == ["bob"]
    assert not (await bob.ok("GET", f"/users/{ada.user_id}"))["muting"]
    for bad in ({"durationS": 0}, {"durationS": "1"}, {"duration": 1}):
        status, answer, _ = await ada.request("POST", path, bad)
        assert (status, answer["field"]) == (400, next(iter(bad)))
    assert not (await ada.ok("DELETE", path))["muting"]
    assert await names(ada, "/mutes") == []


async def test_a_conversation_is_muted_by_any_of_its_tweets(world: World) -> None:
    """And unmuted by another; of a tweet that is not there it can only be unmuted."""
    ada = await world.user("ada")
    root = (await ada.ok("POST", "/tweets", {"text": "root"}))["tweet"]["id"]
    reply = await ada.ok("POST", "/tweets", {"text": "reply", "replyToTweetId": root})
    answer = await ada.ok("POST", f"/tweets/{reply['tweet']['id']}/mute")
    assert answer == {"message": "Conversation muted", "muting": True}
    answer = await ada.ok("DELETE", f"/tweets/{root}/mute")
    assert not answer["muting"]
    status, answer, _ = await ada.request("POST", "/tweets/999/mute")
    assert (status, answer["code"]) == (404, "not_found")
    answer = await ada.ok("DELETE", "/tweets/999/mute")
    assert answer == {"message": "Conversation not muted", "muting": False}


async def test_a_retweet_mutes_the_conversation_that_it_shows(world: World) -> None:
    """Home leaves out what is part of it, and what passes it on; by the retweet it is unmuted."""
    ada, bob = await world.user("ada"), await world.user("bob")
    root = (await bob.ok("POST", "/tweets", {"text": "root"}))["tweet"]["id"]
    reply = {"text": "reply", "replyToTweetId": root}
    reply_id = (await bob.ok("POST", "/tweets", reply))["tweet"]["id"]
    retweet = (await bob.ok("POST", f"/tweets/{reply_id}/retweet", {}))["retweetId"]
    await bob.ok("POST", f"/tweets/{reply_id}/retweet", {"comment": "look"})
    await ada.ok("POST", f"/users/{bob.user_id}/follow")

    async def texts() -> list[str]:
        return [each["text"] for each in (await ada.ok("GET", "/timeline/home"))["tweets"]]

    assert await texts() == ["look", "", "reply", "root"]
    await ada.ok("POST", f"/tweets/{retweet}/mute")
    assert await texts() == ["look"]
    await ada.ok("DELETE", f"/tweets/{retweet}/mute")
    assert await texts() == ["look", "", "reply", "root"]


async def test_privacy_settings(world: World) -> None:
    """What is left out stays; lists replace, and pass over who is not there."""
    ada, bob = await world.user("ada"), await world.user("bob")
    settings = {
        "isPrivate": False, "whoMayMessage": "everyone", "hideLikes": False, "discoverable": True,
    }  # fmt: skip
    assert await ada.ok("GET", "/account/privacy") == settings
    answer = await ada.ok("PUT", "/account/privacy", {"isPrivate": True, "hideLikes": True})
    assert answer == {**settings, "isPrivate": True, "hideLikes": True}
    await ada.ok("PUT", "/account/privacy", {"blockedUsers": [bob.user_id], "mutedUsers": []})
    assert await names(ada, "/blocks") == ["bob"]
    await ada.ok("PUT", "/account/privacy", {"blockedUsers": [bob.user_id, "999"]})
    assert await names(ada, "/blocks") == ["bob"]
    assert await ada.ok("GET", "/account/privacy") == answer
    for field, value in (
        ("notificationPrefs", {}),
        ("blockedUsers", [ada.user_id]),
        ("mutedUsers", [ada.user_id]),
        ("whoMayMessage", "somebody"),
    ):
        status, refused, _ = await ada.request("PUT", "/account/privacy", {field: value})
        assert (status, refused["field"]) == (400, field)


async def test_a_profile_that_is_replaced_stays_private(world: World) -> None:
    """No account is opened by omission."""
    ada = await private(world, "ada")
    answer = await ada.ok("PUT", f"/users/{ada.user_id}", {"name": "Ada"})
    assert answer["isPrivate"] is True


async def test_lists_are_paged_by_cursors_of_their_own(world: World) -> None:
    """A cursor of one list is refused by another."""
    ada = await world.user("ada")
    for name in ("bob", "cyd", "dan"):
        other = await world.user(name)
        await ada.ok("POST", f"/users/{other.user_id}/block")
    first = await ada.ok("GET", "/blocks?limit=2")
    assert [each["username"] for each in first["users"]] == ["dan", "cyd"]
    rest = await ada.ok("GET", f"/blocks?limit=2&cursor={first['nextCursor']}")
    assert [each["username"] for each in rest["users"]] == ["bob"]
    assert rest["nextCursor"] is None
    status, answer, _ = await ada.request("GET", f"/mutes?cursor={first['nextCursor']}")
    assert (status, answer["code"]) == (400, "invalid_cursor")
