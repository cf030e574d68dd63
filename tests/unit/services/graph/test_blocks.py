"""Blocking: what it ends, what it hides, and what holds whatever comes at once."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from rookery.errors import Forbidden, InvalidRequest, NotFound
from rookery.events.kinds import FollowChanged, HiddenChanged
from rookery.services.accounts.profiles import ProfileChanges
from rookery.services.graph import blocks as blocks_module
from rookery.services.graph import mutes as mutes_module
from rookery.services.ports import Invalidation
from rookery.store.engine import WriteBatch
from rookery.store.schema import MUTES
from tests.unit.services.graph.social import blocks, check, follows, private, requests
from tests.unit.services.server import Server
from tests.unit.services.tweets.people import change_user


async def test_a_block_ends_follows_both_ways() -> None:
    """In one batch, with the events of all that changed."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    await server.graph.follow(ann, bob.user_id)
    await server.graph.follow(bob, ann.user_id)
    batches, told = len(server.store.batches), len(server.events())
    server.broadcasts.sent.clear()
    assert await server.blocks.block(ann, bob.user_id)
    assert len(server.store.batches) == batches + 1
    assert follows(server.store) == set()
    assert {type(event) for event in server.events()[told:]} == {FollowChanged, HiddenChanged}
    assert len(server.events()) == told + 3
    both = sorted([ann.user_id, bob.user_id])
    assert server.broadcasts.sent == [Invalidation(viewers=both)]
    assert server.timeline_port.hidden == [[ann.user_id, bob.user_id]]
    assert server.timeline_port.changes[-2:] == [
        (ann.user_id, bob.user_id, False),
        (bob.user_id, ann.user_id, False),
    ]
    check(server.store)


async def test_a_block_withdraws_requests_both_ways() -> None:
    """Nothing is left to be approved."""
    server = Server()
    ann, bob = await private(server, "ann"), await private(server, "bob")
    await server.graph.follow(ann, bob.user_id)
    await server.graph.follow(bob, ann.user_id)
    await server.blocks.block(ann, bob.user_id)
    assert requests(server.store) == set()
    check(server.store)


async def test_blocking_twice_is_blocking_once() -> None:
    """As is ending a block twice; what it ended does not come back."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    await server.graph.follow(ann, bob.user_id)
    assert await server.blocks.block(ann, bob.user_id)
    assert not await server.blocks.block(ann, bob.user_id)
    assert await server.blocks.unblock(ann, bob.user_id)
    assert not await server.blocks.unblock(ann, bob.user_id)
    assert blocks(server.store) == follows(server.store) == set()
    assert server.timeline_port.hidden == [[ann.user_id, bob.user_id]] * 2


async def test_who_is_blocked_finds_nobody() -> None:
    """Whatever is tried, with the same error as for a user who never was."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    await server.blocks.block(ann, bob.user_id)
    for act in (server.graph.follow, server.requests.approve):
        reads: list[dict[str, int]] = []
        texts = []
        for user_id in (ann.user_id, 404):
            server.store.reads.clear()
            with pytest.raises(NotFound) as refused:
                await act(bob, user_id)
            texts.append(str(refused.value))
            reads.append(dict(server.store.reads))
        assert texts[0] == texts[1] == "User not found"
        assert reads[0] == reads[1]
    with pytest.raises(NotFound):
        await server.profiles.by_id(ann.user_id, bob.user_id)
    with pytest.raises(NotFound):
        await server.profiles.by_username("ann", bob.user_id)
    assert await server.profiles.by_ids([ann.user_id], bob.user_id) == []


async def work_of(server: Server, act: Callable[..., Awaitable[object]], *args: Any) -> list[Any]:
    """The answer to an act, how the store is read for it and how often it is written."""
    server.store.reads.clear()
    batches = len(server.store.batches)
    answer = await act(*args)
    return [answer, dict(server.store.reads), len(server.store.batches) - batches]


