"""Every endpoint of the REST surface, once the way it is meant."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from rookery.messages import Invalidation
from rookery.models import Identity
from tests.integration.http_world import PASSWORD, Invalidations, World, http_world

BY_NAME = "by/username/nobody"


@pytest_asyncio.fixture
async def world() -> AsyncIterator[World]:
    async with http_world() as made:
        yield made


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


async def test_a_ticket_for_a_stream(world: World) -> None:
    """For who is signed in, with how long it lasts."""
    ada = await world.user("ada")
    status, answer, _ = await ada.request("POST", "/stream/ticket")
    assert (status, answer["expiresIn"]) == (201, 30)
    assert answer["ticket"].count(".") == 2
    status, answer, _ = await world.nobody.request("POST", "/stream/ticket")
    assert (status, answer["code"]) == (401, "unauthenticated")


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


async def test_follow_and_both_ways_to_unfollow(world: World) -> None:
    """Following is idempotent, and ends by POST …/unfollow or by DELETE …/follow."""
    ada, bob = await world.user("ada"), await world.user("bob")
    for method, end in (("POST", "unfollow"), ("DELETE", "follow")):
        for _ in range(2):
            followed = await ada.ok("POST", f"/users/{bob.user_id}/follow")
        assert followed == {"message": "Followed user", "following": True, "requested": False}
        page = await bob.ok("GET", f"/users/{bob.user_id}/followers")
        assert [user["username"] for user in page["followers"]] == ["ada"]
        ended = await ada.ok(method, f"/users/{bob.user_id}/{end}")
        assert ended == {"message": "Unfollowed user", "following": False, "requested": False}
        assert (await bob.ok("GET", f"/users/{bob.user_id}/followers"))["followers"] == []


async def test_following_is_paged_by_cursor(world: World) -> None:
    """Following cursors from page to page gives everyone once, newest first, then null."""
    ada = await world.user("ada")
    for name in ("bob", "cyd", "dan"):
        other = await world.user(name)
        await ada.ok("POST", f"/users/{other.user_id}/follow")
    names, path = [], f"/users/{ada.user_id}/following?limit=2"
    page = await ada.ok("GET", path)
    while True:
        names += [user["username"] for user in page["following"]]
        if page["nextCursor"] is None:
            break
        page = await ada.ok("GET", f"{path}&cursor={page['nextCursor']}")
    assert names == ["dan", "cyd", "bob"]


async def test_tweet_is_posted_read_edited_and_deleted(world: World) -> None:
    """A tweet's whole life, with its history."""
    ada = await world.user("ada")
    created = await ada.ok("POST", "/tweets", {"text": "Helo", "lang": "en"})
    path = f"/tweets/{created['tweetId']}"
    tweet = created["tweet"]
    assert (tweet["id"], tweet["createdAt"]) == (created["tweetId"], created["createdAt"])
    assert (tweet["text"], tweet["liked"], tweet["author"]["username"]) == ("Helo", False, "ada")
    edited = await ada.ok("PATCH", path, {"text": "Hello"})
    assert (edited["text"], edited["version"]) == ("Hello", 2)
    versions = (await ada.ok("GET", f"{path}/history"))["versions"]
    assert [version["text"] for version in versions] == ["Hello", "Helo"]
    assert await ada.ok("DELETE", path) == {"message": "Tweet deleted"}
    assert (await ada.request("GET", path))[0] == 404


async def test_tweet_with_a_key_is_posted_once(world: World) -> None:
    """The same POST with one Idempotency-Key answers the same tweet; another one 422."""
    ada = await world.user("ada")
    key = {"Idempotency-Key": "k-1"}
    first = await ada.request("POST", "/tweets", {"text": "once"}, key)
    again = await ada.request("POST", "/tweets", {"text": "once"}, key)
    assert (first[0], again[0], first[1]["tweetId"]) == (201, 201, again[1]["tweetId"])
    other = await ada.request("POST", "/tweets", {"text": "twice"}, key)
    assert (other[0], other[1]["code"]) == (422, "idempotency_mismatch")


async def test_a_repeated_post_answers_what_get_answers(world: World) -> None:
    """Counts, flags, text and version as they are by now, with the status of the first time."""
    ada, bob = await world.user("ada"), await world.user("bob")
    key = {"Idempotency-Key": "k-1"}
    posted = (await ada.request("POST", "/tweets", {"text": "once"}, key))[1]
    path = f"/tweets/{posted['tweetId']}"
    for user in (ada, bob):
        await user.ok("POST", f"{path}/like")
    await bob.ok("POST", "/tweets", {"text": "yes", "replyToTweetId": posted["tweetId"]})
    await ada.ok("PATCH", path, {"text": "twice"})
    status, again, _ = await ada.request("POST", "/tweets", {"text": "once"}, key)
    assert (status, again["tweetId"], again["createdAt"]) == (
        201,
        posted["tweetId"],
        posted["createdAt"],
    )
    assert again["tweet"] == await ada.ok("GET", path)
    assert (again["tweet"]["liked"], again["tweet"]["likeCount"]) == (True, 2)


