"""A REST server on a loopback port, over real services and a store in memory."""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from aiohttp import ClientSession

from rookery.config import Limits as LimitSettings
from rookery.errors import Unavailable
from rookery.http.addresses import Addresses
from rookery.http.native.app import application_of
from rookery.http.native.services import Services
from rookery.http.protocol.server import serve
from rookery.ids import Snowflakes
from rookery.services.accounts.accounts import Accounts
from rookery.services.accounts.authentication import Authenticator
from rookery.services.accounts.passwords import PasswordCost, Passwords
from rookery.services.accounts.profiles import Profiles
from rookery.services.accounts.stream_tickets import StreamTickets
from rookery.services.accounts.tokens import KeyRing
from rookery.services.graph.follows import Graph
from rookery.services.idempotency import Idempotency
from rookery.services.limits import Limits, SharedCounts
from rookery.services.ports import Invalidation, TimelinePort, TimelineSlice
from rookery.services.readiness import store_answers
from rookery.services.reading.authors import Authors
from rookery.services.reading.cards import Cards
from rookery.services.reading.liked import LikedTweets
from rookery.services.reading.timelines import Timelines
from rookery.services.tweets.counts import CountChanges
from rookery.services.tweets.engagement import Engagement
from rookery.services.tweets.tweets import Tweets
from rookery.store.engine import Store
from tests.unit.memory_store import MemoryStore

PASSWORD = "correct horse battery"
NO_LIMITS = LimitSettings(**dict.fromkeys(LimitSettings.__struct_fields__, 0))


class ColdTimelines:
    """Holds nothing in memory: every home timeline comes from the store."""

    async def read(self, user_id: int, before: int, limit: int, mask: int) -> TimelineSlice:
        return TimelineSlice([], before, from_store=True)

    async def posted(self, author_id: int, tweet_id: int, kind: int) -> None:
        return None

    async def graph_changed(self, follower_id: int, followee_id: int, follows: bool) -> None:
        return None


class Invalidations:
    """Applies what changed to the caches of the one process there is."""

    def __init__(self) -> None:
        self.cards: Cards | None = None
        self.authenticator: Authenticator | None = None

    async def broadcast(self, change: Invalidation) -> bool:
        if self.cards is not None:
            self.cards.invalidate(change)
        if self.authenticator is not None:
            self.authenticator.forget(change.devices)
            self.authenticator.forget((user, device) for user, device, _ in change.sign_ins)
        return True


@dataclass
class Streams:
    """Service discovery that knows `url`, or nothing."""

    url: str | None = "ws://127.0.0.1:8001/stream"

    async def pick(self) -> str:
        if self.url is None:
            raise Unavailable
        return self.url


@dataclass
class Client:
    """Requests to a server, as one user or as nobody."""

    session: ClientSession
    base: str
    token: str | None = None
    user_id: str = ""
    account: dict[str, Any] = field(default_factory=dict)

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        data: bytes | None = None,
    ) -> tuple[int, Any, Mapping[str, str]]:
        """Status, JSON body and headers of the answer to one request."""
        sent = dict(headers or {})
        if self.token is not None:
            sent.setdefault("Authorization", f"Bearer {self.token}")
        url = self.base + path
        kind = {"data": None if data is None else BytesIO(data)} if body is None else {"json": body}
        async with self.session.request(method, url, headers=sent, **kind) as response:
            answer = await response.json() if await response.read() else None
            return response.status, answer, response.headers

    async def ok(self, method: str, path: str, body: Any = None) -> Any:
        """The body of an answer that must be a success."""
        status, answer, _ = await self.request(method, path, body)
        assert status < 300, answer
        return answer


@dataclass
class World:
    """The server, what it stands on, and clients of it."""

    port: int
    session: ClientSession
    services: Services
    streams: Streams
    checks: dict[str, bool]
    keys: KeyRing

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v1"

    @property
    def nobody(self) -> Client:
        return Client(self.session, self.base)

    async def user(self, username: str) -> Client:
        """A client of a new account."""
        body = {
            "email": f"{username}@example.org",
            "username": username,
            "password": PASSWORD,
            "name": username.title(),
        }
        account = await self.nobody.ok("POST", "/signup", body)
        return Client(self.session, self.base, account["token"], account["userId"], account)


def wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


@asynccontextmanager
async def http_world(
    life_s: float = 900,
    *,
    store: Store | None = None,
    timeline: TimelinePort | None = None,
    clock_ms: Callable[[], int] = wall_clock_ms,
    limits: LimitSettings = NO_LIMITS,
    shared: SharedCounts | None = None,
    trusted_proxies: str = "",
    allowed_origins: str = "",
) -> AsyncIterator[World]:
    """A world of its own, closed at the end."""
    store, timeline = store or MemoryStore(), timeline or ColdTimelines()
    reader, ids = store.reader, Snowflakes(1, clock_ms).next_id
    passwords = Passwords(PasswordCost(time_cost=1, memory_cost_kib=8), threads=1)
    keys = KeyRing(store, clock_ms, life_s=life_s)
    await keys.load()
    invalidations, streams = Invalidations(), Streams()
    authors, liked = Authors(store, clock_ms), LikedTweets(store, clock_ms)
    cards = invalidations.cards = Cards(store, clock_ms, authors, liked, capacity=1000)
    changes = CountChanges(cards, invalidations)
    authenticator = invalidations.authenticator = Authenticator(
        keys, store, clock_ms, steady=clock_ms
    )
    checks = {"store": True, "timelines": True}

    async def ready() -> Mapping[str, bool]:
        if not await store_answers(reader, 2.0):
            return {**checks, "store": False}
        return checks

    idempotency = Idempotency(store, clock_ms)
    services = Services(
        authenticator=authenticator,
        accounts=Accounts(store, ids, clock_ms, keys, passwords, invalidations),
        profiles=Profiles(store, invalidations),
        graph=Graph(store, ids, authors, timeline),
        tweets=Tweets(
            store, ids, clock_ms, authors, cards, changes, invalidations, idempotency, timeline
        ),
        engagement=Engagement(store, ids, authors, liked, changes),
        cards=cards,
        timelines=Timelines(store, timeline, cards, authors),
        tickets=StreamTickets(keys, store, clock_ms),
        stream=streams,
        ready=ready,
        limits=Limits(limits, clock_ms, shared),
        addresses=Addresses(trusted_proxies),
    )
    application = application_of(services, allowed_origins)
    server = await serve(application.respond, "127.0.0.1", 0, bounds_of=application.bounds_of)
    try:
        async with ClientSession() as session:
            yield World(server.port, session, services, streams, checks, keys)
    finally:
        await server.close()
        await changes.settled()
        passwords.close()
