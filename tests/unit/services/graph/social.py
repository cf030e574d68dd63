"""What the tests of the graph share: looking at how people stand, as the store has it."""

from rookery.models import Identity
from rookery.services.accounts.profiles import ProfileChanges
from rookery.store.schema import (
    BLOCKED_BY,
    BLOCKS,
    FOLLOW_REQUESTS,
    FOLLOWEES,
    FOLLOWERS,
    SENT_REQUESTS,
    USER_COUNTS,
    USERS,
)
from tests.unit.memory_store import MemoryStore
from tests.unit.services.server import Server

Pair = tuple[int, int]


async def private(server: Server, username: str) -> Identity:
    """A new private account."""
    identity = await server.sign_up(username)
    await server.profiles.update(identity, ProfileChanges(is_private=True))
    return identity


async def public(server: Server, identity: Identity) -> None:
    """Make an account public."""
    await server.profiles.update(identity, ProfileChanges(is_private=False))


def follows(store: MemoryStore) -> set[Pair]:
    """(follower, followee) of every follow."""
    return {(each["follower_id"], each["followee_id"]) for each in store.documents(FOLLOWEES)}


def requests(store: MemoryStore) -> set[Pair]:
    """(follower, followee) of every request."""
    return {(each["follower_id"], each["followee_id"]) for each in store.documents(SENT_REQUESTS)}


def blocks(store: MemoryStore) -> set[Pair]:
    """(blocker, blocked) of every block."""
    return {(each["blocker_id"], each["blocked_id"]) for each in store.documents(BLOCKS)}


def check(store: MemoryStore) -> None:
    """What must hold whatever happened: both directions agree, counts equal lists, and nobody
    follows or asks across a block, asks and follows, or asks to follow a public account."""
    for one, other in (
        (FOLLOWEES, FOLLOWERS),
        (SENT_REQUESTS, FOLLOW_REQUESTS),
        (BLOCKS, BLOCKED_BY),
    ):
        rows, mirrored = store.documents(one), store.documents(other)
        assert sorted(map(_items, rows)) == sorted(map(_items, mirrored))
    edges = follows(store)
    for counts in store.documents(USER_COUNTS):
        user_id = counts["user_id"]
        assert counts["followees"] == sum(edge[0] == user_id for edge in edges)
        assert counts["followers"] == sum(edge[1] == user_id for edge in edges)
    assert not edges & requests(store)
    for blocker, blocked in blocks(store):
        across = {(blocker, blocked), (blocked, blocker)}
        assert not across & (edges | requests(store))
    private_ids = {each["id"] for each in store.documents(USERS) if each["is_private"]}
    assert {followee for _, followee in requests(store)} <= private_ids


def _items(document: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(document.items())
