"""`rookery.domain.timelines`: a whole shard against brute force."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from rookery.domain.eventlog import NO_SLOT
from rookery.domain.presence import Recipients
from rookery.domain.timelines import WarmTimelines
from rookery.messages import Delivery
from rookery.models import EventKind

USERS = st.integers(1, 5)


def _build(shard: WarmTimelines, user: int, authors: Sequence[int], posts: list[int]) -> None:
    row = shard.claim(user, 0.0)
    assert row is not None
    token = shard.begin(row)
    assert shard.enter(row, authors, token)
    ids = np.array(posts, np.int64)
    assert shard.finish(row, ids, np.zeros(len(posts), np.uint8), 0, token)


def delivery_of(event: int, tweet_id: int, author: int, **fields: Any) -> Delivery:
    return Delivery(tweet_id, event, tweet_id, author, **fields)


def _deliver(
    shard: WarmTimelines, event: int, tweet_id: int, author: int, *, listed: bool
) -> tuple[int, list[Recipients]]:
    return shard.deliver(delivery_of(event, tweet_id, author), listed=listed)


def _shard(rows: int = 8, ring_size: int = 4) -> WarmTimelines:
    return WarmTimelines(
        rows=rows, ring_size=ring_size, max_logs=4, log_events=8, list_size=ring_size
    )


def test_a_change_of_the_graph_during_building_is_not_lost() -> None:
    """A row whose graph changed since the building began does not count as built."""
    shard = _shard()
    row = shard.claim(1, 0.0)
    assert row is not None
    token = shard.begin(row)
    shard.graph_changed(1, 2, True)
    assert not shard.enter(row, [2], token)
    assert shard.read(1, 0, 5, 0, 0.0) is None


def test_what_arrives_during_building_is_kept() -> None:
    """A tweet delivered between entering and finishing stands in the built timeline."""
    shard = _shard()
    row = shard.claim(1, 0.0)
    assert row is not None
    token = shard.begin(row)
    assert shard.enter(row, [2, 1], token)
    _deliver(shard, EventKind.TWEET, 50, 2, listed=False)
    assert shard.finish(row, np.array([10]), np.zeros(1, np.uint8), 0, token)
    assert shard.read(1, 0, 5, 0, 0.0) == ([50, 10], 0, False)


def test_a_tweet_that_comes_after_its_deletion_is_passed_over() -> None:
    """Also where nobody followed its author when the deletion came."""
    shard = _shard()
    _deliver(shard, EventKind.TWEET_DELETED, 50, 2, listed=False)
    _build(shard, 1, [2, 1], [])
    row = shard.row_of(1)
    assert row is not None
    server = shard.presence.server("s", "i")
    shard.presence.attach(1, row, server, None, None, "epoch")
    for listed in (False, True):
        assert _deliver(shard, EventKind.TWEET, 50, 2, listed=listed) == (0, [])
    assert shard.read(1, 0, 5, 0, 0.0) == ([], 0, False)


def test_a_deleted_tweet_is_not_listed_again() -> None:
    """Whether the list came before the deletion or, from whoever had not heard of it, after it."""
    shard = _shard()
    _build(shard, 1, [2, 1], [])
    shard.set_celebrity(2, [(50, 0), (60, 0)], 0)
    _deliver(shard, EventKind.TWEET_DELETED, 50, 2, listed=True)
    assert shard.read(1, 0, 5, 0, 0.0) == ([60], 0, False)
    shard.set_celebrity(2, [(50, 0), (60, 0), (70, 0)], 0)
    assert shard.read(1, 0, 5, 0, 0.0) == ([70, 60], 0, False)


def test_the_idlest_row_makes_room() -> None:
    """When all rows are taken, the one not read for longest goes, but none with an event log."""
    shard = _shard(rows=2)
    _build(shard, 1, [1], [])
    _build(shard, 2, [2], [])
    row = shard.row_of(1)
    assert row is not None
    server = shard.presence.server("s", "i")
    shard.presence.attach(1, row, server, None, None, "epoch")
    shard.read(2, 0, 1, 0, 9.0)
    _build(shard, 3, [3], [])
    assert shard.row_of(1) is not None
    assert shard.row_of(2) is None


def test_a_row_that_is_held_stays_with_its_user() -> None:
    """Whoever builds it may wait in between; nobody else gets it meanwhile."""
    shard = _shard(rows=1)
    row = shard.claim(1, 0.0)
    assert row is not None
    with shard.held(row):
        assert shard.claim(2, 9.0) is None
        assert shard.sweep(9.0, 1.0) == 0
    assert shard.claim(2, 9.0) == row
    assert shard.row_of(1) is None


def test_only_the_users_who_moved_are_dropped() -> None:
    """The others keep their rows and logs; one that is being built learns of it at the end."""
    shard = _shard()
    for user in (1, 2, 3):
        _build(shard, user, [user], [10])
        row = shard.row_of(user)
        assert row is not None
        shard.presence.attach(user, row, shard.presence.server("s", "i"), None, None, f"e{user}")
    row = shard.row_of(3)
    assert row is not None
    with shard.held(row):
        assert shard.keep_only(lambda user: user == 1) == 2
        assert shard.read(3, 0, 5, 0, 0.0) is None
    assert shard.users() == [1]
    assert shard.presence.position(1, 0) == ("e1", 0)
    assert shard.presence.position(2, 0) is None
    assert shard.presence.position(3, 0) is None


def test_the_end_of_a_celebrity_has_rows_built_anew() -> None:
    """Rows that relied on a list that is dropped are not served from memory any more."""
    shard = _shard()
    _build(shard, 1, [2, 1], [])
    shard.set_celebrity(2, [], 0)
    _deliver(shard, EventKind.TWEET, 50, 2, listed=True)
    assert shard.read(1, 0, 5, 0, 0.0) == ([50], 0, False)
    shard.end_celebrity(2)
    assert shard.read(1, 0, 5, 0, 0.0) is None


def test_events_are_pushed_to_those_connected() -> None:
    """A follower's server is told of the user and the new offset; others are not."""
    shard = _shard()
    _build(shard, 1, [2, 1], [])
    _build(shard, 3, [2, 3], [])
    row = shard.row_of(1)
    assert row is not None
    shard.presence.attach(1, row, shard.presence.server("s", "i"), None, None, "epoch")
    reached, recipients = _deliver(shard, EventKind.TWEET, 50, 2, listed=False)
    assert reached == 2
    assert [each.server for each in recipients] == ["s"]
    assert np.frombuffer(recipients[0].user_ids, np.int64).tolist() == [1]
    assert np.frombuffer(recipients[0].offsets, np.int64).tolist() == [1]


