"""Composes the program: which actors there are, and what stands behind each surface.

The only module that knows all rooms. Everything below it gets what it needs handed in.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Literal

import msgspec
import structlog
from websockets.http11 import Request

from rookery.actors import names
from rookery.actors.celebrities import CelebrityLists
from rookery.actors.fanout import FanoutWorker
from rookery.actors.gateway import ConnectionServer, Gateway
from rookery.actors.manager import ConnectionManager
from rookery.actors.presence import REPORT_PERIOD_S, Reporter, ShardPresence
from rookery.actors.runtime import ActorContext, ActorSpec
from rookery.actors.shard import TimelineShard
from rookery.actors.shards import until_available
from rookery.actors.writer import StoreWriter
from rookery.authority import bracketed, is_wildcard
from rookery.capacity import possible_connections
from rookery.cluster.topology import Topology, fixed_view
from rookery.compose.backend import Backend
from rookery.config import Config
from rookery.connection.hub import Hub
from rookery.connection.server import ConnectionListener
from rookery.connection.settings import StreamSettings
from rookery.domain.placement import ClusterView, Members
from rookery.errors import DeviceRevoked, InvalidToken, RookeryError, Unavailable
from rookery.http.addresses import Addresses
from rookery.http.native.app import application_of
from rookery.http.native.services import Services
from rookery.http.protocol.server import BACKLOG, Server, ServerLimits, serve
from rookery.messages import Invalidation, Push
from rookery.models import Identity, TweetCounts
from rookery.security_log import Origin, Refusals
from rookery.services.accounts.accounts import Accounts
from rookery.services.accounts.authentication import Authenticator
from rookery.services.accounts.passwords import PasswordCost, Passwords
from rookery.services.accounts.profiles import Profiles
from rookery.services.accounts.stream_tickets import StreamTickets
from rookery.services.accounts.tokens import KeyRing
from rookery.services.graph.follows import Graph
from rookery.services.idempotency import Idempotency
from rookery.services.limits import Limits
from rookery.services.limits_redis import RedisCounts
from rookery.services.readiness import WriteCheck, store_answers
from rookery.services.reading.authors import Authors
from rookery.services.reading.cards import Cards
from rookery.services.reading.liked import LikedTweets
from rookery.services.reading.timelines import Timelines
from rookery.services.tweets.counts import CountChanges
from rookery.services.tweets.engagement import Engagement
from rookery.services.tweets.tweets import Tweets
from rookery.store import clock_ms
from rookery.store.leases import steady_ms
from rookery.store.records.devices import Devices
from rookery.store.records.tweets import TweetRepository
from rookery.views import tweet_card

log = structlog.get_logger(__name__)

KEYS_RELOAD_S = 30.0
RECHECK_BATCH = 500
READY_BOUND_S = 2.0
DRAIN_S = 10.0
HANDSHAKE_FILES = 64
"""Kept for connections that want to become sessions, however many sessions there are."""


def singles(config: Config, view: ClusterView, node: str | None = None) -> list[ActorSpec]:
    """The actors that there is one of; the store's writer first, where the engine has one.

    `node` is where they are to run.
    """
    writer = [ActorSpec(names.STORE_WRITER, StoreWriter, (config,))]
    return [
        *(writer if config.store.engine == "sqlite" else []),
        ActorSpec(names.CONNECTION_MANAGER, ConnectionManager, node=node),
        ActorSpec(names.CELEBRITY_LISTS, CelebrityLists, (config, view), node=node),
        ActorSpec(names.FANOUT_WORKER, FanoutWorker, (config, view), node=node),
    ]


def members(
    config: Config,
    view: ClusterView,
    of: Members,
    http_port: int,
    live_ports: Mapping[str, int],
    node: str | None = None,
) -> list[ActorSpec]:
    """The actors that there are several of; `node` is where they are to run."""
    return [
        *(ActorSpec(name, TimelineShard, (config, view), node=node) for name in of.shards),
        *(
            ActorSpec(
                name,
                ConnectionServer,
                (config, view, live_ports[name], compose_connection_server),
                node=node,
            )
            for name in of.connection_servers
        ),
        *(
            ActorSpec(name, Gateway, (config, view, http_port, compose_gateway), node=node)
            for name in of.gateways
        ),
    ]


def specs(config: Config, http_port: int, live_ports: Sequence[int]) -> list[ActorSpec]:
    """All actors of a server on one machine, the store's writer first."""
    view = fixed_view(config)
    ports = dict(zip(view.serving.connection_servers, live_ports, strict=False))
    listening = msgspec.structs.replace(view.serving, connection_servers=tuple(ports))
    return singles(config, view) + members(config, view, listening, http_port, ports)


