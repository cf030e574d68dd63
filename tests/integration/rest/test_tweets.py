"""A tweet's life: posted, repeated, edited, deleted."""

from rookery.models import Identity
from tests.integration.http_world import World


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
