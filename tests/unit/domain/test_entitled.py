"""Who gets which event: the shard against `rookery.domain.visibility`, by brute force."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rookery.domain.presence import Recipients
from rookery.domain.timelines import WarmTimelines
from rookery.domain.visibility import FOLLOWERS, MENTIONED, PUBLIC, Facts, Viewer, is_muted, may_see
from rookery.messages import Delivery
from rookery.models import EventKind, PostKind

USERS = range(1, 7)
CONVERSATIONS = range(101, 104)
TWEET_ID = 1000


class Someone(msgspec.Struct):
    """A user with a warm row and a connection."""

    follows: set[int] = set()
    muted: set[int] = set()
    blocked: set[int] = set()


def shard_of(people: dict[int, Someone]) -> WarmTimelines:
    """All of them entered and connected; authors are subtracted as the store's reader does."""
    shard = WarmTimelines(rows=9, ring_size=4, max_logs=9, log_events=8, list_size=4)
    for user, who in people.items():
        enter(shard, user, who)
        row = shard.row_of(user)
        assert row is not None
        servers = ("odd", "even")
        number = shard.presence.server(servers[user % 2 == 0], "i")
        shard.presence.attach(user, row, number, None, None, f"e{user}")
    return shard


def enter(shard: WarmTimelines, user: int, who: Someone) -> None:
    row = shard.claim(user, 0.0)
    assert row is not None
    authors = (who.follows - who.muted - who.blocked) | {user}
    token = shard.begin(row)
    assert shard.enter(row, authors, token, muted=who.muted, blocked=who.blocked)


def users_of(recipients: Iterable[Recipients]) -> dict[int, bool]:
    """Who got it, and whether without what it quotes; nobody got it twice."""
    found: dict[int, bool] = {}
    for each in recipients:
        for user in np.frombuffer(each.user_ids, np.int64).tolist():
            assert user not in found
            found[user] = each.hides_quote
    return found


def deliver(shard: WarmTimelines, **fields: Any) -> dict[int, bool]:
    values = {"event_kind": EventKind.TWEET, **fields}
    delivery = Delivery(event_id=TWEET_ID, tweet_id=TWEET_ID, **values)
    return users_of(shard.deliver(delivery, listed=False)[1])


def test_a_muted_author_is_not_heard() -> None:
    """Neither by the ring nor by the log; following afterwards does not change that."""
    shard = shard_of({2: Someone({1}, muted={1}), 3: Someone({1})})
    shard.graph_changed(2, 1, True)
    assert deliver(shard, author_id=1) == {3: False}


def test_a_retweet_of_somebody_hidden_is_not_heard() -> None:
    """Whether by a mute or by a block; its deletion is not heard of either."""
    people = {2: Someone({1}, muted={9}), 3: Someone({1}, blocked={9}), 4: Someone({1})}
    shard = shard_of(people)
    retweet = {"author_id": 1, "post_kind": PostKind.RETWEET, "original_author_id": 9}
    assert deliver(shard, **retweet) == {4: False}
    assert deliver(shard, event_kind=EventKind.TWEET_DELETED, **retweet) == {4: False}


def test_a_quote_of_somebody_blocked_comes_without_it() -> None:
    """A quote of somebody muted comes whole."""
    people = {2: Someone({1}, muted={9}), 3: Someone({1}, blocked={9}), 4: Someone({1})}
    quote = {"author_id": 1, "post_kind": PostKind.QUOTE, "original_author_id": 9}
    assert deliver(shard_of(people), **quote) == {2: False, 3: True, 4: False}


def test_a_muted_conversation_is_not_heard() -> None:
    """Whoever says something in it, or passes it on; what is said about it is."""
    shard = shard_of({2: Someone({1}, muted={101}), 3: Someone({1})})
    assert deliver(shard, author_id=1, conversation_id=101) == {3: False}
    assert deliver(shard, author_id=1, conversation_id=102) == {2: False, 3: False}
    shown = {"author_id": 1, "original_author_id": 9, "original_conversation_id": 101}
    for event in (EventKind.TWEET, EventKind.TWEET_DELETED):
        retweet = deliver(shard, event_kind=event, post_kind=PostKind.RETWEET, **shown)
        assert retweet == {3: False}
    quote = {"author_id": 1, "original_author_id": 9, "post_kind": PostKind.QUOTE}
    shard = shard_of({2: Someone({1}, muted={101}), 3: Someone({1})})
    assert deliver(shard, **quote) == {2: False, 3: False}


