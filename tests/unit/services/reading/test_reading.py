"""One way for every list: what it shows, leaves out, and never tells."""

from typing import Any

import msgspec
import pytest

from rookery.errors import NotFound, Protected, StoreUnavailable
from rookery.models import Tweet, User
from rookery.services.ports import Invalidation
from rookery.services.reading.pages import MAX_SCANNED, Chunk, chunk_of_ids, chunk_of_rows
from rookery.services.reading.reading import Reading
from rookery.services.reading.shown import Marks, Shown, Unavailable
from rookery.store.engine import Delete, Put, WriteBatch
from rookery.store.records.users import Users
from rookery.store.schema import BLOCKED_BY, BLOCKS, TWEETS, USERS
from tests.unit.memory_store import MemoryStore
from tests.unit.services.reading.rows import add, block, follow, like, mute, mute_conversation
from tests.unit.services.server import Clock

ANN, BOB, CYD, DAN = 1, 2, 3, 4
MS = 1 << 22
"""Ids a millisecond apart."""


class World:
    """Four users, a store, and a reading over it."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.clock = Clock()
        self.reading = Reading(self.store, self.store, self.clock, self.clock, capacity=20_000)

    async def users(self, **private: bool) -> None:
        for user_id, name in ((ANN, "ann"), (BOB, "bob"), (CYD, "cyd"), (DAN, "dan")):
            user = User(id=user_id, username=name, name=name, is_private=private.get(name, False))
            await self.store.write(WriteBatch(Users.add(user)))

    async def change(self, user_id: int, **fields: Any) -> None:
        former = await Users(self.store).get(user_id)
        assert former is not None
        changed = msgspec.structs.replace(former, **fields)
        await self.store.write(WriteBatch((Put(USERS.name, msgspec.structs.asdict(changed)),)))
        self.reading.invalidate(Invalidation(users=[user_id]))

    async def tweet(self, tweet_id: int, author_id: int, **fields: Any) -> int:
        fields = {"text": "x", "conversation_id": tweet_id, **fields}
        document = msgspec.structs.asdict(Tweet(id=tweet_id, author_id=author_id, **fields))
        await self.store.write(WriteBatch((Put(TWEETS.name, document),)))
        return tweet_id

    async def gone(self, tweet_id: int) -> None:
        await self.store.write(WriteBatch((Delete(TWEETS.name, (tweet_id,)),)))
        self.reading.invalidate(Invalidation(tweets=[tweet_id]))

    async def listed(self, viewer_id: int | None, *ids: int) -> list[int]:
        return [each.id for each in await self.reading.tweets(viewer_id, ids)]


async def world(**private: bool) -> World:
    made = World()
    await made.users(**private)
    return made


async def test_a_block_hides_in_both_directions_and_ends_at_once() -> None:
    """In lists, single tweets and places; others see what they saw."""
    made = await world()
    one, two = await made.tweet(100, BOB), await made.tweet(101, ANN)
    await add(made.store, *block(ANN, BOB))
    assert await made.listed(ANN, two, one) == [two]
    assert await made.listed(BOB, two, one) == [one]
    assert await made.listed(CYD, two, one) == [two, one]
    for viewer_id, tweet_id in ((ANN, one), (BOB, two)):
        with pytest.raises(NotFound, match=r"^Tweet not found$"):
            await made.reading.one(viewer_id, tweet_id)
        assert await made.reading.places(viewer_id, [tweet_id]) == [Unavailable(tweet_id, "hidden")]
        assert await made.reading.may_watch(viewer_id, [one, two]) == {one, two} - {tweet_id}
    await made.store.write(
        WriteBatch((Delete(BLOCKS.name, (ANN, BOB)), Delete(BLOCKED_BY.name, (BOB, ANN))))
    )
    made.reading.invalidate(Invalidation(viewers=[ANN, BOB]))
    assert await made.listed(ANN, two, one) == [two, one]
    assert await made.listed(BOB, two, one) == [two, one]


async def test_tweets_of_a_private_account_are_for_its_followers() -> None:
    """As soon as the account is private, or the follow told."""
    made = await world()
    tweet = await made.tweet(100, BOB)
    for viewer_id in (None, ANN, BOB, CYD):
        assert await made.listed(viewer_id, tweet) == [tweet]
    await made.change(BOB, is_private=True)
    await add(made.store, follow(CYD, BOB))
    for viewer_id, found in ((None, []), (ANN, []), (BOB, [tweet]), (CYD, [tweet])):
        assert await made.listed(viewer_id, tweet) == found
    await add(made.store, follow(ANN, BOB))
    assert await made.listed(ANN, tweet) == []
    made.reading.invalidate(Invalidation(viewers=[ANN]))
    assert await made.listed(ANN, tweet) == [tweet]


async def test_a_retweet_is_there_as_long_as_its_original_may_be_seen() -> None:
    """Its original's author blocked, private, or the tweet gone: the retweet is not there."""
    made = await world()
    original = await made.tweet(100, BOB)
    retweet = await made.tweet(101, CYD, text="", retweet_of_id=original)
    [shown] = await made.reading.tweets(ANN, [retweet])
    assert shown.original is not None
    assert (shown.id, shown.original.id) == (retweet, original)
    await add(made.store, *block(BOB, ANN))
    made.reading.invalidate(Invalidation(viewers=[ANN]))
    assert await made.listed(ANN, retweet) == []
    assert await made.listed(DAN, retweet) == [retweet]
    await made.change(BOB, is_private=True)
    assert await made.listed(DAN, retweet) == []
    await made.change(BOB, is_private=False)
    await made.gone(original)
    assert await made.listed(DAN, retweet) == []
    with pytest.raises(NotFound):
        await made.reading.one(DAN, retweet)


