"""Likes and their counts."""

from tests.integration.http_world import World


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