async def _reload(keys: KeyRing) -> None:
    """Take in rotated signing keys, for ever."""
    while True:
        await asyncio.sleep(KEYS_RELOAD_S)
        try:
            await keys.load()
        except RookeryError as error:
            log.warning("signing keys not reloaded", error=str(error))


class UseCases:
    """All services over one backend, with their caches."""

    def __init__(self, backend: Backend) -> None:
        config, store, ids = backend.config, backend.store, backend.lease.next_id
        self.backend = backend
        self.keys = KeyRing(store, clock_ms, life_s=int(config.auth.access_token_s))
        self.passwords = Passwords(
            PasswordCost(
                time_cost=config.auth.argon2_time_cost,
                memory_cost_kib=config.auth.argon2_memory_kib,
            ),
            wait_s=config.auth.password_wait_s,
        )
        self.authenticator = Authenticator(
            self.keys, store, clock_ms, recheck_s=config.auth.recheck_s
        )
        self.tickets = StreamTickets(self.keys, store, clock_ms)
        self.accounts = Accounts(
            store,
            ids,
            clock_ms,
            self.keys,
            self.passwords,
            backend.broadcast,
            refresh_life_s=config.auth.refresh_token_s,
        )
        # Caches live by a clock that does not step, else a step back would make them last.
        self.authors = Authors(backend.shown, steady_ms)
        self.liked = LikedTweets(store, steady_ms)
        self.cards = Cards(
            backend.shown, steady_ms, self.authors, self.liked, capacity=config.tweets.cache_size
        )
        self.changes = CountChanges(self.cards, backend.broadcast)
        self.profiles = Profiles(store, backend.broadcast)
        self.graph = Graph(store, ids, self.authors, backend.shards)
        self.tweets = Tweets(
            store,
            ids,
            clock_ms,
            self.authors,
            self.cards,
            self.changes,
            backend.broadcast,
            Idempotency(store, clock_ms),
            backend.shards,
            max_length=config.tweets.max_length,
        )
        self.engagement = Engagement(store, ids, self.authors, self.liked, self.changes)
        self.timelines = Timelines(store, backend.shards, self.cards, self.authors)
        self._background: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        await self.backend.open()
        await until_available(self.keys.load)
        self._background = [
            asyncio.create_task(_reload(self.keys)),
            asyncio.create_task(self.tweets.removals.run()),
        ]

    async def close(self) -> None:
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self.tweets.removals.close()
        self.passwords.close()
        await self.backend.close()

    def invalidate(self, change: Invalidation) -> None:
        """Forget what is cached of these."""
        self.authenticator.forget(change.devices)
        self.authenticator.forget((user, device) for user, device, _ in change.sign_ins)
        self.cards.invalidate(change)  # and, through it, authors
        for user_id in change.likers:
            self.liked.changed(user_id)


class StreamDirectory:
    """`StreamDirectoryPort` over the connection manager."""

    def __init__(self, context: ActorContext) -> None:
        self._manager = context.directory.ref(names.CONNECTION_MANAGER)

    async def pick(self) -> str:
        url: str = await self._manager.call("pick")
        return url

    async def connected(self, user_id: int) -> set[str]:
        """The user's devices that are connected; none where the manager does not answer."""
        try:
            return set(await self._manager.call("connected", user_id))
        except Unavailable:
            return set()