async def test_a_repeated_post_of_a_deleted_tweet_is_not_found(world: World) -> None:
    """In the words in which the tweet itself is not."""
    ada = await world.user("ada")
    key = {"Idempotency-Key": "k-1"}
    posted = (await ada.request("POST", "/tweets", {"text": "once"}, key))[1]
    path = f"/tweets/{posted['tweetId']}"
    await ada.ok("DELETE", path)
    status, again, _ = await ada.request("POST", "/tweets", {"text": "once"}, key)
    assert (status, again) == (404, {"error": "Tweet not found", "code": "not_found"})
    assert (await ada.request("GET", path))[1] == again


async def test_a_missing_tweet_has_one_wording(world: World) -> None:
    """Wherever it is asked for."""
    ada = await world.user("ada")
    asked = [
        ("GET", "/tweets/999"),
        ("DELETE", "/tweets/999"),
        ("POST", "/tweets/999/like"),
        ("POST", "/tweets/999/bookmark"),
        ("POST", "/tweets/999/pin"),
        *(
            ("GET", f"/tweets/999/{part}")
            for part in (
                "history",
                "replies",
                "conversation",
                "context",
                "likers",
                "retweeters",
                "quotes",
                "engagements",
            )
        ),
    ]
    said = {(await ada.request(*each))[1]["error"] for each in asked}
    assert said == {"Tweet not found"}


async def test_a_missing_user_has_one_wording(world: World) -> None:
    """By id and by name."""
    ada = await world.user("ada")
    parts = ("", "/followers", "/following", "/likes", "/pinned")
    asked = [("GET", f"/users/{who}{part}") for who in ("999", BY_NAME) for part in parts]
    asked += [("POST", f"/users/{who}/follow") for who in ("999", BY_NAME)]
    asked += [("GET", "/timeline/user/999"), ("GET", "/users/nobody/tweets")]
    said = {(await ada.request(*each))[1]["error"] for each in asked}
    assert said == {"User not found"}


async def test_history_is_paged(world: World) -> None:
    """501 edits do not come in one answer."""
    ada = await world.user("ada")
    path = f"/tweets/{(await ada.ok('POST', '/tweets', {'text': '0'}))['tweetId']}"
    for number in range(1, 502):
        await world.services.tweets.edit(
            Identity(int(ada.user_id), "ada", "d"), int(path[8:]), str(number)
        )
    first = await ada.ok("GET", f"{path}/history")
    assert [version["text"] for version in first["versions"]] == [
        str(number) for number in range(501, 481, -1)
    ]
    texts, cursor = [], ""
    while cursor is not None:
        page = await ada.ok("GET", f"{path}/history?limit=100{cursor and f'&cursor={cursor}'}")
        texts += [version["text"] for version in page["versions"]]
        cursor = page["nextCursor"]
    assert texts == [str(number) for number in range(501, -1, -1)]


async def test_context_shows_a_tombstone_in_the_place_of_the_deleted(world: World) -> None:
    """Above and below, with nothing of what was there; further pages have no ancestors."""
    ada = await world.user("ada")

    async def reply(text: str, to: str) -> str:
        body = {"text": text, "replyToTweetId": to}
        tweet_id: str = (await ada.ok("POST", "/tweets", body))["tweetId"]
        return tweet_id

    root = (await ada.ok("POST", "/tweets", {"text": "root"}))["tweetId"]
    middle = await reply("a secret", root)
    leaf = await reply("leaf", middle)
    await ada.ok("DELETE", f"/tweets/{middle}")
    grave = {"id": middle, "unavailable": "deleted"}
    above = await world.nobody.ok("GET", f"/tweets/{leaf}/context")
    shown = await world.nobody.ok("GET", f"/tweets/{root}")
    assert above == {"ancestors": [shown, grave], "descendants": [], "nextCursor": None}
    below = await ada.ok("GET", f"/tweets/{root}/context?limit=1")
    assert (below["ancestors"], below["descendants"]) == ([], [grave])
    rest = await ada.ok("GET", f"/tweets/{root}/context?cursor={below['nextCursor']}")
    assert [tweet["text"] for tweet in rest["descendants"]] == ["leaf"]
    other = f"/tweets/{leaf}/context?cursor={below['nextCursor']}"
    assert (await ada.request("GET", other))[1]["code"] == "invalid_cursor"


