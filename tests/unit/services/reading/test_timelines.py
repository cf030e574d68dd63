"""Home and user timelines, against sorting everything."""

import asyncio
import random
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rookery.errors import InvalidRequest, NotFound
from rookery.models import Identity, PostKind, Tweet, User
from rookery.services.reading import timelines as timelines_module
from rookery.services.reading.shown import ShownPage
from rookery.store.engine import Collection, Key, Operation, Row, WriteBatch
from rookery.store.records.graph import follow_operations
from rookery.store.records.tweets import Standing, creating, deleting
from rookery.store.records.users import Users
from tests.unit.memory_store import MemoryStore
from tests.unit.services.reading.rows import add, block, mute_conversation
from tests.unit.services.server import Server, WarmTimelines

ME = Identity(1, "me", "device")


class Network:
    """A small world drawn from a seed: users 1 to 9, of whom user 1 follows some."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.warm = WarmTimelines()
        self.server = Server(timelines=self.warm)
        self.live: list[Tweet] = []
        self.deleted: list[Tweet] = []
        self.followees: set[int] = set()

    async def build(self) -> None:
        chance = self.chance
        self.followees = set(chance.sample(range(2, 10), chance.randint(0, 8)))
        operations: list[Operation] = [
            operation
            for user_id in range(1, 10)
            for operation in Users.add(User(id=user_id, username=f"u{user_id}", name="User"))
        ]
        for followee_id in self.followees:
            operations += follow_operations(1, followee_id, 1000 + followee_id)[1:]
        ids = chance.sample(range(1, 10_000), chance.randint(0, 120))
        busy = chance.choice([1, 3, 9])
        tweets = [
            Tweet(
                id=tweet_id,
                author_id=chance.randint(1, busy),
                text="post",
                conversation_id=tweet_id,
                kind=chance.choice([0, 0, 1, 2, 4, 6]),
            )
            for tweet_id in ids
        ]
        for tweet in tweets:
            operations += creating(tweet)
        await self.server.store.writer.write(WriteBatch(tuple(operations)))
        self.deleted = [tweet for tweet in tweets if chance.random() < 0.2]
        self.live = [tweet for tweet in tweets if tweet not in self.deleted]
        self._warm_up(tweets)
        removals = [
            operation for tweet in self.deleted for operation in deleting(tweet, Standing())
        ]
        await self.server.store.writer.write(WriteBatch(tuple(removals)))

    def _warm_up(self, tweets: list[Tweet]) -> None:
        """A ring that still holds tweets deleted since, down to a floor somewhere."""
        self.warm.floor = self.chance.choice([0, 3000, 7000, 20_000])
        self.warm.held = [
            (tweet.id, tweet.kind)
            for tweet in tweets
            if tweet.author_id in self.followees | {1} and tweet.id >= self.warm.floor
        ]

    def expected(self, author_ids: set[int], mask: int) -> list[int]:
        return sorted(
            (
                tweet.id
                for tweet in self.live
                if tweet.author_id in author_ids and (not mask or tweet.kind & mask)
            ),
            reverse=True,
        )


@given(st.integers(0, 2**32), st.sampled_from([0, 1, 2, 4, 7, 8]))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_pages_of_home_are_the_timeline_without_gaps_or_repetitions(seed: int, mask: int) -> None:
    """Random limits, any filter, a ring of any depth with deleted tweets in it."""

    async def check() -> None:
        network = Network(seed)
        await network.build()
        expected = network.expected(network.followees | {1}, mask)
        found: list[int] = []
        before = 0
        while True:
            limit = network.chance.randint(1, 12)
            page = await network.server.timelines.home(ME, before, limit, mask)
            ids, before = page.ids, page.next_id
            found += ids
            assert bool(before) == (len(found) < len(expected))
            if not before:
                break
            assert len(ids) == limit
        assert found == expected

    asyncio.run(check())


@given(st.integers(0, 2**32), st.sampled_from([0, 1, 4, 8]), st.integers(1, 150))
def test_home_from_the_store_alone_is_the_same(seed: int, mask: int, limit: int) -> None:
    """For any limit and start, in small reads."""

    async def check() -> None:
        network = Network(seed)
        await network.build()
        before = network.chance.randint(0, 10_000)
        expected = [
            tweet_id
            for tweet_id in network.expected(network.followees | {1}, mask)
            if not before or tweet_id < before
        ]
        ids, next_id = await network.server.timelines.store_home(1, before, limit, mask)
        assert ids == expected[:limit]
        assert next_id == (expected[limit - 1] if len(expected) > limit else 0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timelines_module, "ROWS_A_READ", 8)
        patch.setattr(timelines_module, "FIRST_AUTHORS", 1)
        patch.setattr(timelines_module, "FILTERED_LIST", 3)
        asyncio.run(check())


@given(st.integers(0, 2**32), st.sampled_from([0, 1, 4, 8]))
def test_pages_of_a_user_are_the_users_posts(seed: int, mask: int) -> None:
    """Newest first, full pages, the filter applied."""

    async def check() -> None:
        network = Network(seed)
        await network.build()
        found: list[int] = []
        before = 0
        while True:
            limit = network.chance.randint(1, 9)
            page = await network.server.timelines.user(None, 1, before, limit, mask)
            ids, before = page.ids, page.next_id
            found += ids
            if not before:
                break
            assert len(ids) == limit
        assert found == network.expected({1}, mask)

    asyncio.run(check())


async def test_a_warm_page_reads_nothing_from_the_store() -> None:
    """The ring gives the ids, the cache the rest."""
    warm = WarmTimelines()
    server = Server(timelines=warm)
    ann = await server.sign_up("ann")
    tweets = [await server.post(ann) for _ in range(30)]
    warm.held = [(tweet.id, tweet.kind) for tweet in tweets]
    await server.timelines.home(ann, 0, 20)
    server.store.reads.clear()
    warm.reads = 0
    newest = [tweet.id for tweet in reversed(tweets)]
    page = await server.timelines.home(ann, 0, 20)
    assert (page.ids, page.next_id) == (newest[:20], newest[19])
    assert server.store.reads == {}
    assert warm.reads == 1


async def test_home_shows_ones_own_tweets_and_ends_a_follow_at_once() -> None:
    """Followees and self; nobody else."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    own, other = await server.post(ann), await server.post(bob)
    assert (await server.timelines.home(ann, 0, 20)).ids == [own.id]
    await server.graph.follow(ann, bob.user_id)
    assert (await server.timelines.home(ann, 0, 20)).ids == [other.id, own.id]
    await server.graph.unfollow(ann, bob.user_id)
    assert (await server.timelines.home(ann, 0, 20)).ids == [own.id]