class GatewaySurface:
    """REST over the use-cases."""

    def __init__(self, context: ActorContext, config: Config, view: ClusterView, port: int) -> None:
        self._config = config
        self._port = port
        self._use_cases = UseCases(Backend(context, config, view))
        shared = RedisCounts(config.redis, steady_ms) if config.redis.url else None
        self._limits = Limits(config.limits, clock_ms, shared)
        self._refusals = Refusals()
        backend = self._use_cases.backend
        self._writing = WriteCheck(backend.lease, backend.refused_s, within_s=READY_BOUND_S)
        self._server: Server | None = None

    @property
    def topology(self) -> Topology:
        return self._use_cases.backend.topology

    async def open(self) -> None:
        """Make ready to listen."""
        cases = self._use_cases
        await cases.open()
        cases.backend.follow_revocations(cases.invalidate, cases.authenticator.forget_all)

    async def listen(self) -> None:
        cases = self._use_cases
        streams = StreamDirectory(cases.backend.context)
        services = Services(
            authenticator=cases.authenticator,
            accounts=cases.accounts,
            profiles=cases.profiles,
            graph=cases.graph,
            tweets=cases.tweets,
            engagement=cases.engagement,
            cards=cases.cards,
            timelines=cases.timelines,
            tickets=cases.tickets,
            stream=streams,
            connected=streams.connected,
            ready=self._ready,
            limits=self._limits,
            refusals=self._refusals,
            addresses=Addresses(self._config.http.trusted_proxies),
            heartbeat_s=self._config.live.heartbeat_s,
        )
        http = self._config.http
        application = application_of(services, http.allowed_origins)
        self._server = await serve(
            application.respond,
            http.host,
            self._port,
            reuse_port=self._config.server.runtime == "ray",
            limits=ServerLimits(
                min(http.max_connections, connections_for(self._config, "http")),
                http.max_connections_per_address,
                http.max_held_bytes,
            ),
            place_of=services.addresses.place_of,
            bounds_of=application.bounds_of,
        )

    async def drain(self) -> None:
        if self._server is not None:
            await self._server.drain(DRAIN_S)

    async def _ready(self) -> Mapping[str, bool]:
        backend = self._use_cases.backend

        async def answers(name: str) -> bool:
            try:
                await asyncio.wait_for(
                    backend.context.directory.ref(name).call("ping"), READY_BOUND_S
                )
            except (Unavailable, TimeoutError):
                return False
            return True

        needed = [
            *([names.STORE_WRITER] if self._config.store.engine == "sqlite" else []),
            names.CONNECTION_MANAGER,
            *backend.topology.view.serving.shards,
        ]
        looking = asyncio.create_task(self._writing.look())
        found = await asyncio.gather(
            store_answers(backend.reader, READY_BOUND_S), *(answers(name) for name in needed)
        )
        writing = await looking
        checks = dict(zip(["store", *needed], found, strict=True))
        return {**checks, "writes": writing.writes, "ids": writing.ids}

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.close()
        self._refusals.summarise()
        await self._limits.close()
        await self._use_cases.close()

    def invalidate(self, change: Invalidation) -> None:
        self._use_cases.invalidate(change)

    async def reload_keys(self) -> None:
        await self._use_cases.keys.load()

    def figures(self) -> Mapping[str, float]:
        backend = self._use_cases.backend
        return {
            "cached_tokens": len(self._use_cases.authenticator),
            "cached_tweets": len(self._use_cases.cards),
            **({} if self._server is None else self._server.figures()),
            **{f"write_{name}": value for name, value in backend.writer.figures().items()},
            **backend.cache_figures(),
            **backend.shards.figures(),
        }


async def compose_gateway(
    context: ActorContext, config: Config, view: ClusterView, port: int
) -> GatewaySurface:
    surface = GatewaySurface(context, config, view, port)
    await surface.open()
    return surface


