"""All use-cases over a store in memory, with a clock that stands still until it is moved."""

import asyncio
from collections.abc import Sequence

from msgspec.structs import replace

from rookery.config import Auth, Config
from rookery.config import Tweets as TweetSettings
from rookery.events.encoding import decoded
from rookery.events.kinds import Event
from rookery.ids import Snowflakes
from rookery.models import Identity, Tweet, User
from rookery.services.ports import Invalidation, TimelineSlice
from rookery.services.tweets.tweets import NewTweet
from rookery.services.use_cases import Ground, UseCases
from rookery.store.engine import Collection, Document, Key, Row, Selection, WriteBatch
from rookery.store.records.outbox import stored_event
from rookery.store.records.users import Users
from rookery.store.schema import OUTBOX
from tests.unit.memory_store import MemoryStore

START_MS = 1_700_000_000_000
CHEAP_SETTINGS = Config(auth=Auth(argon2_time_cost=1, argon2_memory_kib=8))
"""The defaults, with passwords that cost next to nothing."""


class Clock:
    """Milliseconds since 1970, as far as the test has come."""

    def __init__(self) -> None:
        self.now_ms = START_MS

    def __call__(self) -> int:
        return self.now_ms


class PausableStore(MemoryStore):
    """`get_many` and `select_many` of a collection on hold read at once, and answer later."""

    def __init__(self) -> None:
        super().__init__()
        self._held: Collection | None = None
        self._released = asyncio.Event()
        self._waiting = asyncio.Event()

    def hold(self, collection: Collection) -> None:
        """From now on, hold back what is read from `collection`."""
        self._held = collection

    async def held(self) -> None:
        """Return when a read is being held back; further ones are not."""
        async with asyncio.timeout(2):
            await self._waiting.wait()
        self._held = None

    def release(self) -> None:
        """Let the read answer."""
        self._released.set()

    async def _pause(self, collection: Collection) -> None:
        if collection is self._held:
            self._waiting.set()
            await self._released.wait()

    async def get_many(self, collection: Collection, keys: Sequence[Key]) -> list[Document | None]:
        documents = await super().get_many(collection, keys)
        await self._pause(collection)
        return documents

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
        await self._pause(collection)
        return lists

    async def select_several(self, selections: Sequence[Selection]) -> list[list[list[Row]]]:
        lists = await super().select_several(selections)
        for each in selections:
            await self._pause(each.collection)
        return lists


class ColdTimelines:
    """A `TimelinePort` that holds nothing: everything comes from the store."""

    def __init__(self) -> None:
        self.changes: list[tuple[int, int, bool]] = []
        self.hidden: list[list[int]] = []
        self.accounts: list[list[int]] = []
        self.posts: list[tuple[int, int, int]] = []
        self.failure: Exception | None = None

    async def read(self, user_id: int, before: int, limit: int, mask: int) -> TimelineSlice:
        return TimelineSlice(ids=[], next_before=before, from_store=True)

    async def posted(self, author_id: int, tweet_id: int, kind: int) -> None:
        self.posts.append((author_id, tweet_id, kind))

    async def graph_changed(self, follower_id: int, followee_id: int, follows: bool) -> None:
        self.changes.append((follower_id, followee_id, follows))
        if self.failure is not None:
            raise self.failure

    async def hidden_changed(self, user_ids: Sequence[int]) -> None:
        self.hidden.append(list(user_ids))
        if self.failure is not None:
            raise self.failure

    async def accounts_changed(self, user_ids: Sequence[int]) -> None:
        self.accounts.append(list(user_ids))


class WarmTimelines(ColdTimelines):
    """Timelines that hold what was `held` for a user, down to a floor (0: the whole history)."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[tuple[int, int]] = []
        self.floor = 0
        self.reads = 0

    async def read(self, user_id: int, before: int, limit: int, mask: int) -> TimelineSlice:
        self.reads += 1
        ids = [
            tweet_id
            for tweet_id, kind in sorted(self.held, reverse=True)
            if (not before or tweet_id < before) and (not mask or kind & mask)
        ][:limit]
        if len(ids) == limit:
            return TimelineSlice(ids, ids[-1])
        if not self.floor:
            return TimelineSlice(ids, 0)
        return TimelineSlice(ids, min(before, self.floor) if before else self.floor, True)


class Broadcasts:
    """An `InvalidationPort` that notes what it is given."""

    def __init__(self) -> None:
        self.sent: list[Invalidation] = []

    async def broadcast(self, change: Invalidation) -> bool:
        await asyncio.sleep(0)
        self.sent.append(change)
        return True


class Server(UseCases):
    """All services of one gateway; two servers over one store are two gateways."""

    def __init__(
        self,
        store: MemoryStore | None = None,
        clock: Clock | None = None,
        timelines: ColdTimelines | None = None,
        worker: int = 0,
        cache_size: int = 1000,
    ) -> None:
        self.store = store or MemoryStore()
        self.clock = clock or Clock()
        self.timeline_port = timelines or ColdTimelines()
        self.broadcasts = Broadcasts()
        self.ids = Snowflakes(worker, self.clock).next_id
        ground = Ground(
            store=self.store,
            shown=self.store,
            timelines=self.timeline_port,
            invalidations=self.broadcasts,
            next_id=self.ids,
            clock_ms=self.clock,
            steady_ms=self.clock,
        )
        tweets = TweetSettings(cache_size=cache_size)
        super().__init__(ground, replace(CHEAP_SETTINGS, tweets=tweets))

    def events(self) -> list[Event]:
        """Those in the outbox, in the order of their ids."""
        return [decoded(stored_event(each)) for each in self.store.documents(OUTBOX)]

    async def sign_up(self, username: str, role: str = "user") -> Identity:
        user = User(id=self.ids(), username=username, name=username.title(), role=role)
        await self.store.writer.write(WriteBatch(Users.add(user)))
        return Identity(user.id, username, "device")

    async def post(
        self, author: Identity, text: str = "hello", reply_to: Tweet | None = None
    ) -> Tweet:
        """A tweet of its own millisecond."""
        self.clock.now_ms += 1
        reply_to_id = None if reply_to is None else reply_to.id
        return await self.tweets.create(author, NewTweet(text=text, reply_to_id=reply_to_id))
