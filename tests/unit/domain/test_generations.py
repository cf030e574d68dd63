"""The cache in two generations."""

from hypothesis import given
from hypothesis import strategies as st

from rookery.domain.generations import Generations


@given(st.integers(2, 9), st.lists(st.tuples(st.integers(0, 20), st.booleans())))
def test_it_never_holds_more_than_its_capacity(capacity: int, uses: list[tuple[int, bool]]) -> None:
    """Whatever mixture of puts and gets comes."""
    cache: Generations[int, int] = Generations(capacity)
    for key, is_put in uses:
        if is_put:
            cache.put(key, -key)
        else:
            assert cache.get(key) in (None, -key)
        assert len(cache) <= capacity
        assert len(dict(cache.items())) == len(cache)


def test_what_is_used_stays_while_others_are_forgotten() -> None:
    """A value that is asked for now and then survives any number of new ones."""
    cache: Generations[int, str] = Generations(10)
    cache.put(0, "kept")
    for key in range(1, 100):
        cache.put(key, "passing")
        assert cache.get(0) == "kept"
    assert cache.get(1) is None


def test_peek_does_not_keep_a_value_alive() -> None:
    """Looking without using leaves the order of forgetting alone."""
    cache: Generations[int, str] = Generations(4)
    cache.put(0, "peeked")
    for key in range(1, 5):
        cache.put(key, "passing")
        cache.peek(0)
    assert cache.peek(0) is None


def test_discard_forgets_in_both_generations() -> None:
    """A discarded value is gone wherever it stood."""
    cache: Generations[int, str] = Generations(4)
    for key in range(4):
        cache.put(key, "value")
    for key in range(4):
        cache.discard(key)
    assert len(cache) == 0