def connections_for(config: Config, surface: Literal["http", "live"]) -> int:
    """How many connections a listener may hold: what the open files of its process allow.

    Under the inline runtime all listeners are one process: a quarter is for REST.
    """
    possible = possible_connections()
    if config.server.runtime == "inline":
        possible = possible // 4 if surface == "http" else possible * 3 // 4 // config.live.servers
    if surface == "http" and possible > 4 * BACKLOG:
        possible -= BACKLOG  # All that wait may be taken before the first that gives way is closed.
    return possible


def stream_url(config: Config, host: str, port: int) -> str:
    """What clients are told to connect to, for a connection server on the node `host`.

    On one machine that listens on all its addresses, ``{host}`` is left in it for `http.native` to
    replace by the one that the client itself uses: which of them it can reach nobody else knows.
    """
    live = config.live
    template = live.public_url or "ws://{host}:{port}/stream"
    if not is_wildcard(live.host):
        host = live.host
    elif not config.is_clustered:
        return template.replace("{port}", str(port))
    return template.replace("{host}", bracketed(host)).replace("{port}", str(port))


class StreamSurface:
    """WebSockets over hub and shards."""

    def __init__(self, context: ActorContext, config: Config, view: ClusterView, port: int) -> None:
        self._config = config
        self._port = port
        live = config.live
        self._backend = Backend(context, config, view)
        store = self._backend.store
        self._keys = KeyRing(store, clock_ms, life_s=int(config.auth.access_token_s))
        self._authenticator = Authenticator(
            self._keys, store, clock_ms, recheck_s=config.auth.recheck_s
        )
        self._authors = Authors(self._backend.shown, steady_ms)
        self._tweets = TweetRepository(self._backend.shown.reader)
        self._presence = ShardPresence(self._backend.shards, context.name)
        possible = connections_for(config, "live")
        self._hub = Hub(
            self._presence,
            self._fetch_counts,
            self._fetch_cards,
            StreamSettings(
                heartbeat_s=live.heartbeat_s,
                max_connections=possible,
                max_sessions=min(live.max_sessions, max(possible - HANDSHAKE_FILES, 1)),
                max_handshakes=live.max_handshakes,
                max_handshakes_per_address=live.max_handshakes_per_address,
                soft_buffer_bytes=live.soft_buffer_bytes,
                hard_buffer_bytes=live.hard_buffer_bytes,
                slow_grace_s=live.slow_grace_s,
            ),
        )
        self._tickets = StreamTickets(self._keys, store, clock_ms)
        self._devices = Devices(store.reader)
        self._endings = 0  # of sign-ins, as far as told, and of the keys that they stand on
        self._refusals = Refusals()
        self._addresses = Addresses(config.http.trusted_proxies)
        self._listener = ConnectionListener(
            live.host,
            port,
            self._hub,
            self._authenticate,
            redeem=self._redeem,
            place_of=self._addresses.place_of,
        )
        self._listener.on_refused = self._refused
        self._keys.on_revoked(self._keys_revoked)
        self._reporter: Reporter | None = None
        self._recheck_now = asyncio.Event()
        self._background: list[asyncio.Task[None]] = []

    @property
    def topology(self) -> Topology:
        return self._backend.topology

    async def open(self) -> None:
        """Make ready to listen."""
        await until_available(self._keys.load)

    async def listen(self) -> None:
        bound = await self._listener.start()
        context = self._backend.context
        url = stream_url(self._config, context.host, bound)
        reporter = Reporter(context.directory, context.name, self._presence.incarnation, url)
        self._reporter = reporter
        self._hub.on_join, self._hub.on_leave = reporter.joined, reporter.left
        self._background = [
            asyncio.create_task(reporter.report_forever()),
            asyncio.create_task(self._recheck_devices()),
            asyncio.create_task(_reload(self._keys)),
        ]
        self._backend.follow_revocations(self.invalidate, self._revocations_missed)

    async def drain(self) -> None:
        if self._reporter is not None:
            self._reporter.is_draining = True
            await asyncio.sleep(REPORT_PERIOD_S)  # until the manager sends nobody here any more
            await self._listener.drain(self._config.live.drain_s)

    async def stop(self) -> None:
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        self._refusals.summarise()
        if self._reporter is not None:
            await self._listener.stop()
        await self._backend.close()

    async def _authenticate(self, token: str) -> tuple[Identity, int]:
        endings = self._endings
        identity = await self._still_in(endings, await self._authenticator.identify(token))
        return identity, self._keys.verify(token, clock_ms()).expires_ms

    async def _redeem(self, ticket: str) -> tuple[Identity, int]:
        endings = self._endings
        identity, until_ms = await self._tickets.redeem(ticket)
        await self._still_in(endings, identity)
        if endings != self._endings:  # its key may have been revoked meanwhile
            self._tickets.verify(ticket)
        return identity, until_ms

    async def _still_in(self, endings: int, identity: Identity) -> Identity:
        """`identity`, unless its sign-in ended since there were so many `endings`.

        What ends while its stream is being opened is not among the streams that are closed.

        Raises:
            DeviceRevoked: it has.
        """
        sign_in = (identity.user_id, identity.device_id, identity.session)
        while endings != self._endings:
            endings = self._endings
            if await self._devices.ended([sign_in], clock_ms()):
                raise DeviceRevoked()
        return identity

    async def _recheck_devices(self) -> None:
        """Close sessions whose revocation was not told, because a process died meanwhile."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._config.auth.recheck_s):
                    await self._recheck_now.wait()
            self._recheck_now.clear()
            try:
                users = self._hub.users()
                for first in range(0, len(users), RECHECK_BATCH):
                    batch = self._hub.sign_ins(users[first : first + RECHECK_BATCH])
                    self._hub.close_sign_ins(await self._devices.ended(batch, clock_ms()))
            except RookeryError as error:
                log.warning("devices not looked at", error=str(error))

    def _refused(self, error: RookeryError, peer: str, request: Request) -> None:
        """Tell the security log of a stream that was refused."""
        if isinstance(error, InvalidToken | DeviceRevoked):
            forwarded = ",".join(request.headers.get_all("X-Forwarded-For")) or None
            address, key = (
                find(peer, forwarded)
                for find in (self._addresses.client_of, self._addresses.key_of)
            )
            self._refusals.refused(error.code, lambda: Origin(address, key), endpoint="stream")

    def _keys_revoked(self) -> None:
        """End the streams: whatever opened them was signed by a key that is revoked.

        What is being opened looks at its key again, because that counts as an ending.
        """
        self._endings += 1
        self._hub.close_all(4402, "the token was ended; refresh it and reconnect")

    async def reload_keys(self) -> None:
        await self._keys.load()

    def _revocations_missed(self) -> None:
        self._authenticator.forget_all()
        self._recheck_now.set()

    async def _fetch_counts(self, tweet_ids: Sequence[int]) -> dict[int, TweetCounts]:
        counts = await self._tweets.counts(tweet_ids)
        return dict(zip(tweet_ids, counts, strict=True))

    async def _fetch_cards(self, tweet_ids: Sequence[int]) -> dict[int, bytes]:
        tweets = [each for each in await self._tweets.get_many(tweet_ids) if each is not None]
        authors = await self._authors.many({each.author_id for each in tweets})
        return {
            each.id: msgspec.msgpack.encode(tweet_card(each, authors[each.author_id]))
            for each in tweets
            if each.author_id in authors
        }

    def push(self, batch: list[Push]) -> None:
        self._hub.push(batch)

    def invalidate(self, change: Invalidation) -> None:
        self._endings += bool(change.devices or change.sign_ins)
        self._authenticator.forget(change.devices)
        self._authors.invalidate(change)
        self._authenticator.forget((user, device) for user, device, _ in change.sign_ins)
        self._hub.close_devices(change.devices)
        self._hub.close_sign_ins(change.sign_ins)
        self._hub.counts_changed(change.counts)

    def figures(self) -> Mapping[str, float]:
        return {**self._hub.figures(), **self._listener.figures(), **self._backend.cache_figures()}


async def compose_connection_server(
    context: ActorContext, config: Config, view: ClusterView, port: int
) -> StreamSurface:
    surface = StreamSurface(context, config, view, port)
    await surface.open()
    return surface
