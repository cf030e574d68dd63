"""Muting people, for ever and for a time, and conversations."""

import pytest

from rookery.errors import Forbidden, InvalidRequest
from rookery.events.kinds import HiddenChanged
from rookery.services.graph import mutes as mutes_module
from rookery.services.graph.mutes import MAX_DURATION_S
from rookery.services.ports import Invalidation
from rookery.store.schema import MUTED_CONVERSATIONS, MUTES
from tests.unit.services.server import Server


async def test_a_mute_is_told_to_the_muters_own_processes_alone() -> None:
    """By event, to the timeline, and to the caches."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    assert await server.mutes.mute(ann, bob.user_id) is None
    event = server.events()[-1]
    assert event == HiddenChanged(id=event.id, user_ids=[ann.user_id])
    assert server.timeline_port.hidden == [[ann.user_id]]
    assert server.broadcasts.sent == [Invalidation(viewers=[ann.user_id])]
    standing = (await server.profiles.by_id(bob.user_id, ann.user_id)).standing
    assert standing is not None
    assert (standing.muting, standing.muted_until_ms) == (True, None)
    other = (await server.profiles.by_id(ann.user_id, bob.user_id)).standing
    assert other is not None
    assert not other.muting


async def test_muting_twice_is_muting_once() -> None:
    """And so is unmuting."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    await server.mutes.mute(ann, bob.user_id)
    batches = len(server.store.batches)
    await server.mutes.mute(ann, bob.user_id)
    assert len(server.store.batches) == batches
    assert await server.mutes.unmute(ann, bob.user_id)
    assert not await server.mutes.unmute(ann, bob.user_id)
    assert server.store.documents(MUTES) == []


async def test_a_timed_mute_ends_by_itself() -> None:
    """Also while it is stored still; until then a new time replaces the old one, in its place."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    cyd = await server.sign_up("cyd")
    start_ms = server.clock.now_ms
    assert await server.mutes.mute(ann, bob.user_id, 60) == start_ms + 60_000
    server.clock.now_ms += 1
    await server.mutes.mute(ann, cyd.user_id)
    assert await server.mutes.mute(ann, bob.user_id, 90) == start_ms + 90_001
    assert (await server.mutes.muted(ann, 0, 20)).ids == [cyd.user_id, bob.user_id]
    server.clock.now_ms = start_ms + 90_001
    assert (await server.mutes.muted(ann, 0, 20)).ids == [cyd.user_id]
    standing = (await server.profiles.by_id(bob.user_id, ann.user_id)).standing
    assert standing is not None
    assert (standing.muting, standing.muted_until_ms) == (False, None)
    assert not await server.mutes.unmute(ann, bob.user_id)


async def test_pages_of_mutes_are_full_where_some_are_over() -> None:
    """Those that are over take no place."""
    server = Server()
    ann = await server.sign_up("ann")
    users = [await server.sign_up(f"user{n}") for n in range(6)]
    for number, user in enumerate(users):
        server.clock.now_ms += 1
        await server.mutes.mute(ann, user.user_id, 10 if number % 2 else None)
    server.clock.now_ms += 11_000
    ids, before = await server.mutes.muted(ann, 0, 2)
    assert ids == [users[4].user_id, users[2].user_id]
    assert await server.mutes.muted(ann, before, 2) == ([users[0].user_id], 0)


@pytest.mark.parametrize("duration_s", [0, -1, MAX_DURATION_S + 1])
async def test_a_duration_out_of_bounds_is_refused(duration_s: int) -> None:
    """From a second to a year."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    with pytest.raises(InvalidRequest) as refused:
        await server.mutes.mute(ann, bob.user_id, duration_s)
    assert refused.value.field == "durationS"


async def test_mutes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of people and of conversations; what is muted already can be muted again."""
    monkeypatch.setattr(mutes_module, "MAX_MUTES", 1)
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    cyd = await server.sign_up("cyd")
    await server.mutes.mute(ann, bob.user_id)
    with pytest.raises(Forbidden):
        await server.mutes.mute(ann, cyd.user_id)
    assert await server.mutes.mute(ann, bob.user_id, 5) is not None
    assert await server.mutes.mute_conversation(ann, 1)
    with pytest.raises(Forbidden):
        await server.mutes.mute_conversation(ann, 2)
    assert not await server.mutes.mute_conversation(ann, 1)


async def test_who_is_muted_and_then_blocks_is_not_listed_and_can_be_unmuted() -> None:
    """As with blocks: one's own can always be ended."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    await server.mutes.mute(ann, bob.user_id)
    await server.blocks.block(bob, ann.user_id)
    assert (await server.mutes.muted(ann, 0, 20)).ids == []
    assert await server.mutes.unmute(ann, bob.user_id)
    assert not await server.mutes.unmute(ann, bob.user_id)


async def test_a_conversation_is_unmuted_whatever_became_of_the_tweet() -> None:
    """Hidden, deleted or a retweet; of one that never was the answer is the same."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    root = await server.post(bob)
    for end in ("hidden", "deleted", "retweet"):
        reply = await server.post(bob, "reply", root)
        await server.mutes.mute_conversation(ann, root.id)
        known = reply.id
        if end == "hidden":
            await server.blocks.block(bob, ann.user_id)
        elif end == "deleted":
            await server.post(bob, "below", reply)
            await server.tweets.delete(bob, reply.id)
        else:
            known = (await server.retweets.retweet(bob, reply.id)).tweet.id
        assert await server.mutes.unmute_conversation_of(ann, known)
        assert not await server.mutes.unmute_conversation_of(ann, known)
    assert not await server.mutes.unmute_conversation_of(ann, 404)
    assert server.store.documents(MUTED_CONVERSATIONS) == []


async def test_conversations_are_muted_and_unmuted() -> None:
    """Each once."""
    server = Server()
    ann = await server.sign_up("ann")
    assert await server.mutes.mute_conversation(ann, 7)
    [muted] = server.store.documents(MUTED_CONVERSATIONS)
    assert (muted["user_id"], muted["conversation_id"]) == (ann.user_id, 7)
    assert await server.mutes.unmute_conversation(ann, 7)
    assert not await server.mutes.unmute_conversation(ann, 7)
    assert server.store.documents(MUTED_CONVERSATIONS) == []
    assert server.timeline_port.hidden == [[ann.user_id]] * 2