@pytest.mark.parametrize("hidden_by", ["a block", "suspension"])
async def test_who_is_hidden_can_be_blocked_and_muted_like_nobody(hidden_by: str) -> None:
    """Each as often as one likes: no answer and no work tells whether there is somebody."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    if hidden_by == "a block":
        await server.blocks.block(ann, bob.user_id)
    else:
        await change_user(server, ann, status="suspended")
    for act, times in (
        (server.blocks.block, 2),
        (server.mutes.mute, 2),
        (partial(server.mutes.mute, duration_s=60), 2),
        (server.graph.unfollow, 1),
        (server.graph.remove_follower, 1),
        (server.requests.deny, 1),
    ):
        for _ in range(times):
            hidden = await work_of(server, act, bob, ann.user_id)
            absent = await work_of(server, act, bob, 404)
            assert hidden[1:] == absent[1:]
    assert (bob.user_id, ann.user_id) in blocks(server.store)
    assert [each["muted_id"] for each in server.store.documents(MUTES)] == [ann.user_id]
    assert (await server.blocks.blocked(bob, 0, 20)).ids == []
    assert (await server.mutes.muted(bob, 0, 20)).ids == []
    if hidden_by == "a block":
        await server.blocks.unblock(ann, bob.user_id)
    else:
        await change_user(server, ann, status="active")
    standing = (await server.profiles.by_id(ann.user_id, bob.user_id)).standing
    assert standing is not None
    assert standing.blocking
    assert standing.muting
    assert (await server.blocks.blocked(bob, 0, 20)).ids == [ann.user_id]


@pytest.mark.parametrize("turns", ["suspended", "private"])
async def test_what_one_has_is_ended_whatever_became_of_the_other(turns: str) -> None:
    """Follows both ways, requests both ways, a block and a mute."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await private(server, "bob")
    cyd = await private(server, "cyd")
    await server.graph.follow(bob, ann.user_id)
    await server.graph.follow(ann, bob.user_id)
    await server.requests.approve(bob, ann.user_id)
    await server.graph.follow(ann, cyd.user_id)
    await server.graph.follow(bob, cyd.user_id)
    await server.mutes.mute(cyd, ann.user_id)
    dan = await server.sign_up("dan")
    await server.blocks.block(dan, ann.user_id)
    for each in (ann, cyd):
        changed = {"status": "suspended"} if turns == "suspended" else {"is_private": True}
        await change_user(server, each, **changed)
    assert (await server.graph.unfollow(bob, ann.user_id)).changed
    assert await server.graph.remove_follower(bob, ann.user_id)
    assert (await server.graph.unfollow(bob, cyd.user_id)).changed
    assert await server.requests.deny(cyd, ann.user_id)
    assert await server.mutes.unmute(cyd, ann.user_id)
    assert await server.blocks.unblock(dan, ann.user_id)
    assert follows(server.store) == requests(server.store) == blocks(server.store) == set()
    check(server.store)


async def test_who_blocks_sees_the_profile_and_does_not_follow() -> None:
    """So that the block can be ended."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    await server.blocks.block(ann, bob.user_id)
    standing = (await server.profiles.by_id(bob.user_id, ann.user_id)).standing
    assert standing is not None
    assert standing.blocking
    with pytest.raises(Forbidden):
        await server.graph.follow(ann, bob.user_id)
    assert (await server.blocks.blocked(ann, 0, 20)).ids == [bob.user_id]


@pytest.mark.parametrize("at_once", [False, True])
async def test_of_two_who_block_each_other_each_can_end_it(at_once: bool) -> None:
    """The lists are silent about the other one, and ending works."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    blocking = [(ann, bob), (bob, ann)]
    if at_once:
        await asyncio.gather(*(server.blocks.block(one, two.user_id) for one, two in blocking))
    else:
        for one, two in blocking:
            assert await server.blocks.block(one, two.user_id)
    assert blocks(server.store) == {(ann.user_id, bob.user_id), (bob.user_id, ann.user_id)}
    assert not await server.blocks.block(ann, bob.user_id)
    for user in (ann, bob):
        assert (await server.blocks.blocked(user, 0, 20)).ids == []
    assert await server.blocks.unblock(ann, bob.user_id)
    assert (await server.blocks.blocked(bob, 0, 20)).ids == [ann.user_id]
    assert not await server.blocks.unblock(ann, bob.user_id)
    assert await server.blocks.unblock(bob, ann.user_id)


