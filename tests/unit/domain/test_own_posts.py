"""Posts in their authors' own homes before they are delivered."""

from rookery.domain.own_posts import OwnPosts
from rookery.domain.timelines import WarmTimelines
from rookery.messages import Delivery
from rookery.models import EventKind

ADA, BOB = 1, 2
NOW_S = 0.0


def warm(*users: int) -> WarmTimelines:
    """Timelines of users who follow only themselves, built and empty."""
    timelines = WarmTimelines(rows=8, ring_size=4, max_logs=8, log_events=8, list_size=4)
    for user in users:
        row = timelines.claim(user, NOW_S)
        assert row is not None
        token = timelines.begin(row)
        timelines.enter(row, [user], token)
        ids, kinds = timelines.rings.raw(row)
        timelines.finish(row, ids, kinds, 0, token)
    return timelines


def home(timelines: WarmTimelines, user: int, before: int = 0, mask: int = 0) -> list[int]:
    found = timelines.read(user, before, 10, mask, NOW_S)
    assert found is not None
    return found[0]


def test_a_post_is_in_its_authors_home_at_once() -> None:
    """And in nobody else's."""
    timelines = warm(ADA, BOB)
    timelines.posted(ADA, 10, 0)
    assert home(timelines, ADA) == [10]
    assert home(timelines, BOB) == []


def test_its_delivery_does_not_double_it() -> None:
    """Afterwards nothing is held beside the ring."""
    timelines = warm(ADA)
    timelines.posted(ADA, 10, 0)
    timelines.deliver(Delivery(10, EventKind.TWEET, 10, ADA), listed=False)
    assert home(timelines, ADA) == [10]
    assert not timelines._own


def test_it_stands_in_its_place_among_what_is_delivered_meanwhile() -> None:
    """Older posts come later, since everybody else's take the longer way."""
    timelines = warm(ADA)
    timelines.deliver(Delivery(5, EventKind.TWEET, 5, ADA), listed=False)
    timelines.posted(ADA, 10, 0)
    timelines.deliver(Delivery(7, EventKind.TWEET, 7, ADA), listed=False)
    assert home(timelines, ADA) == [10, 7, 5]
    assert not timelines.rings.disordered.any()


def test_pages_and_filters_apply_to_it() -> None:
    """As to all others."""
    timelines = warm(ADA)
    timelines.posted(ADA, 10, 2)
    timelines.posted(ADA, 12, 0)
    assert home(timelines, ADA, before=12) == [10]
    assert home(timelines, ADA, mask=2) == [10]


def test_whose_timeline_is_not_warm_needs_nothing_held() -> None:
    """It is built from the store, where the post is."""
    timelines = warm(BOB)
    timelines.posted(ADA, 10, 0)
    assert not timelines._own


def test_a_deleted_post_does_not_come_back() -> None:
    """Its deletion may be told first."""
    timelines = warm(ADA)
    timelines.deliver(Delivery(10, EventKind.TWEET_DELETED, 10, ADA), listed=False)
    timelines.posted(ADA, 10, 0)
    assert home(timelines, ADA) == []


def test_what_is_held_is_bounded() -> None:
    """Where deliveries stand still, the oldest authors' go first."""
    own = OwnPosts(capacity=3)
    for tweet_id in range(10, 16):
        own.add(tweet_id % 2, tweet_id, 0)
    assert len(own) <= 3
    for author in (0, 1):
        own.forget(author)
    assert not own and len(own) == 0


def test_it_can_be_inspected_before_it_is_delivered() -> None:
    """Whoever compares timelines with the store finds it, with its kind."""
    timelines = warm(ADA)
    timelines.posted(ADA, 10, 2)
    seen = timelines.inspect(ADA, NOW_S)
    assert seen is not None
    assert seen.posts == [(10, 2)]
