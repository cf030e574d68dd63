"""What refers to tweets that are gone is found, and counts of quotes and pins are compared."""

import pytest

from rookery.models import Identity, Tweet
from rookery.services.checking.findings import WrongReference
from rookery.services.checking.references import References
from rookery.store.engine import Collection, Delete, Increment, Insert, Operation, Put, WriteBatch
from rookery.store.schema import (
    BOOKMARKERS,
    BOOKMARKS,
    PINS,
    QUOTES,
    REMOVALS,
    RETWEETED,
    RETWEETS,
    TWEET_COUNTS,
    TWEET_EDITS,
    TWEETS,
    USER_COUNTS,
)
from tests.unit.services.server import Server

GONE = 77
RETWEETED_FIELDS = (*RETWEETED.key, *RETWEETED.columns)


class Scene:
    """A user with a tweet, and what is written beside it."""

    def __init__(self) -> None:
        self.server = Server()

    async def begin(self) -> tuple[Identity, Tweet]:
        ann = await self.server.sign_up("ann")
        return ann, await self.server.post(ann)

    async def write(self, *operations: Operation) -> None:
        await self.server.store.write(WriteBatch(operations))

    async def check(self, *, repair: bool) -> list[WrongReference]:
        references = References(self.server.store, self.server.tweets.removals)
        return [wrong async for each in references.run(repair=repair) for wrong in each.wrong]

    def counts(self, collection: Collection, column: str) -> int:
        [row] = self.server.store.documents(collection)
        count: int = row[column]
        return count


async def test_only_quotes_that_count_are_counted() -> None:
    """Those that are not for everybody stand in the list, and in no count."""
    scene = Scene()
    ann, tweet = await scene.begin()
    quotes = [await scene.server.post(ann) for _ in range(3)]
    rows = [
        {"original_id": tweet.id, "tweet_id": each.id, "author_id": ann.user_id, "counted": counted}
        for each, counted in zip(quotes, (1, 0, 1), strict=True)
    ]
    await scene.write(
        *(Insert(QUOTES.name, row) for row in rows),
        Increment(TWEET_COUNTS.name, (tweet.id,), {"quotes": 2}),
    )
    assert await scene.check(repair=False) == []
    await scene.write(Increment(TWEET_COUNTS.name, (tweet.id,), {"quotes": 1}))
    expected = WrongReference(owner="tweet", id=tweet.id, what="quotes", counted=3, listed=2)
    assert await scene.check(repair=True) == [expected]
    assert await scene.check(repair=False) == []


async def test_pins_of_users_and_tweets_are_compared_with_the_list() -> None:
    """Both the number that a user has, and whether a tweet is pinned."""
    scene = Scene()
    ann, tweet = await scene.begin()
    pin = {"user_id": ann.user_id, "tweet_id": tweet.id, "pin_id": 9}
    await scene.write(Insert(PINS.name, pin))
    expected = [
        WrongReference(owner="user", id=ann.user_id, what="pins", counted=0, listed=1),
        WrongReference(owner="tweet", id=tweet.id, what="pins", counted=0, listed=1),
    ]
    assert await scene.check(repair=True) == expected
    assert scene.counts(USER_COUNTS, "pins") == scene.counts(TWEET_COUNTS, "pins") == 1
    assert await scene.check(repair=False) == []
    await scene.write(Delete(PINS.name, (ann.user_id, tweet.id)))
    assert [each.listed for each in await scene.check(repair=True)] == [0, 0]
    assert scene.counts(USER_COUNTS, "pins") == scene.counts(TWEET_COUNTS, "pins") == 0


