"""Merging authors' posts, against sorting all of them."""

from hypothesis import given
from hypothesis import strategies as st

from rookery.domain.merging import NewestMerge, Post

authors = st.lists(
    st.lists(st.tuples(st.integers(1, 10_000), st.integers(0, 15)), max_size=30), max_size=8
)


def _distinct(drawn: list[list[Post]]) -> list[list[Post]]:
    """Each author's posts newest first, no id twice anywhere."""
    seen: set[int] = set()
    lists = []
    for posts in drawn:
        own = []
        for post in posts:
            if post[0] not in seen:
                seen.add(post[0])
                own.append(post)
        lists.append(sorted(own, reverse=True))
    return lists


def _brute_force(lists: list[list[Post]], mask: int) -> list[int]:
    posts = sorted((post for posts in lists for post in posts), reverse=True)
    return [tweet_id for tweet_id, kind in posts if not mask or kind & mask]


def _read(posts: list[Post], before: int, above: int, limit: int) -> list[Post]:
    """As a store reads a list: between two bounds, newest first, at most `limit`."""
    return [p for p in posts if p[0] > above and (not before or p[0] < before)][:limit]


@given(authors, st.integers(1, 12))
def test_one_round_is_enough_without_a_filter(drawn: list[list[Post]], size: int) -> None:
    """A page of each author is enough to know the page of all of them."""
    lists = _distinct(drawn)
    merge = NewestMerge(size, size)
    for posts in lists:
        merge.add([_read(posts, 0, merge.floor, size)])
    assert merge.ids == _brute_force(lists, 0)[:size]


@given(authors, st.integers(1, 12), st.integers(1, 6), st.integers(0, 15), st.integers(1, 3))
def test_rounds_together_give_what_sorting_gives(
    drawn: list[list[Post]], size: int, list_limit: int, mask: int, authors_a_read: int
) -> None:
    """Any filter, short lists, any split into reads: nothing is missing, doubled or misplaced."""
    lists = _distinct(drawn)
    found: list[int] = []
    before = 0
    for _ in range(1000):
        merge = NewestMerge(size - len(found), list_limit, mask)
        for start in range(0, len(lists), authors_a_read):
            merge.add(
                _read(posts, before, merge.floor, list_limit)
                for posts in lists[start : start + authors_a_read]
            )
        found += merge.ids
        before = merge.resume_before
        if len(found) == size or not before:
            break
    assert found == _brute_force(lists, mask)[:size]


def test_once_a_page_is_full_older_posts_need_not_be_read() -> None:
    """The floor rises to the oldest candidate, so that idle authors cost no rows."""
    merge = NewestMerge(2, 2)
    merge.add([[(50, 0), (40, 0)]])
    assert merge.floor == 40


def test_the_floor_holds_while_lists_are_being_read() -> None:
    """A floor taken from candidates that are not sorted yet would hide posts of the next list."""
    merge = NewestMerge(2, 2)
    merge.add(_read(posts, 0, merge.floor, 2) for posts in ([(1, 0)], [(3, 0)], [(2, 0)]))
    assert merge.ids == [3, 2]
