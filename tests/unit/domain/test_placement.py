"""`rookery.domain.placement`: even, stable, minimal movement."""

from collections import Counter

import pytest

from rookery.domain.placement import ClusterView, Members, ShardMap
from rookery.ids import Snowflakes


def _users(count: int) -> list[int]:
    clock = iter(range(1_700_000_000_000, 1_700_000_000_000 + count))
    snowflakes = Snowflakes(3, lambda: next(clock))
    return [snowflakes.next_id() for _ in range(count)]


def test_snowflakes_spread_evenly() -> None:
    """Users that signed up one after another spread over the shards, within a tenth or so."""
    shards = ShardMap([f"TimelineShard-{number}" for number in range(4)])
    counts = Counter(shards.owner(user) for user in _users(20_000))
    assert len(counts) == 4
    assert max(counts.values()) < 1.25 * 5_000
    assert min(counts.values()) > 0.75 * 5_000


def test_a_new_shard_takes_its_share_and_moves_nobody_else() -> None:
    """Whoever moves, moves to the newcomer; about a fifth does."""
    before = ShardMap([f"TimelineShard-{number}" for number in range(4)])
    after = ShardMap([f"TimelineShard-{number}" for number in range(5)])
    users = _users(20_000)
    moved = [user for user in users if before.owner(user) != after.owner(user)]
    assert {after.owner(user) for user in moved} == {"TimelineShard-4"}
    assert 0.15 * len(users) < len(moved) < 0.25 * len(users)


def test_no_shards_is_refused() -> None:
    """A map without shards could place nobody."""
    with pytest.raises(ValueError, match="at least one"):
        ShardMap([])


def test_members_are_added_once_and_taken_out_by_name() -> None:
    """A view is made from the one before."""
    one = Members(shards=("TimelineShard-0",), gateways=("Gateway-0",))
    more = Members(shards=("TimelineShard-0", "TimelineShard-1"))
    both = one + more
    assert both.all == ("TimelineShard-0", "TimelineShard-1", "Gateway-0")
    assert both.without({"TimelineShard-0"}).all == ("TimelineShard-1", "Gateway-0")


def test_who_serves_is_present() -> None:
    """Nobody serves who is not told of what happens."""
    view = ClusterView.of(Members(shards=("TimelineShard-0",)))
    coming = Members(shards=("TimelineShard-1",))
    later = view.after(view.serving + coming, view.present)
    assert later.version == view.version + 1
    assert later.present.shards == later.serving.shards == ("TimelineShard-0", "TimelineShard-1")


def test_each_user_is_owned_by_one_serving_shard() -> None:
    """A shard that is only present owns nobody."""
    view = ClusterView.of(Members(shards=("TimelineShard-0", "TimelineShard-1")))
    view = view.after(view.serving, view.present + Members(shards=("TimelineShard-2",)))
    for user in _users(200):
        assert [view.owns(shard, user) for shard in view.present.shards].count(True) == 1
        assert not view.owns("TimelineShard-2", user)