def test_what_is_of_a_private_account_goes_to_its_followers() -> None:
    """And to those whom it mentions; of a quote the others get the rest."""
    people = {
        1: Someone(),
        2: Someone({1}),
        3: Someone({1, 9}),
        4: Someone({1}),
        5: Someone({1, 9}, muted={9}),
        9: Someone({1}),
    }
    shown = {"author_id": 1, "original_author_id": 9, "original_audience": [4, 9, 77]}
    for event in (EventKind.TWEET, EventKind.TWEET_DELETED):
        retweet = deliver(shard_of(people), event_kind=event, post_kind=PostKind.RETWEET, **shown)
        assert retweet == {3: False, 4: False, 9: False}
    assert deliver(shard_of(people), post_kind=PostKind.QUOTE, **shown) == {
        1: True,
        2: True,
        3: False,
        4: False,
        5: True,
        9: False,
    }


def test_an_audience_is_those_of_it_who_follow() -> None:
    """And the author; the deletion is told to the same."""
    people = {1: Someone(), 2: Someone({1}), 3: Someone({1}), 4: Someone()}
    shard = shard_of(people)
    for event in (EventKind.TWEET, EventKind.TWEET_EDITED, EventKind.TWEET_DELETED):
        assert deliver(shard, event_kind=event, author_id=1, audience=[1, 2, 4, 77]) == {
            1: False,
            2: False,
        }


def test_who_gets_nothing_has_no_gap() -> None:
    """The log's offsets do not move for those who may not know."""
    shard = shard_of({2: Someone({1}, muted={9}), 3: Someone({1})})
    deliver(shard, author_id=1, post_kind=PostKind.RETWEET, original_author_id=9)
    assert shard.presence.logs.offsets[shard.presence.logs.slot_of(2)] == 0
    assert shard.presence.logs.offsets[shard.presence.logs.slot_of(3)] == 1


def test_a_change_counts_at_once_and_has_the_row_built_anew() -> None:
    """A mute that is made, and one that is taken back."""
    shard = shard_of({2: Someone({1}), 3: Someone({1})})
    shard.hidden_changed(2, [2], {1}, ())
    assert deliver(shard, author_id=1) == {3: False}
    shard.hidden_changed(2, [1, 2], (), ())
    assert deliver(shard, author_id=1) == {2: False, 3: False}
    assert shard.read(2, 0, 5, 0, 0.0) is None


def test_a_change_during_building_is_not_lost() -> None:
    """What was read before it does not enter, and the change itself enters nobody."""
    shard = WarmTimelines(rows=2, ring_size=4, max_logs=2, log_events=8, list_size=4)
    row = shard.claim(2, 0.0)
    assert row is not None
    token = shard.begin(row)
    shard.spoil(2)
    shard.hidden_changed(2, [2], {1}, ())
    assert not shard.enter(row, [1, 2], token)
    assert not shard.is_entered(2)


def test_a_row_that_is_dropped_hides_nothing() -> None:
    """Its number may be another user's next."""
    shard = WarmTimelines(rows=1, ring_size=4, max_logs=1, log_events=8, list_size=4)
    enter(shard, 2, Someone({1}, muted={9}, blocked={8}))
    enter(shard, 3, Someone({1}))
    assert shard.row_of(2) is None
    assert shard.hiding.is_empty


def test_a_celebritys_events_follow_the_same_rules() -> None:
    """A listed delivery goes to the same people."""
    people = {2: Someone({1}, blocked={9}), 3: Someone({1})}
    delivery = Delivery(
        TWEET_ID,
        EventKind.TWEET,
        TWEET_ID,
        1,
        post_kind=PostKind.RETWEET,
        original_author_id=9,
    )
    assert users_of(shard_of(people).deliver(delivery, listed=True)[1]) == {3: False}