async def test_lists_leave_out_who_is_in_a_block_with_the_viewer() -> None:
    """Pages are full nevertheless, and the last one names no next."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    users = [await server.sign_up(f"user{n}") for n in range(6)]
    for user in users:
        await server.graph.follow(user, ann.user_id)
        await server.graph.follow(ann, user.user_id)
    await server.blocks.block(users[5], bob.user_id)
    await server.blocks.block(bob, users[3].user_id)
    shown = [users[n].user_id for n in (4, 2, 1, 0)]
    for read in (server.graph.followers, server.graph.following):
        ids, before = await read(bob.user_id, ann.user_id, 0, 3)
        assert ids == shown[:3]
        assert await read(bob.user_id, ann.user_id, before, 3) == (shown[3:], 0)
        assert len((await read(None, ann.user_id, 0, 20)).ids) == 6


async def test_nobody_blocks_themselves_or_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one is no request that makes sense; the other is bounded."""
    monkeypatch.setattr(blocks_module, "MAX_BLOCKS", 2)
    server = Server()
    ann = await server.sign_up("ann")
    with pytest.raises(InvalidRequest) as refused:
        await server.blocks.block(ann, ann.user_id)
    assert refused.value.field == "id"
    users = [await server.sign_up(f"user{n}") for n in range(3)]
    for user in users[:2]:
        await server.blocks.block(ann, user.user_id)
    with pytest.raises(Forbidden):
        await server.blocks.block(ann, users[2].user_id)
    assert not await server.blocks.block(ann, users[0].user_id)


async def test_who_is_hidden_takes_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full list would tell that there is somebody; a list that is full takes nobody at all."""
    monkeypatch.setattr(blocks_module, "MAX_BLOCKS", 2)
    monkeypatch.setattr(mutes_module, "MAX_MUTES", 2)
    server = Server()
    ann = await server.sign_up("ann")
    users = [await server.sign_up(f"user{n}") for n in range(5)]
    for user in users[:2]:
        await server.blocks.block(user, ann.user_id)
    for act in (server.blocks.block, server.mutes.mute):
        for user in users[:4]:
            await act(ann, user.user_id)
        for user_id in (users[4].user_id, 404):
            with pytest.raises(Forbidden):
                await act(ann, user_id)


async def test_a_follow_that_comes_at_the_same_time_does_not_outlast_a_block() -> None:
    """Whichever of the two is written first."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")

    async def follows_first(batch: WriteBatch) -> None:
        server.store.before_write = None
        await server.graph.follow(bob, ann.user_id)

    server.store.before_write = follows_first
    await server.blocks.block(ann, bob.user_id)
    assert follows(server.store) == set()
    await server.blocks.unblock(ann, bob.user_id)

    async def blocks_first(batch: WriteBatch) -> None:
        server.store.before_write = None
        await server.blocks.block(ann, bob.user_id)

    server.store.before_write = blocks_first
    with pytest.raises(NotFound):
        await server.graph.follow(bob, ann.user_id)
    check(server.store)


async def test_approving_at_the_same_time_does_not_outlast_a_block() -> None:
    """The request that is approved is gone with the block."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await private(server, "bob")
    await server.graph.follow(ann, bob.user_id)

    async def blocks_first(batch: WriteBatch) -> None:
        server.store.before_write = None
        await server.blocks.block(ann, bob.user_id)

    server.store.before_write = blocks_first
    with pytest.raises(NotFound):
        await server.requests.approve(bob, ann.user_id)
    assert follows(server.store) == set()
    check(server.store)


@pytest.mark.parametrize("seed", range(8))
async def test_whatever_comes_at_once_everything_agrees(seed: int) -> None:
    """A storm over two processes of follows, requests, approvals, blocks and changes of privacy."""
    server = Server()
    servers = [server, Server(server.store, server.clock, worker=1)]
    users = [await server.sign_up(f"user{n}") for n in range(4)]
    chance = random.Random(seed)

    async def act() -> None:
        there = chance.choice(servers)
        one, other = chance.sample(users, 2)
        kind = chance.choice(
            [
                there.graph.follow,
                there.graph.follow,
                there.graph.unfollow,
                there.graph.remove_follower,
                there.requests.approve,
                there.requests.deny,
                there.blocks.block,
                there.blocks.unblock,
                None,
            ]
        )
        try:
            if kind is None:
                changes = ProfileChanges(is_private=chance.random() < 0.5)
                await there.profiles.update(one, changes)
            else:
                await kind(one, other.user_id)
        except (NotFound, Forbidden):
            pass

    for _ in range(12):
        await asyncio.gather(*(act() for _ in range(25)))
        for each in servers:
            await each.openings.close()
        server.clock.now_ms += 60_000
        await server.openings.look()
        check(server.store)