async def test_a_quote_keeps_its_place_without_what_may_not_be_seen() -> None:
    """Hidden or deleted; what is quoted shows one level."""
    made = await world(cyd=True)
    deep = await made.tweet(99, BOB)
    quoted = await made.tweet(100, CYD, quote_of_id=deep)
    quote = await made.tweet(101, BOB, quote_of_id=quoted)
    [shown] = await made.reading.tweets(ANN, [quote])
    assert shown.quoted == Unavailable(quoted, "hidden")
    [shown] = await made.reading.tweets(CYD, [quote])
    assert isinstance(shown.quoted, Shown)
    assert (shown.quoted.id, shown.quoted.quoted) == (quoted, None)
    retweet = await made.tweet(102, DAN, text="", retweet_of_id=quote)
    [shown] = await made.reading.tweets(CYD, [retweet])
    assert shown.original is not None
    assert isinstance(shown.original.quoted, Shown)
    await made.gone(quoted)
    for viewer_id in (ANN, CYD, None):
        [shown] = await made.reading.tweets(viewer_id, [quote])
        assert shown.quoted == Unavailable(quoted, "deleted")
    made.store.reads.clear()
    await made.reading.tweets(CYD, [quote])
    assert made.store.reads == {}


async def test_mutes_count_in_lists_and_not_for_what_is_asked_for() -> None:
    """Users, conversations, originals; never one's own tweets."""
    made = await world()
    by_muted = await made.tweet(100, BOB)
    retweet = await made.tweet(101, CYD, text="", retweet_of_id=by_muted)
    in_muted = await made.tweet(102, CYD, conversation_id=50)
    own = await made.tweet(103, ANN, conversation_id=50)
    await add(made.store, mute(ANN, BOB), mute_conversation(ANN, 50))
    everything = (own, in_muted, retweet, by_muted)
    assert await made.listed(ANN, *everything) == [own]
    for tweet_id in everything:
        assert (await made.reading.one(ANN, tweet_id)).id == tweet_id
    found = await made.reading.tweets(ANN, everything, asked_for=[BOB])
    assert [each.id for each in found] == [own, retweet, by_muted]
    found = await made.reading.tweets(ANN, everything, asked_for=[50])
    assert [each.id for each in found] == [own, in_muted]


async def test_marks_are_those_of_each_tweet_that_is_shown() -> None:
    """Of a retweet's original its own; none for who is not signed in."""
    made = await world()
    original = await made.tweet(100, BOB)
    retweet = await made.tweet(101, CYD, text="", retweet_of_id=original)
    await add(made.store, like(ANN, original))
    [shown] = await made.reading.tweets(ANN, [retweet])
    assert shown.original is not None
    assert (shown.marks, shown.original.marks) == (0, Marks.LIKED)
    [anonymous] = await made.reading.tweets(None, [retweet])
    assert anonymous.marks is None


async def test_a_warm_page_with_retweets_quotes_and_private_authors_reads_nothing() -> None:
    """Everything that decides is cached with the viewer."""
    made = await world(bob=True)
    await add(made.store, follow(ANN, BOB), *block(ANN, DAN))
    private = await made.tweet(100, BOB)
    public = await made.tweet(101, CYD)
    retweet = await made.tweet(102, ANN, text="", retweet_of_id=public)
    quote = await made.tweet(103, ANN, quote_of_id=private)
    blocked = await made.tweet(104, DAN)
    page = (blocked, quote, retweet, public, private)
    assert await made.listed(ANN, *page) == [quote, retweet, public, private]
    made.store.reads.clear()
    assert await made.listed(ANN, *page) == [quote, retweet, public, private]
    assert made.store.reads == {}


class Listing:
    """A list of ids, read as a store reads it; positions are the ids or others."""

    def __init__(self, ids: list[int], shift: int = 0, is_ascending: bool = False) -> None:
        self.rows = [(each, each + shift) for each in ids]
        self.is_ascending = is_ascending
        self.asked: list[int] = []

    async def read(self, position: int, limit: int) -> Chunk:
        self.asked.append(limit)
        rows = [
            row
            for row in self.rows
            if not position or (row[1] > position if self.is_ascending else row[1] < position)
        ][:limit]
        if all(row[0] == row[1] for row in rows):
            return chunk_of_ids([row[0] for row in rows], limit)
        return chunk_of_rows(rows, limit)