def someone(user: int) -> st.SearchStrategy[Someone]:
    """Nobody hides themselves."""
    others = st.sets(st.sampled_from([each for each in USERS if each != user]))
    conversations = st.sets(st.sampled_from(CONVERSATIONS))
    return st.builds(
        Someone,
        follows=others,
        muted=st.tuples(others, conversations).map(lambda both: both[0] | both[1]),
        blocked=others,
    )


PEOPLE = st.fixed_dictionaries({user: someone(user) for user in USERS})


@given(
    people=PEOPLE,
    changed=PEOPLE,
    author=st.sampled_from(USERS),
    original=st.none() | st.sampled_from(USERS),
    is_private=st.booleans(),
    conversation=st.sampled_from(CONVERSATIONS),
    original_conversation=st.sampled_from(CONVERSATIONS),
    named=st.frozensets(st.sampled_from(USERS)),
    visibility=st.sampled_from([PUBLIC, FOLLOWERS, MENTIONED]),
    mentioned=st.frozensets(st.sampled_from(USERS)),
    is_quote=st.booleans(),
    event=st.sampled_from([EventKind.TWEET, EventKind.TWEET_EDITED, EventKind.TWEET_DELETED]),
    changes=st.sets(st.sampled_from(USERS)),
)
def test_events_reach_whom_a_list_would_show_the_tweet(
    people: dict[int, Someone],
    changed: dict[int, Someone],
    author: int,
    original: int | None,
    is_private: bool,
    conversation: int,
    original_conversation: int,
    named: frozenset[int],
    visibility: str,
    mentioned: frozenset[int],
    is_quote: bool,
    event: EventKind,
    changes: set[int],
) -> None:
    """Of all combinations: those who follow the author, may see the tweet and do not mute it."""
    shard = shard_of(people)
    for user in changes:
        who = people[user] = changed[user]
        authors = (who.follows - who.muted - who.blocked) | {user}
        shard.hidden_changed(user, authors, who.muted, who.blocked)
    kind, quoted, shown = PostKind(0), None, None
    if original is not None:
        of_original = Facts(
            author_id=original,
            conversation_id=original_conversation,
            author_is_private=is_private,
            mentioned=named,
        )
        kind = PostKind.QUOTE if is_quote else PostKind.RETWEET
        quoted, shown = (of_original, None) if is_quote else (None, of_original)
    facts = Facts(
        author_id=author,
        conversation_id=conversation,
        visibility=visibility,
        author_is_private=is_private and author == original,
        mentioned=mentioned,
        original=shown,
    )
    is_limited = is_private and original not in (None, author)

    got = deliver(
        shard,
        event_kind=event,
        author_id=author,
        post_kind=kind,
        conversation_id=conversation,
        original_author_id=original,
        audience=sorted({author, *mentioned}) if visibility == MENTIONED else None,
        original_conversation_id=None if shown is None else original_conversation,
        original_audience=sorted({original or 0, *named}) if is_limited else None,
    )

    assert got.keys() == {user for user in USERS if _is_due(user, people[user], facts)}
    for user, hides_quote in got.items():
        who = people[user]
        # Of somebody private whom the user mutes it is not known whether the user follows them.
        is_unknown = is_limited and original in who.muted and user not in (original, *named)
        if quoted is not None and not is_unknown:
            assert hides_quote is not may_see(_viewer(user, who), quoted)


def _viewer(user: int, who: Someone) -> Viewer:
    return Viewer(
        user_id=user, blocked=who.blocked, muted=who.muted, followed=frozenset(who.follows)
    )


def _is_due(user: int, who: Someone, facts: Facts) -> bool:
    viewer = _viewer(user, who)
    at_home: Sequence[int] = (user, *who.follows)
    return facts.author_id in at_home and may_see(viewer, facts) and not is_muted(viewer, facts)