async def test_deleting_a_liked_tweet_lowers_the_count_of_who_liked_it(world: World) -> None:
    """And taking the like back afterwards is no error, however often."""
    ada, bob = await world.user("ada"), await world.user("bob")
    path = f"/tweets/{(await ada.ok('POST', '/tweets', {'text': 'hi'}))['tweetId']}"
    await bob.ok("POST", f"{path}/like")
    await ada.ok("DELETE", path)
    assert (await bob.ok("GET", "/users/me"))["likesCount"] == 0
    for _ in range(2):
        assert await bob.ok("DELETE", f"{path}/like") == {
            "message": "Tweet unliked",
            "liked": False,
            "likeCount": 0,
        }
    assert (await bob.request("POST", f"{path}/like"))[0] == 404


async def test_numbered_pages_of_a_user(world: World) -> None:
    """The seeds' way: page 1 is the newest 20, by name, whatever the name."""
    for name in ("ada", "me", "by", "123"):
        user = await world.user(name)
        for number in range(45):
            await user.ok("POST", "/tweets", {"text": str(number)})
        shown = []
        for page in ("", "?page=2", "?page=3", "?page=4"):
            answer = await world.nobody.ok("GET", f"/users/{name}/tweets{page}")
            shown.append([int(tweet["text"]) for tweet in answer["tweets"]])
        newest = list(range(44, -1, -1))
        assert shown == [newest[:20], newest[20:40], newest[40:], []]


async def test_a_numbered_page_goes_on_by_cursor(world: World) -> None:
    """Here and at the timeline by id; both at once are refused, and so is a page too far."""
    ada = await world.user("ada")
    for number in range(5):
        await ada.ok("POST", "/tweets", {"text": str(number)})
    path = "/users/ada/tweets"
    page = await ada.ok("GET", f"{path}?page=2&limit=2")
    assert [tweet["text"] for tweet in page["tweets"]] == ["2", "1"]
    for other in (path, f"/timeline/user/{ada.user_id}"):
        rest = await ada.ok("GET", f"{other}?cursor={page['nextCursor']}")
        assert [tweet["text"] for tweet in rest["tweets"]] == ["0"]
    for query in (f"page=2&cursor={page['nextCursor']}", "page=0", "page=161", "page=x"):
        status, answer, _ = await ada.request("GET", f"{path}?{query}")
        assert (status, answer["field"]) == (400, "page")


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


async def test_replies_and_conversation_are_paged_oldest_first(world: World) -> None:
    """Replies are found below their parent, and all of it in the conversation."""
    ada = await world.user("ada")
    root = (await ada.ok("POST", "/tweets", {"text": "root"}))["tweetId"]
    for text in ("a", "b", "c"):
        await ada.ok("POST", "/tweets", {"text": text, "replyToTweetId": root})
    page = await ada.ok("GET", f"/tweets/{root}/replies?limit=2")
    rest = await ada.ok("GET", f"/tweets/{root}/replies?limit=2&cursor={page['nextCursor']}")
    assert [t["text"] for t in page["replies"] + rest["replies"]] == ["a", "b", "c"]
    assert rest["nextCursor"] is None
    conversation = await world.nobody.ok("GET", f"/tweets/{root}/conversation")
    assert [t["text"] for t in conversation["tweets"]] == ["root", "a", "b", "c"]


async def test_like_and_both_ways_to_unlike(world: World) -> None:
    """Likes are counted once, shown to their owner, and taken back by either request."""
    ada = await world.user("ada")
    tweet_id = (await ada.ok("POST", "/tweets", {"text": "hi"}))["tweetId"]
    path = f"/tweets/{tweet_id}"
    for method, end in (("POST", "unlike"), ("DELETE", "like")):
        for _ in range(2):
            liked = await ada.ok("POST", f"{path}/like")
        assert liked == {"message": "Tweet liked", "liked": True, "likeCount": 1}
        assert (await ada.ok("GET", path))["liked"] is True
        page = await ada.ok("GET", f"{path}/likers")
        assert [user["username"] for user in page["users"]] == ["ada"]
        likes = await ada.ok("GET", f"/users/{ada.user_id}/likes")
        assert [tweet["id"] for tweet in likes["tweets"]] == [tweet_id]
        ended = await ada.ok(method, f"{path}/{end}")
        assert ended == {"message": "Tweet unliked", "liked": False, "likeCount": 0}
    counts = await world.nobody.ok("GET", f"{path}/engagements")
    assert counts == {"likeCount": 0, "retweetCount": 0, "replyCount": 0, "quoteCount": 0}