@pytest.mark.parametrize("shift", [0, 7_000_000])
@pytest.mark.parametrize("is_ascending", [False, True])
async def test_pages_are_full_and_their_cursors_name_what_is_shown(
    shift: int, is_ascending: bool
) -> None:
    """However many are hidden in between: the same pages as if those were not there."""
    made = await world()
    hidden = {n for n in range(1, 90) if n % 3 or 30 <= n < 60}
    ids = [await made.tweet(1000 + n, BOB if n in hidden else CYD) for n in range(1, 90)]
    await add(made.store, *block(BOB, ANN))
    if not is_ascending:
        ids.reverse()
    visible = [each for each in ids if each - 1000 not in hidden]
    for limit in (1, 2, 4, 5, 19, 20):
        found: list[int] = []
        position = 0
        while position or not found:
            page = await made.reading.page(
                ANN,
                Listing(ids, shift, is_ascending).read,
                position,
                limit,
                is_ascending=is_ascending,
            )
            found += page.ids
            position = page.next_id
            assert position in {0, page.ids[-1] + shift}
            assert len(page.ids) == limit or not position
            assert bool(position) == (len(found) < len(visible))
        assert found == visible


async def test_a_page_ends_early_only_after_very_many_hidden_ones() -> None:
    """With a moment to go on from, which is no entry's; going on finds the rest."""
    made = await world()
    await add(made.store, *block(ANN, BOB))
    base = 1 << 40
    shown = await made.tweet(base, CYD)
    ids = [base + n * MS + 5 for n in range(MAX_SCANNED + 500, 0, -1)]
    await made.store.write(
        WriteBatch(
            tuple(
                Put(
                    TWEETS.name,
                    msgspec.structs.asdict(
                        Tweet(id=each, author_id=BOB, text="x", conversation_id=each)
                    ),
                )
                for each in ids
            )
        )
    )
    listing = Listing([*ids, shown])
    page = await made.reading.page(ANN, listing.read, 0, 20)
    assert page.ids == []
    assert page.next_id not in {0, *ids}
    assert sum(listing.asked) < MAX_SCANNED + 500
    page = await made.reading.page(ANN, listing.read, page.next_id, 20)
    assert (page.ids, page.next_id) == ([shown], 0)


async def test_profiles_and_lists_are_for_whom_they_may_be() -> None:
    """Who blocks sees the profile, who is blocked finds nobody; lists of the private are
    protected."""
    made = await world(cyd=True)
    await add(made.store, *block(ANN, BOB), follow(DAN, CYD))
    reading = made.reading
    assert (await reading.check_profile(ANN, BOB)).id == BOB
    for check in (reading.check_profile, reading.check_lists):
        with pytest.raises(NotFound, match=r"^User not found$"):
            await check(BOB, ANN)
        with pytest.raises(NotFound, match=r"^User not found$"):
            await check(BOB, 404)
    assert (await reading.check_profile(None, CYD)).id == CYD
    for viewer_id in (None, ANN):
        with pytest.raises(Protected):
            await reading.check_lists(viewer_id, CYD)
    for viewer_id in (CYD, DAN):
        assert (await reading.check_lists(viewer_id, CYD)).id == CYD
    assert await reading.visible_users(ANN, [DAN, BOB, 404, CYD]) == [DAN, CYD]
    assert await reading.visible_users(BOB, [DAN, ANN, CYD]) == [DAN, CYD]


async def test_a_suspended_account_is_there_for_moderators_alone() -> None:
    """Its tweets, profile and place in lists of users; a deleted one for nobody."""
    made = await world()
    tweet = await made.tweet(100, BOB)
    await made.change(DAN, role="moderator")
    for status, sees in (("suspended", [tweet]), ("deleted", [])):
        await made.change(BOB, status=status)
        for viewer_id in (None, ANN, BOB):
            assert await made.listed(viewer_id, tweet) == []
            with pytest.raises(NotFound):
                await made.reading.check_profile(viewer_id, BOB)
        assert await made.listed(DAN, tweet) == sees
        assert await made.reading.visible_users(ANN, [BOB, CYD]) == [CYD]
    with pytest.raises(NotFound):
        await made.reading.check_profile(DAN, BOB)


async def test_what_was_known_last_is_shown_while_the_store_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """But not what a viewer no longer may see, nor anything that is not known."""
    made = await world()
    known, unknown = await made.tweet(100, BOB), await made.tweet(101, BOB)
    assert await made.listed(ANN, known) == [known]

    async def away(*args: Any, **options: Any) -> None:
        raise StoreUnavailable()

    for name in ("get", "get_many", "select", "select_many", "select_several"):
        monkeypatch.setattr(made.store, name, away)
    made.clock.now_ms += 3_600_000
    assert await made.listed(ANN, known) == [known]
    with pytest.raises(StoreUnavailable):
        await made.listed(ANN, known, unknown)
    made.reading.invalidate(Invalidation(viewers=[ANN]))
    with pytest.raises(StoreUnavailable):
        await made.listed(ANN, known)