@pytest.mark.parametrize("listed", [RETWEETS, QUOTES, PINS], ids=lambda each: each.name)
async def test_rows_of_tweets_that_are_gone_go(listed: Collection) -> None:
    """And what counts them is put right after that."""
    scene = Scene()
    ann, tweet = await scene.begin()
    row = {"original_id": tweet.id, "user_id": ann.user_id, "tweet_id": GONE}
    row |= {"author_id": ann.user_id, "counted": 1, "pin_id": 9}
    names = (*listed.key, *listed.columns)
    is_pin = listed is PINS
    counts, owner_id = (USER_COUNTS, ann.user_id) if is_pin else (TWEET_COUNTS, tweet.id)
    await scene.write(
        Insert(listed.name, {name: row[name] for name in names}),
        Increment(counts.name, (owner_id,), {listed.name: 1}),
    )
    what = f"{listed.name} without the tweet"
    owner = "user" if is_pin else "tweet"
    expected = WrongReference(owner=owner, id=owner_id, what=what, other=GONE)
    assert expected in await scene.check(repair=False)
    assert (await scene.check(repair=True))[0] == expected
    assert scene.server.store.documents(listed) == []
    assert scene.counts(counts, listed.name) == 0
    assert await scene.check(repair=False) == []


async def test_a_pin_of_somebody_elses_tweet_goes() -> None:
    """Only one's own can be pinned."""
    scene = Scene()
    _, tweet = await scene.begin()
    await scene.write(Insert(PINS.name, {"user_id": 3, "tweet_id": tweet.id, "pin_id": 9}))
    found = await scene.check(repair=True)
    assert [(each.id, each.other) for each in found] == [(3, tweet.id)]
    assert scene.server.store.documents(PINS) == []


async def test_retweets_whose_author_is_not_noted_stay() -> None:
    """What is not known is no contradiction."""
    scene = Scene()
    ann, tweet = await scene.begin()
    retweet = await scene.server.post(ann)
    await scene.write(
        Insert(RETWEETS.name, {"original_id": tweet.id, "tweet_id": retweet.id}),
        Increment(TWEET_COUNTS.name, (tweet.id,), {"retweets": 1}),
    )
    assert await scene.check(repair=True) == []


async def test_a_tweet_that_is_there_in_the_last_moment_keeps_its_row() -> None:
    """A repair is made on condition that the tweet is gone."""
    scene = Scene()
    ann, tweet = await scene.begin()
    [document] = scene.server.store.documents(TWEETS)
    quote = {"original_id": tweet.id, "tweet_id": GONE, "author_id": ann.user_id, "counted": 0}
    await scene.write(Insert(QUOTES.name, quote))

    async def restore(_: WriteBatch) -> None:
        scene.server.store.before_write = None
        await scene.write(Insert(TWEETS.name, document | {"id": GONE}))

    scene.server.store.before_write = restore
    found = await scene.check(repair=True)
    assert [each for each in found if each.other] == []
    assert scene.server.store.documents(QUOTES) == [quote]


@pytest.mark.parametrize(
    "listed", [RETWEETS, QUOTES, BOOKMARKERS, TWEET_EDITS], ids=lambda each: each.name
)
async def test_lists_of_a_tweet_that_is_gone_are_cleared_away(listed: Collection) -> None:
    """By the removal that should have done it: retweets are deleted, quotes stay. Nothing is left
    of what a deleted tweet once said."""
    scene = Scene()
    ann, tweet = await scene.begin()
    row = {"original_id": GONE, "tweet_id": tweet.id, "author_id": ann.user_id, "counted": 1}
    if listed is TWEET_EDITS:
        row = {"tweet_id": GONE, "version": 1}
    if listed is BOOKMARKERS:
        row = {"user_id": ann.user_id, "tweet_id": GONE}
        await scene.write(Insert(BOOKMARKS.name, row | {"bookmark_id": 5}))
    names = (*listed.key, *listed.columns)
    await scene.write(Insert(listed.name, {name: row[name] for name in names}))
    if listed is RETWEETS:
        [document] = scene.server.store.documents(TWEETS)
        await scene.write(
            Insert(RETWEETED.name, {name: row[name] for name in RETWEETED_FIELDS}),
            Put(TWEETS.name, document | {"retweet_of_id": GONE}),
        )
    expected = [("tweet", GONE, listed.name, 1)]
    for repair in (False, True):
        found = await scene.check(repair=repair)
        assert [(each.owner, each.id, each.what, each.listed) for each in found] == expected
    for collection in (listed, RETWEETED, BOOKMARKS, REMOVALS):
        assert scene.server.store.documents(collection) == []
    assert len(scene.server.store.documents(TWEETS)) == (0 if listed is RETWEETS else 1)
    assert await scene.check(repair=False) == []
