"""The services wired over a store in memory, with a clock that stands still until it is moved."""

import asyncio
from collections.abc import Sequence

from rookery.events.encoding import decoded
from rookery.events.kinds import Event
from rookery.ids import Snowflakes
from rookery.models import Identity, Tweet, User
from rookery.services.accounts.privacy import Privacy
from rookery.services.accounts.profiles import Profiles
from rookery.services.graph.blocks import Blocks
from rookery.services.graph.changes import GraphChanges
from rookery.services.graph.follows import Graph
from rookery.services.graph.mutes import Mutes
from rookery.services.graph.openings import Openings
from rookery.services.graph.requests import FollowRequests
from rookery.services.idempotency import Idempotency
from rookery.services.ports import Invalidation, TimelineSlice
from rookery.services.reading.conversations import Conversations
from rookery.services.reading.likes import Likes
from rookery.services.reading.reading import Reading
from rookery.services.reading.timelines import Timelines
from rookery.services.tweets.bookmarks import Bookmarks
from rookery.services.tweets.counts import CountChanges
from rookery.services.tweets.engagement import Engagement
from rookery.services.tweets.pins import Pins
from rookery.services.tweets.retweets import Retweets
from rookery.services.tweets.tweets import NewTweet, Tweets
from rookery.store.engine import Collection, Document, Key, Row, Selection, WriteBatch
from rookery.store.records.outbox import stored_event
from rookery.store.records.users import Users
from rookery.store.schema import OUTBOX
from tests.unit.memory_store import MemoryStore

START_MS = 1_700_000_000_000


class Clock:
    """Milliseconds since 1970, as far as the test has come."""

    def __init__(self) -> None:
        self.now_ms = START_MS

    def __call__(self) -> int:
        return self.now_ms


class PausableStore(MemoryStore):
    """`get_many`, `select_many` and `select_several` of a collection on hold read at once, and
    answer later."""

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


class Server:
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
        self.reading = Reading(self.store, self.store, self.clock, self.clock, capacity=cache_size)
        self.authors = self.reading.authors
        self.changes = CountChanges(self.reading, self.broadcasts)
        self.tweets = Tweets(
            self.store,
            self.ids,
            self.clock,
            self.reading,
            self.changes,
            self.broadcasts,
            Idempotency(self.store, self.clock),
            self.timeline_port,
        )
        self.engagement = Engagement(self.store, self.ids, self.reading, self.changes)
        graph_changes = GraphChanges(self.store, self.ids, self.timeline_port, self.broadcasts)
        self.graph = Graph(self.store, self.ids, self.reading, graph_changes)
        self.requests = FollowRequests(self.store, self.ids, graph_changes)
        self.blocks = Blocks(self.store, self.ids, graph_changes)
        self.mutes = Mutes(self.store, self.ids, self.clock, graph_changes)
        self.openings = Openings(self.store, self.ids, graph_changes)
        self.profiles = Profiles(self.store, self.ids, self.clock, self.broadcasts, self.openings)
        self.privacy = Privacy(self.profiles, self.blocks, self.mutes)
        self.retweets = Retweets(self.store, self.reading, self.tweets)
        self.bookmarks = Bookmarks(self.store, self.ids, self.reading, self.changes)
        self.pins = Pins(self.store, self.ids, self.reading, self.changes)
        self.timelines = Timelines(self.store, self.timeline_port, self.reading)
        self.conversations = Conversations(self.store, self.reading)
        self.likes = Likes(self.store, self.reading)

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
