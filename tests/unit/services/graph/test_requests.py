"""Private accounts: asking, approving, denying, withdrawing, removing, and turning public."""

import asyncio

import pytest

from rookery.errors import NotFound, StoreUnavailable, Unavailable
from rookery.events.kinds import FollowChanged, PrivacyChanged
from rookery.services.accounts.profiles import ProfileChanges
from rookery.services.deferred import LOOK_S
from rookery.services.graph.openings import STEP
from rookery.services.ports import Invalidation
from rookery.store.engine import WriteBatch
from rookery.store.schema import JOBS
from tests.unit.services.graph.social import check, follows, private, public, requests
from tests.unit.services.server import Server


async def test_a_follow_of_a_private_account_is_a_request() -> None:
    """Asking twice is asking once, and neither timeline nor counts hear of it."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await private(server, "bob")
    assert await server.graph.follow(ann, bob.user_id) == (False, True, True)
    assert await server.graph.follow(ann, bob.user_id) == (False, True, False)
    assert requests(server.store) == {(ann.user_id, bob.user_id)}
    assert server.timeline_port.changes == []
    check(server.store)


async def test_an_approved_request_is_a_follow() -> None:
    """Approving twice is approving once; timelines, caches and consumers of events hear of it."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await private(server, "bob")
    await server.graph.follow(ann, bob.user_id)
    server.broadcasts.sent.clear()
    assert await server.requests.approve(bob, ann.user_id)
    assert not await server.requests.approve(bob, ann.user_id)
    assert follows(server.store) == {(ann.user_id, bob.user_id)}
    assert requests(server.store) == set()
    assert server.timeline_port.changes == [(ann.user_id, bob.user_id, True)]
    assert server.broadcasts.sent == [Invalidation(viewers=[ann.user_id])]
    event = server.events()[-1]
    assert event == FollowChanged(
        id=event.id, follower_id=ann.user_id, followee_id=bob.user_id, follows=True
    )
    check(server.store)


async def test_nobody_is_approved_who_did_not_ask() -> None:
    """Also not whoever asked somebody else, or was denied."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await private(server, "bob")
    cyd = await private(server, "cyd")
    await server.graph.follow(ann, cyd.user_id)
    with pytest.raises(NotFound):
        await server.requests.approve(bob, ann.user_id)
    await server.graph.follow(ann, bob.user_id)
    assert await server.requests.deny(bob, ann.user_id)
    assert not await server.requests.deny(bob, ann.user_id)
    with pytest.raises(NotFound):
        await server.requests.approve(bob, ann.user_id)
    assert follows(server.store) == set()


async def test_unfollowing_withdraws_a_request() -> None:
    """It is gone from both lists."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await private(server, "bob")
    await server.graph.follow(ann, bob.user_id)
    assert (await server.requests.incoming(bob, 0, 20)).ids == [ann.user_id]
    assert (await server.requests.sent(ann, 0, 20)).ids == [bob.user_id]
    assert await server.graph.unfollow(ann, bob.user_id) == (False, False, True)
    assert (await server.requests.incoming(bob, 0, 20)).ids == []
    assert (await server.requests.sent(ann, 0, 20)).ids == []
    check(server.store)


async def test_requests_are_newest_first_and_paged() -> None:
    """By the time of asking."""
    server = Server()
    bob = await private(server, "bob")
    users = [await server.sign_up(f"user{n}") for n in range(5)]
    for user in reversed(users):
        server.clock.now_ms += 1
        await server.graph.follow(user, bob.user_id)
    found: list[int] = []
    before, pages = 0, 0
    while before or not pages:
        ids, before = await server.requests.incoming(bob, before, 2)
        found += ids
        pages += 1
    assert found == [user.user_id for user in users]
    assert pages == 3


async def test_a_follower_is_removed() -> None:
    """Which the follower's timeline hears of; once is enough."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    await server.graph.follow(ann, bob.user_id)
    assert await server.graph.remove_follower(bob, ann.user_id)
    assert not await server.graph.remove_follower(bob, ann.user_id)
    assert server.timeline_port.changes[-1] == (ann.user_id, bob.user_id, False)
    check(server.store)


async def test_turning_private_keeps_followers_and_tells_it() -> None:
    """Who follows by then is approved; the event is in the batch of the change."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    await server.graph.follow(ann, bob.user_id)
    await server.profiles.update(bob, ProfileChanges(is_private=True))
    assert follows(server.store) == {(ann.user_id, bob.user_id)}
    event = server.events()[-1]
    assert event == PrivacyChanged(id=event.id, user_id=bob.user_id)
    assert server.broadcasts.sent[-1] == Invalidation(users=[bob.user_id])
    assert server.timeline_port.accounts == [[bob.user_id]]
    await server.profiles.update(bob, ProfileChanges(bio="the same privacy"))
    assert server.events()[-1] == event
    assert server.timeline_port.accounts == [[bob.user_id]]