async def test_a_filter_that_lets_little_through_ends_the_page_early(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The work of a request is bounded; going on from page to page still finds everything."""
    monkeypatch.setattr(timelines_module, "SCAN_ROWS", 40)
    monkeypatch.setattr(timelines_module, "FILTERED_LIST", 4)
    monkeypatch.setattr(timelines_module, "MAX_FILTERED_LIST", 8)
    server = Server()
    ann = await server.sign_up("ann")
    first = await server.post(ann)
    reply = await server.post(ann, "reply", first)
    for _ in range(200):
        await server.post(ann)
    mask = int(PostKind.REPLY)

    async def home(before: int) -> ShownPage:
        return await server.timelines.home(ann, before, 1, mask)

    async def user(before: int) -> ShownPage:
        return await server.timelines.user(None, ann.user_id, before, 1, mask)

    for read in (home, user):
        found: list[int] = []
        before, pages = 0, 0
        while before or not pages:
            server.store.reads.clear()
            page = await read(before)
            assert server.store.reads["select_many"] < 16
            found += page.ids
            before, pages = page.next_id, pages + 1
        assert found == [reply.id]
        assert pages > 3


class RowCountingStore(MemoryStore):
    """Notes how many rows each `select_many` brought."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[int] = []

    async def select_many(
        self,
        collection: Collection,
        fields: tuple[str, ...],
        prefixes: Sequence[Key],
        *,
        index: str | None = None,
        after: Key | None = None,
        before: Key | None = None,
        limit: int,
        reverse: bool = False,
    ) -> list[list[Row]]:
        lists = await super().select_many(
            collection,
            fields,
            prefixes,
            index=index,
            after=after,
            before=before,
            limit=limit,
            reverse=reverse,
        )
        self.rows.append(sum(map(len, lists)))
        return lists


async def test_many_followees_are_read_in_parts_that_hold_little(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Once a page is full, a read brings only posts that belong above its end."""
    monkeypatch.setattr(timelines_module, "ROWS_A_READ", 11 * 20)
    monkeypatch.setattr(timelines_module, "FIRST_AUTHORS", 10)
    store = RowCountingStore()
    server = Server(store)
    ann = await server.sign_up("ann")
    operations: list[Operation] = []
    ids: list[int] = []
    for author_id in range(2, 102):
        operations += follow_operations(ann.user_id, author_id, author_id)[1:]
        for tweet_id in (author_id * 7919 % 1000 * 10, author_id * 6007 % 1000 * 10 + 1):
            ids.append(tweet_id)
            operations += creating(
                Tweet(id=tweet_id, author_id=author_id, text="post", conversation_id=tweet_id)
            )[:2]
    await store.write(WriteBatch(tuple(operations)))
    page = await server.timelines.store_home(ann.user_id, 0, 10)
    assert page.ids == sorted(ids, reverse=True)[:10]
    assert len(store.rows) == 6
    assert store.rows[0] == 20
    assert sum(store.rows[2:]) < 20


@pytest.mark.parametrize("limit", [0, 101])
async def test_a_limit_out_of_bounds_is_refused(limit: int) -> None:
    """Pages have 1 to 100 entries."""
    server = Server()
    ann = await server.sign_up("ann")
    with pytest.raises(InvalidRequest):
        await server.timelines.home(ann, 0, limit)
    with pytest.raises(InvalidRequest):
        await server.timelines.user(None, ann.user_id, 0, limit)


async def test_the_timeline_of_an_unknown_user_is_not_found() -> None:
    """One without posts is just empty."""
    server = Server()
    ann = await server.sign_up("ann")
    assert await server.timelines.user(None, ann.user_id, 0, 20) == ShownPage([], 0)
    with pytest.raises(NotFound):
        await server.timelines.user(None, 404, 0, 20)


@pytest.mark.parametrize("at_once", [3, 1000])
async def test_numbered_pages_count_what_the_viewer_is_shown(
    monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """Hidden, muted and gone ones in between move nothing."""
    monkeypatch.setattr(timelines_module, "COUNTED_AT_ONCE", at_once)
    server = Server()
    ann, bob, cyd = [await server.sign_up(name) for name in ("ann", "bob", "cyd")]
    others = [await server.post(bob) for _ in range(40)]
    operations: list[Operation] = []
    visible: dict[int, list[int]] = {ann.user_id: [], bob.user_id: [], cyd.user_id: []}
    for number in range(40):
        server.clock.now_ms += 1
        tweet_id = server.ids()
        is_restricted, is_retweet, is_muted = number % 3 == 1, number % 5 == 2, number % 7 == 3
        kind = PostKind.RESTRICTED * is_restricted | PostKind.RETWEET * is_retweet
        tweet = Tweet(
            id=tweet_id,
            author_id=ann.user_id,
            text="" if is_retweet else "x",
            kind=int(kind),
            visibility="mentioned" if is_restricted else "public",
            retweet_of_id=others[number].id if is_retweet else None,
            conversation_id=50 if is_muted else tweet_id,
        )
        operations += creating(tweet)
        visible[ann.user_id].append(tweet_id)
        if not is_restricted:
            visible[bob.user_id].append(tweet_id)
            if not is_muted and not is_retweet:
                visible[cyd.user_id].append(tweet_id)
    await server.store.write(WriteBatch(tuple(operations)))
    await add(server.store, *block(bob.user_id, cyd.user_id), mute_conversation(cyd.user_id, 50))
    for viewer_id, ids in visible.items():
        ids.reverse()
        for limit in (1, 4, 7, 20):
            for page in range(1, 50 // limit + 2):
                found = await server.timelines.user_page(viewer_id, ann.user_id, page, limit)
                assert found.ids == ids[(page - 1) * limit : page * limit]
                assert bool(found.next_id) == (page * limit < len(ids))
