"""`rookery.domain.celebrity`: hysteresis and lists."""

from hypothesis import given
from hypothesis import strategies as st

from rookery.domain.celebrity import CelebrityList, is_celebrity


def test_an_author_near_the_threshold_does_not_flap() -> None:
    """Becoming a celebrity takes the threshold, ceasing to be one a fifth less."""
    assert not is_celebrity(999, 1000, was=False)
    assert is_celebrity(1000, 1000, was=False)
    assert is_celebrity(800, 1000, was=True)
    assert not is_celebrity(799, 1000, was=True)


@given(
    capacity=st.integers(1, 6),
    tweets=st.lists(st.tuples(st.integers(1, 30), st.integers(0, 3)), unique_by=lambda t: t[0]),
    deleted=st.sets(st.integers(1, 30)),
    before=st.integers(0, 31),
    limit=st.integers(1, 8),
    mask=st.integers(0, 3),
)
def test_below_is_exact_above_the_floor(
    capacity: int,
    tweets: list[tuple[int, int]],
    deleted: set[int],
    before: int,
    limit: int,
    mask: int,
) -> None:
    """Whatever came and went in whatever order, pages above the floor miss and double nothing."""
    celebrity = CelebrityList(capacity)
    for tweet_id, kind in tweets:
        celebrity.add(tweet_id, kind)
        celebrity.add(tweet_id, kind)
    for tweet_id in deleted:
        celebrity.discard(tweet_id)
    expected = sorted(
        (
            tweet_id
            for tweet_id, kind in tweets
            if tweet_id >= celebrity.floor
            and tweet_id not in deleted
            and (not before or tweet_id < before)
            and (not mask or kind & mask)
        ),
        reverse=True,
    )
    assert celebrity.below(before, limit, mask) == expected[:limit]
    assert len(celebrity) <= capacity
