"""Home, and the tweets of a user."""

from tests.integration.http_world import World


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