async def test_turning_private_is_told_where_the_outcome_is_unknown() -> None:
    """It may have taken effect; where it has not for sure, there is nothing to tell."""
    server = Server()
    bob = await server.sign_up("bob")
    for error, told in ((StoreUnavailable, []), (Unavailable, [[bob.user_id]])):

        async def fails(batch: WriteBatch, error: type[Unavailable] = error) -> None:
            raise error

        server.store.before_write = fails
        with pytest.raises(error):
            await server.profiles.update(bob, ProfileChanges(is_private=True))
        assert server.timeline_port.accounts == told
        assert server.broadcasts.sent == [Invalidation(users=each) for each in told]


async def test_turning_public_approves_all_who_asked() -> None:
    """However many steps it takes, and nothing is left to do."""
    server = Server()
    bob = await private(server, "bob")
    users = [await server.sign_up(f"user{n}") for n in range(STEP * 2 + 3)]
    for user in users:
        await server.graph.follow(user, bob.user_id)
    await public(server, bob)
    assert follows(server.store) == {(user.user_id, bob.user_id) for user in users}
    assert len(server.timeline_port.changes) == len(users)
    assert server.store.documents(JOBS) == []
    check(server.store)


async def test_what_a_killed_process_left_is_approved_by_another_one() -> None:
    """The note of the change of privacy survives; it is taken up after a while."""
    server = Server()
    bob = await private(server, "bob")
    ann = await server.sign_up("ann")
    await server.graph.follow(ann, bob.user_id)

    async def killed(batch: WriteBatch) -> None:
        if len(server.store.batches) > made:
            raise asyncio.CancelledError

    made = len(server.store.batches)
    server.store.before_write = killed
    with pytest.raises(asyncio.CancelledError):
        await public(server, bob)
    server.store.before_write = None
    assert requests(server.store) == {(ann.user_id, bob.user_id)}
    other = Server(server.store, server.clock, worker=1)
    assert await other.openings.look() == 0
    server.clock.now_ms += int(LOOK_S * 1000)
    assert await other.openings.look() == 1
    assert follows(server.store) == {(ann.user_id, bob.user_id)}
    check(server.store)


async def test_an_account_made_private_again_keeps_what_is_left() -> None:
    """The next step looks at the account first, and it is a condition of its batch."""
    server = Server()
    bob = await private(server, "bob")
    users = [await server.sign_up(f"user{n}") for n in range(STEP + 1)]
    for user in users:
        await server.graph.follow(user, bob.user_id)
    other = Server(server.store, server.clock, worker=1)
    made = len(server.store.batches)

    async def turns_private(batch: WriteBatch) -> None:
        if len(server.store.batches) == made + 2:  # after the change, and one step
            server.store.before_write = None
            await other.profiles.update(bob, ProfileChanges(is_private=True))

    server.store.before_write = turns_private
    await public(server, bob)
    assert len(follows(server.store)) == STEP
    assert len(requests(server.store)) == 1
    assert server.store.documents(JOBS) == []
    check(server.store)


async def test_one_who_withdraws_meanwhile_does_not_hold_up_the_others() -> None:
    """The step falls to pieces, and what is left of it goes through."""
    server = Server()
    bob = await private(server, "bob")
    users = [await server.sign_up(f"user{n}") for n in range(5)]
    for user in users:
        await server.graph.follow(user, bob.user_id)
    made = len(server.store.batches)

    async def withdraws(batch: WriteBatch) -> None:
        if len(server.store.batches) == made + 1:
            server.store.before_write = None
            await server.graph.unfollow(users[2], bob.user_id)

    server.store.before_write = withdraws
    await public(server, bob)
    assert follows(server.store) == {
        (user.user_id, bob.user_id) for user in users if user is not users[2]
    }
    check(server.store)


async def test_a_follow_after_the_account_turned_public_ends_the_request() -> None:
    """Nobody waits for their turn."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await private(server, "bob")
    await server.graph.follow(ann, bob.user_id)
    made = len(server.store.batches)

    async def follows_now(batch: WriteBatch) -> None:
        if len(server.store.batches) == made + 1:
            server.store.before_write = None
            assert await server.graph.follow(ann, bob.user_id) == (True, False, True)

    server.store.before_write = follows_now
    await public(server, bob)
    assert follows(server.store) == {(ann.user_id, bob.user_id)}
    check(server.store)


async def test_an_account_that_turns_private_while_it_is_followed_is_asked() -> None:
    """The version of the account is a condition of the follow."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")

    async def turns_private(batch: WriteBatch) -> None:
        server.store.before_write = None
        await server.profiles.update(bob, ProfileChanges(is_private=True))

    server.store.before_write = turns_private
    assert await server.graph.follow(ann, bob.user_id) == (False, True, True)
    check(server.store)
