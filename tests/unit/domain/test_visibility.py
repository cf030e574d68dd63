"""Who may see what: every combination, against the table of the design stated apart."""

from collections.abc import Iterator
from functools import cache
from itertools import product

import pytest
from msgspec.structs import replace

from rookery.domain.visibility import (
    ACTIVE,
    DELETED,
    FOLLOWERS,
    MENTIONED,
    PUBLIC,
    SUSPENDED,
    Facts,
    Viewer,
    is_muted,
    may_be_retweeted,
    may_see,
    may_see_lists,
)

ME, AUTHOR, OTHER = 1, 2, 3
TWEET, ORIGINAL = 100, 200
KINDS = ("nobody", "stranger", "follower", "blocks", "muter", "author", "moderator")
"""Of viewers. Whether the viewer is mentioned is a dimension of its own."""


def viewer_of(kind: str, towards: int, is_moderator: bool = False) -> Viewer:
    """A viewer who stands so towards one user."""
    if kind == "nobody":
        return Viewer()
    none: frozenset[int] = frozenset()
    some = frozenset({towards})
    return Viewer(
        user_id=towards if kind == "author" else ME,
        is_moderator=is_moderator or kind == "moderator",
        blocked=some if kind == "blocks" else none,
        muted=some if kind == "muter" else none,
        followed=some if kind == "follower" else none,
    )


def facts_of(
    author_id: int, visibility: str, is_private: bool, status: str, mentions: bool
) -> Facts:
    return Facts(
        author_id=author_id,
        conversation_id=TWEET if author_id == AUTHOR else ORIGINAL,
        visibility=visibility,
        author_is_private=is_private,
        author_status=status,
        mentioned=frozenset({ME, 77} if mentions else {77}),
    )


def allowed(kind: str, visibility: str, is_private: bool, status: str, mentions: bool) -> bool:
    """The table of the design, row by row, for a tweet that is no retweet."""
    if status == DELETED:
        return False
    if status == SUSPENDED:
        return kind == "moderator"
    audience = {
        (PUBLIC, False): {"nobody", "stranger", "follower", "muter", "author", "moderator"},
        (PUBLIC, True): {"follower", "author"},
        (FOLLOWERS, False): {"follower", "author"},
        (FOLLOWERS, True): {"follower", "author"},
        (MENTIONED, False): {"author"},
        (MENTIONED, True): {"author"},
    }[visibility, is_private]
    named = {"stranger", "follower", "muter", "moderator"} if mentions else set()
    return kind in audience | named


TWEETS = list(
    product(
        (PUBLIC, FOLLOWERS, MENTIONED),
        (False, True),
        (ACTIVE, SUSPENDED, DELETED),
        (False, True),
    )
)


@pytest.mark.parametrize("kind", KINDS)
def test_a_tweet_is_seen_by_whom_the_table_names(kind: str) -> None:
    """Each viewer, visibility, privacy, status and mention."""
    for visibility, is_private, status, mentions in TWEETS:
        facts = facts_of(AUTHOR, visibility, is_private, status, mentions)
        expected = allowed(kind, visibility, is_private, status, mentions)
        found = may_see(viewer_of(kind, AUTHOR), facts)
        assert found == expected, (kind, visibility, is_private, status, mentions)


@pytest.mark.parametrize(("kind", "towards_other"), list(product(KINDS, KINDS)))
def test_a_retweet_is_seen_by_who_may_see_both(kind: str, towards_other: str) -> None:
    """Each way of standing towards its author, and towards the original's."""
    if (kind == "nobody") != (towards_other == "nobody") or kind == towards_other == "author":
        return  # There is no such viewer.
    viewer = _both(kind, towards_other)
    expected = product(_seen(kind, viewer), _seen(towards_other, viewer))
    wrong = [
        facts
        for facts, sees_both in zip(_retweets(), map(all, expected), strict=True)
        if may_see(viewer, facts) != sees_both
    ]
    assert wrong == []


@cache
def _retweets() -> list[Facts]:
    """Each tweet as a retweet of each other one."""
    originals = [facts_of(OTHER, *each) for each in TWEETS]
    return [replace(own, original=each) for own, each in product(every_facts(), originals)]


def _seen(kind: str, viewer: Viewer) -> list[bool]:
    """Which of `TWEETS` a viewer sees who stands so towards their author."""
    names_viewer = viewer.user_id == ME
    return [
        allowed(
            _as(kind, viewer.is_moderator, status),
            visibility,
            is_private,
            status,
            mentions and names_viewer,
        )
        for visibility, is_private, status, mentions in TWEETS
    ]


def _both(kind: str, towards_other: str) -> Viewer:
    """One viewer who stands so towards the author and so towards the original's."""
    one, other = viewer_of(kind, AUTHOR), viewer_of(towards_other, OTHER)
    user_ids = {each.user_id for each in (one, other)} - {ME}
    return Viewer(
        user_id=user_ids.pop() if user_ids else ME,
        is_moderator=one.is_moderator or other.is_moderator,
        blocked={*one.blocked, *other.blocked},
        muted={*one.muted, *other.muted},
        followed={*one.followed, *other.followed},
    )


def _as(kind: str, is_moderator: bool, status: str) -> str:
    """A moderator is one towards everybody, which counts for suspended accounts alone."""
    return "moderator" if is_moderator and status == SUSPENDED else kind


def every_facts() -> Iterator[Facts]:
    for visibility, is_private, status, mentions in TWEETS:
        yield facts_of(AUTHOR, visibility, is_private, status, mentions)


def test_restricted_is_whatever_somebody_unblocked_may_not_see() -> None:
    """What decides whether a page has to be filtered at all."""
    strangers = [Viewer(), Viewer(user_id=ME), Viewer(user_id=55, is_moderator=True)]
    for facts in every_facts():
        is_for_all = all(may_see(stranger, facts) for stranger in strangers)
        assert facts.is_restricted == (not is_for_all)
        retweet = Facts(author_id=OTHER, conversation_id=1, original=facts)
        assert retweet.is_restricted == facts.is_restricted


def test_a_mute_leaves_out_of_lists_and_not_of_what_is_asked_for() -> None:
    """Of authors and conversations, an original's too; never one's own tweets."""
    original = Facts(author_id=OTHER, conversation_id=ORIGINAL)
    facts = Facts(author_id=AUTHOR, conversation_id=TWEET, original=original)
    for muted in (AUTHOR, TWEET, OTHER, ORIGINAL):
        viewer = Viewer(user_id=ME, muted={muted, 999})
        assert may_see(viewer, facts)
        assert is_muted(viewer, facts)
        assert not is_muted(viewer, facts, asked_for={muted})
        assert is_muted(viewer, facts, asked_for={999})
        assert not is_muted(Viewer(user_id=AUTHOR, muted={muted}), facts)
    assert not is_muted(Viewer(user_id=ME, muted={999}), facts)
    assert not is_muted(Viewer(), facts)


@pytest.mark.parametrize(("kind", "is_private"), list(product(KINDS, (False, True))))
def test_lists_of_a_private_account_are_for_its_followers(kind: str, is_private: bool) -> None:
    """And for itself; of a public one for everybody."""
    found = may_see_lists(viewer_of(kind, AUTHOR), AUTHOR, is_private=is_private)
    assert found == (not is_private or kind in {"follower", "author"})


def test_only_what_everybody_may_see_is_retweeted_by_others() -> None:
    """One's own is, whatever it is."""
    for facts in every_facts():
        assert may_be_retweeted(facts, ME) == (not facts.is_restricted)
        assert may_be_retweeted(facts, AUTHOR)
