"""Who follows whom."""

from tests.integration.http_world import World


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
