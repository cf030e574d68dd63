"""`rookery.domain.placement`: even, stable, minimal movement."""

from collections import Counter

import pytest

from rookery.domain.placement import ShardMap
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
