"""What stands behind a connection server: WebSockets over hub, shards and use-cases."""

import asyncio
from collections.abc import Mapping

from rookery.actors.presence import REPORT_PERIOD_S, Reporter, ShardPresence
from rookery.actors.runtime import ActorContext
from rookery.actors.shards import until_available
from rookery.cluster.topology import Topology
from rookery.compose.backend import Backend
from rookery.compose.listening import connections_for, stream_url
from rookery.config import Config
from rookery.connection.admission import Admission
from rookery.connection.fetching import ReadTweets
from rookery.connection.hub import Hub
from rookery.connection.refusals import StreamRefusals
from rookery.connection.server import ConnectionListener
from rookery.connection.settings import StreamSettings
from rookery.domain.placement import ClusterView
from rookery.http.addresses import Addresses
from rookery.messages import Invalidation, Push
from rookery.services.use_cases import UseCases
from rookery.store import clock_ms

HANDSHAKE_FILES = 64
"""Kept for connections that want to become sessions, however many sessions there are."""


def _settings(config: Config) -> StreamSettings:
    """How a connection server treats its sessions, as far as its process may open files."""
    live, possible = config.live, connections_for(config, "live")
    return StreamSettings(
        heartbeat_s=live.heartbeat_s,
        max_connections=possible,
        max_sessions=min(live.max_sessions, max(possible - HANDSHAKE_FILES, 1)),
        max_handshakes=live.max_handshakes,
        max_handshakes_per_address=live.max_handshakes_per_address,
        soft_buffer_bytes=live.soft_buffer_bytes,
        hard_buffer_bytes=live.hard_buffer_bytes,
        slow_grace_s=live.slow_grace_s,
    )


class StreamSurface:
    """WebSockets over hub and shards."""

    def __init__(self, context: ActorContext, config: Config, view: ClusterView, port: int) -> None:
        self._config = config
        backend = self._backend = Backend(context, config, view)
        cases = self._use_cases = UseCases(backend.ground, config)
        self._presence = ShardPresence(backend.shards, context.name)
        tweets = ReadTweets(backend.shown.reader, cases.reading)
        self._hub = Hub(self._presence, tweets, _settings(config))
        self._admission = Admission(
            self._hub,
            cases.keys,
            cases.authenticator,
            cases.tickets,
            backend.reader,
            clock_ms,
            recheck_s=config.auth.recheck_s,
        )
        addresses = Addresses(config.http.trusted_proxies)
        self._refusals = StreamRefusals(addresses.client_of, addresses.key_of)
        self._listener = ConnectionListener(
            config.live.host,
            port,
            self._hub,
            self._admission.by_token,
            redeem=self._admission.by_ticket,
            place_of=addresses.place_of,
        )
        self._listener.on_refused = self._refusals.refused
        self._reporter: Reporter | None = None
        self._background: list[asyncio.Task[None]] = []

    @property
    def topology(self) -> Topology:
        return self._backend.topology

    async def open(self) -> None:
        """Make ready to listen."""
        await until_available(self._use_cases.keys.load)

    async def listen(self) -> None:
        bound = await self._listener.start()
        context = self._backend.context
        url = stream_url(self._config, context.host, bound)
        reporter = Reporter(context.directory, context.name, self._presence.incarnation, url)
        self._reporter = reporter
        self._hub.on_join, self._hub.on_leave = reporter.joined, reporter.left
        self._background = [
            asyncio.create_task(reporter.report_forever()),
            asyncio.create_task(self._admission.recheck()),
            asyncio.create_task(self._use_cases.keys.keep_up()),
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
        await self._use_cases.close()
        await self._backend.close()

    async def reload_keys(self) -> None:
        await self._use_cases.keys.load()

    def _revocations_missed(self) -> None:
        self._use_cases.authenticator.forget_all()
        self._admission.look_again()

    def push(self, batch: list[Push]) -> None:
        self._hub.push(batch)

    def invalidate(self, change: Invalidation) -> None:
        self._use_cases.invalidate(change)
        self._admission.end(change)
        self._hub.counts_changed(change.counts)
        self._hub.visibility_changed(change.viewers, change.users, change.tweets)

    def figures(self) -> Mapping[str, float]:
        return {
            **self._use_cases.figures(),
            **self._hub.figures(),
            **self._listener.figures(),
            **self._backend.cache_figures(),
        }


async def compose_connection_server(
    context: ActorContext, config: Config, view: ClusterView, port: int
) -> StreamSurface:
    """A WebSocket surface that is ready to listen on `port`."""
    surface = StreamSurface(context, config, view, port)
    await surface.open()
    return surface
