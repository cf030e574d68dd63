"""A REST server on a loopback port, over a store in memory.

Its services are put together where those of every process are: `rookery.services.use_cases`.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from aiohttp import ClientSession

from rookery.compose.surfaces import application_of
from rookery.config import Limits as LimitSettings
from rookery.config import load
from rookery.errors import Unavailable
from rookery.http.native.services import Services
from rookery.http.protocol.message import Request, Response
from rookery.http.protocol.server import serve
from rookery.ids import Snowflakes
from rookery.services.limits import Limits, SharedCounts
from rookery.services.ports import Invalidation, TimelinePort
from rookery.services.readiness import store_answers
from rookery.services.use_cases import Ground, UseCases
from rookery.store.engine import Store
from tests.unit.memory_store import MemoryStore
from tests.unit.services.server import ColdTimelines

PASSWORD = "correct horse battery"
NO_LIMITS = LimitSettings(**dict.fromkeys(LimitSettings.__struct_fields__, 0))


class Invalidations:
    """Applies what changed to the caches of the one process there is."""

    def __init__(self) -> None:
        self.use_cases: UseCases | None = None

    async def broadcast(self, change: Invalidation) -> bool:
        if self.use_cases is not None:
            self.use_cases.invalidate(change)
        return True


@dataclass
class Streams:
    """Service discovery that knows `url`, or nothing."""

    url: str | None = "ws://127.0.0.1:8001/stream"

    async def pick(self) -> str:
        if self.url is None:
            raise Unavailable
        return self.url

    async def connected(self, user_id: int) -> set[str]:
        return set()


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
    respond: Callable[[Request], Awaitable[Response]]
    """What the server asks; for whoever can do without a socket."""

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
    store = store or MemoryStore()
    invalidations, streams, checks = Invalidations(), Streams(), {"store": True, "timelines": True}
    settings = load(
        environ={},
        overrides={
            "auth": {"access_token_s": life_s, "argon2_time_cost": 1, "argon2_memory_kib": 8},
            "http": {"trusted_proxies": trusted_proxies, "allowed_origins": allowed_origins},
        },
    )

    async def ready() -> Mapping[str, bool]:
        return {**checks, "store": checks["store"] and await store_answers(store.reader, 2.0)}

    ground = Ground(
        store=store,
        shown=store,
        timelines=timeline or ColdTimelines(),
        invalidations=invalidations,
        next_id=Snowflakes(1, clock_ms).next_id,
        clock_ms=clock_ms,
        steady_ms=clock_ms,
    )
    services = invalidations.use_cases = Services(
        ground,
        settings,
        stream=streams,
        ready=ready,
        limits=Limits(limits, clock_ms, shared),
    )
    await services.keys.load()
    application = application_of(services, allowed_origins)
    server = await serve(application.respond, "127.0.0.1", 0, bounds_of=application.bounds_of)
    try:
        async with ClientSession() as session:
            yield World(server.port, session, services, streams, checks, application.respond)
    finally:
        await server.close()
        await services.changes.settled()
        await services.close()
