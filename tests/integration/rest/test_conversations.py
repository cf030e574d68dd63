"""Replies, and what stands around a tweet."""

from tests.integration.http_world import World


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
