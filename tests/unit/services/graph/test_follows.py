"""Following and unfollowing."""

import asyncio
import random

import pytest

from rookery.errors import ActorUnavailable, InvalidRequest, NotFound
from rookery.events.kinds import FollowChanged
from rookery.store.schema import FOLLOWEES, FOLLOWERS, USER_COUNTS
from tests.unit.services.server import Server


async def test_a_follow_writes_both_directions_counts_and_outbox_in_one_batch() -> None:
    """Nothing of a follow can exist without the rest."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    batches = len(server.store.batches)
    assert await server.graph.follow(ann, bob.user_id)
    assert len(server.store.batches) == batches + 1
    [edge] = server.store.documents(FOLLOWEES)
    assert (edge["follower_id"], edge["followee_id"]) == (ann.user_id, bob.user_id)
    assert server.store.documents(FOLLOWERS) == [edge]
    [of_ann, of_bob] = server.store.documents(USER_COUNTS)
    assert (of_ann["followees"], of_bob["followers"]) == (1, 1)
    [event] = server.events()
    assert event == FollowChanged(
        id=event.id, follower_id=ann.user_id, followee_id=bob.user_id, follows=True
    )


async def test_following_twice_changes_nothing() -> None:
    """The second follow writes nothing and tells nobody."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    assert await server.graph.follow(ann, bob.user_id) == (True, False, True)
    batches = len(server.store.batches)
    assert await server.graph.follow(ann, bob.user_id) == (True, False, False)
    assert len(server.store.batches) == batches
    assert server.timeline_port.changes == [(ann.user_id, bob.user_id, True)]


async def test_unfollowing_undoes_a_follow() -> None:
    """Both directions go, counts return to zero; unfollowing again is False."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    await server.graph.follow(ann, bob.user_id)
    assert (await server.graph.unfollow(ann, bob.user_id)).changed
    assert not (await server.graph.unfollow(ann, bob.user_id)).changed
    assert server.store.documents(FOLLOWEES) == server.store.documents(FOLLOWERS) == []
    for counts in server.store.documents(USER_COUNTS):
        assert (counts["followers"], counts["followees"]) == (0, 0)
    assert server.timeline_port.changes[-1] == (ann.user_id, bob.user_id, False)


async def test_nobody_follows_themselves() -> None:
    """The error names the field."""
    server = Server()
    ann = await server.sign_up("ann")
    for act in (server.graph.follow, server.graph.unfollow):
        with pytest.raises(InvalidRequest) as refused:
            await act(ann, ann.user_id)
        assert refused.value.field == "id"


async def test_an_unknown_user_is_not_found() -> None:
    """For each of the use-cases but those that end something."""
    server = Server()
    ann = await server.sign_up("ann")
    with pytest.raises(NotFound):
        await server.graph.follow(ann, 404)
    with pytest.raises(NotFound):
        await server.graph.followers(None, 404, 0, 20)
    with pytest.raises(NotFound):
        await server.graph.following(None, 404, 0, 20)


async def test_a_timeline_that_does_not_answer_does_not_fail_the_follow() -> None:
    """The outbox entry makes it sure."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    server.timeline_port.failure = ActorUnavailable()
    assert await server.graph.follow(ann, bob.user_id)
    assert len(server.timeline_port.changes) == 1


async def test_counts_do_not_drift_under_concurrent_changes() -> None:
    """Whatever order a storm of follows and unfollows takes, counts equal the edges."""
    server = Server()
    users = [await server.sign_up(f"user{n}") for n in range(4)]
    chance = random.Random(7)
    requests = []
    for _ in range(300):
        one, other = chance.sample(users, 2)
        act = chance.choice([server.graph.follow, server.graph.unfollow])
        requests.append(act(one, other.user_id))
    outcomes = await asyncio.gather(*requests)
    assert 0 < sum(outcome.changed for outcome in outcomes) < 300
    edges = [(e["follower_id"], e["followee_id"]) for e in server.store.documents(FOLLOWEES)]
    assert sorted(edges) == sorted(
        (e["follower_id"], e["followee_id"]) for e in server.store.documents(FOLLOWERS)
    )
    for counts in server.store.documents(USER_COUNTS):
        user_id = counts["user_id"]
        assert counts["followees"] == sum(edge[0] == user_id for edge in edges)
        assert counts["followers"] == sum(edge[1] == user_id for edge in edges)


async def test_lists_are_newest_first_and_paged_by_the_time_of_following() -> None:
    """Not by the age of the accounts."""
    server = Server()
    ann = await server.sign_up("ann")
    users = [await server.sign_up(f"user{n}") for n in range(7)]
    order = random.Random(1).sample(users, 7)
    for user in order:
        await server.graph.follow(user, ann.user_id)
        await server.graph.follow(ann, user.user_id)
    expected = [user.user_id for user in reversed(order)]
    for read in (server.graph.followers, server.graph.following):
        found: list[int] = []
        before, pages = 0, 0
        while before or not pages:
            ids, before = await read(None, ann.user_id, before, 3)
            found += ids
            pages += 1
        assert found == expected
        assert pages == 3


async def test_a_page_that_ends_the_list_names_no_next_one() -> None:
    """Also when it is exactly full."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    await server.graph.follow(bob, ann.user_id)
    assert await server.graph.followers(None, ann.user_id, 0, 1) == ([bob.user_id], 0)


@pytest.mark.parametrize("limit", [0, -1, 101])
async def test_a_limit_out_of_bounds_is_refused(limit: int) -> None:
    """Pages have 1 to 100 entries."""
    server = Server()
    ann = await server.sign_up("ann")
    with pytest.raises(InvalidRequest) as refused:
        await server.graph.followers(None, ann.user_id, 0, limit)
    assert refused.value.field == "limit"