async def test_home_holds_followed_authors_and_is_paged(world: World) -> None:
    """Home pages join without gap or repetition."""
    ada, bob = await world.user("ada"), await world.user("bob")
    await ada.ok("POST", f"/users/{bob.user_id}/follow")
    for number in range(5):
        author = ada if number % 2 else bob
        await author.ok("POST", "/tweets", {"text": f"number {number}"})
    texts, path = [], "/timeline/home?limit=2"
    page = await ada.ok("GET", path)
    while True:
        texts += [tweet["text"] for tweet in page["tweets"]]
        if page["nextCursor"] is None:
            break
        page = await ada.ok("GET", f"{path}&cursor={page['nextCursor']}")
    assert texts == [f"number {number}" for number in (4, 3, 2, 1, 0)]


async def test_home_filter_lets_only_replies_through(world: World) -> None:
    """`filter=replies` leaves ordinary tweets out."""
    ada = await world.user("ada")
    root = (await ada.ok("POST", "/tweets", {"text": "root"}))["tweetId"]
    await ada.ok("POST", "/tweets", {"text": "answer", "replyToTweetId": root})
    page = await ada.ok("GET", "/timeline/home?filter=replies")
    assert [tweet["text"] for tweet in page["tweets"]] == ["answer"]


async def test_user_timeline_is_public(world: World) -> None:
    """A user's tweets can be read by anyone, without viewer flags."""
    ada = await world.user("ada")
    await ada.ok("POST", "/tweets", {"text": "hi"})
    page = await world.nobody.ok("GET", f"/timeline/user/{ada.user_id}")
    assert [tweet["text"] for tweet in page["tweets"]] == ["hi"]
    assert "liked" not in page["tweets"][0]


async def test_stream_names_a_live_server_or_says_to_come_back(world: World) -> None:
    """Discovery answers URL, protocols and heartbeat; with no server 503 and Retry-After."""
    ada = await world.user("ada")
    answer = await ada.ok("GET", "/stream")
    assert answer["url"].startswith("ws://")
    assert answer["protocols"] == ["rookery.v1.msgpack", "rookery.v1.json"]
    assert answer["heartbeatS"] > 0
    world.streams.url = None
    status, body, headers = await ada.request("GET", "/stream")
    assert (status, body["code"], headers["Retry-After"]) == (503, "unavailable", "1")


async def test_ready_fails_as_soon_as_one_check_does(world: World) -> None:
    """Readiness follows the checks; health does not."""
    status, answer, _ = await world.nobody.request("GET", "/ready")
    assert (status, answer["status"]) == (200, "ready")
    world.checks["store"] = False
    status, answer, headers = await world.nobody.request("GET", "/ready")
    assert (status, answer["checks"]["store"]) == (503, False)
    assert headers["Retry-After"] == "1"
    assert (await world.nobody.ok("GET", "/health"))["status"] == "ok"


async def test_head_answers_headers_of_get_without_a_body(world: World) -> None:
    """HEAD works wherever GET does, with the same length."""
    ada = await world.user("ada")
    url = f"{world.base}/users/{ada.user_id}"
    async with world.session.get(url) as got, world.session.head(url) as head:
        assert (head.status, await head.read()) == (200, b"")
        assert head.headers["Content-Length"] == got.headers["Content-Length"]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("docs", "text/html; charset=utf-8"),
        ("docs/start.js", "text/javascript; charset=utf-8"),
        ("docs/swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
        ("docs/swagger-ui.css", "text/css; charset=utf-8"),
        ("docs/favicon-32x32.png", "image/png"),
        ("openapi.json", "application/json"),
    ],
)
async def test_texts_say_how_they_are_encoded(world: World, path: str, kind: str) -> None:
    """A client may take them for another encoding else; JSON has but one."""
    async with world.session.get(f"{world.base}/{path}") as got:
        assert got.headers["Content-Type"] == kind


async def test_docs_page_is_served_whole_by_ourselves(world: World) -> None:
    """Every file that the page names is there, and its policy allows no other origin."""
    async with world.session.get(f"{world.base}/docs") as page:
        text = await page.text()
        policy = page.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "http" not in policy
    origin = world.base.removesuffix("/api/v1")
    names = [part.split('"')[0] for part in text.split('="/')[1:]]
    assert len(names) == 4
    for name in names:
        async with world.session.get(f"{origin}/{name}") as asset:
            assert asset.status == 200, name
            assert len(await asset.read()) > 100