def test_a_new_incarnation_of_a_server_has_no_sessions() -> None:
    """What was connected to a server before it died is not pushed to afterwards."""
    shard = _shard()
    _build(shard, 1, [1], [])
    row = shard.row_of(1)
    assert row is not None
    shard.presence.attach(1, row, shard.presence.server("s", "old"), None, None, "epoch")
    shard.presence.server("s", "new")
    assert _deliver(shard, EventKind.TWEET, 50, 1, listed=False)[1] == []
    assert shard.presence.connected == 0


def test_the_logs_of_a_server_that_died_linger() -> None:
    """Clients that come back in time can resume; later the log is gone."""
    presence = _shard().presence
    presence.attach(1, 0, presence.server("s", "old"), None, None, "epoch")
    number = presence.server("s", "new", linger_until_s=9.0)
    presence.sweep(8.0)
    resumed = presence.attach(1, 0, number, "epoch", 0, "other")
    assert resumed is not None and resumed.events == []
    presence.server("s", "newer", linger_until_s=9.0)
    presence.sweep(9.0)
    assert presence.logs.slot_of(1) == NO_SLOT


class ShardMachine(RuleBasedStateMachine):
    """Random posts, follows, celebrities and readers; homes equal brute force at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.shard = _shard(rows=4, ring_size=3)
        self.following: dict[int, set[int]] = {user: {user} for user in range(1, 6)}
        self.posts: list[tuple[int, int, int]] = []
        self.next_id = 100
        self.celebrities: set[int] = set()

    def truth(self, user: int) -> list[int]:
        return [i for i, author, _ in reversed(self.posts) if author in self.following[user]]

    @rule(author=USERS, kind=st.integers(0, 3))
    def post(self, author: int, kind: int) -> None:
        self.next_id += 1
        self.posts.append((self.next_id, author, kind))
        delivery = delivery_of(EventKind.TWEET, self.next_id, author, post_kind=kind)
        self.shard.deliver(delivery, listed=author in self.celebrities)

    @rule(user=USERS, author=USERS)
    def follow(self, user: int, author: int) -> None:
        self.following[user].add(author)
        self.shard.graph_changed(user, author, True)

    @rule(user=USERS, author=USERS)
    def unfollow(self, user: int, author: int) -> None:
        if user != author:
            self.following[user].discard(author)
            self.shard.graph_changed(user, author, False)

    @rule(author=USERS)
    def promote(self, author: int) -> None:
        posts = [(i, kind) for i, who, kind in self.posts if who == author][-3:]
        floor = posts[0][0] if len(posts) == 3 else 0
        self.shard.set_celebrity(author, posts, floor)
        self.celebrities.add(author)

    @rule(author=USERS)
    def demote(self, author: int) -> None:
        self.shard.end_celebrity(author)
        self.celebrities.discard(author)

    @rule(user=USERS, before=st.integers(0, 40), limit=st.integers(1, 5), mask=st.integers(0, 3))
    def read(self, user: int, before: int, limit: int, mask: int) -> None:
        before = before and 100 + before
        page = self.shard.read(user, before, limit, mask, 0.0)
        if page is None:
            posts = [(i, kind) for i, a, kind in self.posts if a in self.following[user]]
            row = self.shard.claim(user, 0.0)
            assert row is not None
            token = self.shard.begin(row)
            assert self.shard.enter(row, self.following[user], token)
            ids = np.array([i for i, _ in posts], np.int64)
            kinds = np.array([kind for _, kind in posts], np.uint8)
            assert self.shard.finish(row, ids, kinds, 0, token)
            page = self.shard.read(user, before, limit, mask, 0.0)
            assert page is not None
        ids_read, next_before, from_store = page
        kind_of = {i: kind for i, _, kind in self.posts}
        wanted = [
            i
            for i in self.truth(user)
            if (not before or i < before) and (not mask or kind_of[i] & mask)
        ]
        assert ids_read == wanted[: len(ids_read)]
        if from_store:
            assert [i for i in wanted if i >= next_before] == ids_read
        elif len(ids_read) < limit:
            assert ids_read == wanted

    @invariant()
    def sound(self) -> None:
        for user in self.shard.users():
            found = self.shard.inspect(user, 0.0)
            assert found is not None
            assert found.is_sound
            truth = [i for i in self.truth(user) if i >= found.floor]
            assert [i for i, _ in found.posts] == truth
            assert set(found.following) == self.following[user]


TestShard = ShardMachine.TestCase
TestShard.settings = settings(stateful_step_count=40)
