"""The timeline shard: `WarmTimelines` as an actor, built from the store and pushing to sockets."""

import asyncio
import secrets
from collections.abc import Mapping
from itertools import chain
from time import monotonic

import numpy as np

from rookery.actors import names
from rookery.actors.account_changes import AccountChanges, Accounts
from rookery.actors.pushes import Pushes
from rookery.actors.row_sources import RowSources
from rookery.actors.runtime import Actor, ActorContext
from rookery.actors.writer import group_writer
from rookery.cluster.standby import Standby
from rookery.cluster.topology import Topology
from rookery.config import Config, Live, Timelines
from rookery.domain.delivered import RecentIds
from rookery.domain.placement import ClusterView
from rookery.domain.timelines import Slice, WarmTimelines
from rookery.errors import Moved, Overloaded, RookeryError, StartupError
from rookery.messages import AttachAnswer, AttachRequest, Delivery, WarmTimeline
from rookery.store import clock_ms, open_reader
from rookery.store.records.posts import recent_posts

REMEMBERED_IDS = 262_144
FIRST_OFFSET_BITS = 40
SWEEP_PERIOD_S = 10.0


def _warm_timelines(timelines: Timelines, live: Live) -> WarmTimelines:
    """Room for all that the settings allow; memory is taken when it is used.

    Raises:
        StartupError: the machine does not give so much; the text names the settings.
    """
    try:
        return WarmTimelines(
            rows=timelines.max_rows,
            ring_size=timelines.ring_size,
            max_logs=live.max_logs,
            log_events=live.log_events,
            list_size=timelines.ring_size,
        )
    except (OSError, MemoryError, ValueError, OverflowError) as error:
        raise StartupError(
            f"there is no room for timelines.max_rows = {timelines.max_rows} timelines of"
            f" timelines.ring_size = {timelines.ring_size}, and live.max_logs = {live.max_logs}"
            f" logs of live.log_events = {live.log_events}: lower these settings"
        ) from error


class TimelineShard(Actor):
    """Owns the warm home timelines of its share of the users.

    Durable: nothing. Rebuilt from the store: rows, one by one, as they are read or connected;
    celebrity lists come from `CelebrityLists`; presence comes back as connection servers attach
    their sessions again, under a new epoch. Callers may retry everything: deliveries are
    remembered by their event's id, the rest is idempotent. In a cluster it also stands by for the
    controller.
    """

    def __init__(self, context: ActorContext, config: Config, view: ClusterView) -> None:
        super().__init__(context)
        timelines, live = config.timelines, config.live
        self._idle_s = timelines.idle_s
        self._linger_s = live.linger_s
        self._ring_size = timelines.ring_size
        self._warm = _warm_timelines(timelines, live)
        self._reader = open_reader(config)
        self._sources = RowSources(self._warm, self._reader)
        self._accounts = AccountChanges(self._reader, clock_ms)
        self._topology = Topology.opened(config, view, self._reader)
        self._standby = Standby(
            context, self._topology, self._reader, lambda: group_writer(context.directory, config)
        )
        self._delivered = RecentIds(REMEMBERED_IDS)
        self._life = secrets.token_hex(8)
        self._building: dict[int, asyncio.Task[None]] = {}
        self._pushes = Pushes(context.directory)
        self._figures = {"deliveries": 0.0, "builds": 0.0, "reads": 0.0, "events_delivered": 0.0}

    async def start(self) -> None:
        await self._topology.refresh()
        self._topology.listen(self._view_changed)
        self.spawn(self._topology.follow(self.context.directory))
        if self._topology.may_change:
            self.spawn(self._standby.run())
        if self.context.name in self._topology.view.present.shards:
            self.spawn(self._fetch_celebrities())
        self.spawn(self._sweep())
        self.spawn(self._sources.follow_mute_ends())

    async def stop(self) -> None:
        await super().stop()
        await self._pushes.aclose()
        await self._reader.close()

    # Ownership.

    async def view_changed(self, view: ClusterView) -> None:
        """Take over a view of the cluster: timelines and logs of users who moved are dropped."""
        self._topology.install(view)

    def _view_changed(self, view: ClusterView) -> None:
        if self._topology.may_change:
            self._warm.keep_only(self._owns)

    def _owns(self, user_id: int) -> bool:
        return self._topology.view.owns(self.context.name, user_id)

    # Reading.

    async def read(self, requests: list[tuple[int, int, int, int]]) -> list[Slice | None]:
        """Pages for (user id, before, limit, mask) each; None where `build` must come first."""
        now_s = monotonic()
        read = self._warm.read
        self._figures["reads"] += len(requests)
        self._sources.end_mutes()
        return [read(user, before, limit, mask, now_s) for user, before, limit, mask in requests]

    async def build_and_read(self, request: tuple[int, int, int, int]) -> Slice | None:
        """As `read` of one request, building the timeline first; None if it changed meanwhile.

        Nobody else takes the row in between, as where there are more readers than rows. Raises as
        `build`.
        """
        user_id = request[0]
        with self._warm.held(self._claim(user_id)):
            found = self._warm.read(*request, monotonic())
            if found is None:
                await self.build(user_id)
                found = self._warm.read(*request, monotonic())
        return found

    async def build(self, user_id: int) -> None:
        """Make a user's timeline warm. Callers at the same time share one building.

        Raises:
            StoreUnavailable: the store does not answer.
            Overloaded: no row is free.
            Moved: another shard owns the user.
        """
        task = self._building.get(user_id)
        if task is None:
            task = asyncio.create_task(self._build(user_id))
            self._building[user_id] = task
            task.add_done_callback(lambda _: self._building.pop(user_id, None))
        await asyncio.shield(task)

    async def _build(self, user_id: int) -> None:
        row = self._claim(user_id)
        with self._warm.held(row):
            while True:
                self._check_ownership(user_id)
                token = self._warm.begin(row)
                sources = await self._sources.load(user_id)
                if not self._sources.enter(user_id, row, sources, token):
                    continue
                ids, kinds, floor = await recent_posts(
                    self._reader, sources.author_ids, self._ring_size
                )
                if self._warm.finish(row, ids, kinds, floor, token):
                    self._figures["builds"] += 1
                    return

    def _claim(self, user_id: int) -> int:
        self._check_ownership(user_id)
        row = self._warm.claim(user_id, monotonic())
        if row is None:
            raise Overloaded("All warm timelines of this shard are in use")
        return row

    def _check_ownership(self, user_id: int) -> None:
        if not self._owns(user_id):
            raise Moved()

    async def _enter(self, user_id: int) -> int:
        """The user's row, with the graph around it known, so that deliveries reach it."""
        row = self._claim(user_id)
        with self._warm.held(row):
            while not self._warm.is_entered(user_id):
                self._check_ownership(user_id)
                token = self._warm.begin(row)
                if self._sources.enter(user_id, row, await self._sources.load(user_id), token):
                    break
        return row

    # The graph.

    async def graph_changed(self, changes: list[tuple[int, int, bool]]) -> list[None]:
        """Take note of committed (follower, followee, follows now) changes.

        One that comes late, or once more, may be outdated: what counts is the store. When this
        returns, and likewise `hidden_changed` and `accounts_changed`, nothing is on its way that
        was pushed by what held before, but to connection servers that do not answer.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        await self._sources.graph_changed([(follower, who) for follower, who, _ in changes])
        if not all(follows for _, _, follows in changes):
            await self._pushes.settled()
        return [None] * len(changes)

    async def hidden_changed(self, user_ids: list[int]) -> list[None]:
        """Take note of committed blocks and mutes of these users, or of their ends.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        await self._sources.hidden_changed(user_ids)
        await self._pushes.settled()
        return [None] * len(user_ids)

    async def accounts_changed(self, user_ids: list[int]) -> list[None]:
        """Take note of who turned private or public, or is suspended, or is no more.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        await self._accounts.changed(user_ids)
        await self._pushes.settled()
        return [None] * len(user_ids)

    # Delivering.

    async def deliver(self, batches: list[list[Delivery]]) -> list[int]:
        """Bring events to the followers here; for each batch the number of rows reached.

        Raises:
            StoreUnavailable: the store does not answer, and there are events of long ago.
        """
        accounts = await self._accounts.look_up(chain.from_iterable(batches))
        return [self._deliver(batch, accounts, listed=False) for batch in batches]

    async def deliver_listed(self, batches: list[list[Delivery]]) -> list[int]:
        """As `deliver`, for celebrities' events."""
        accounts = await self._accounts.look_up(chain.from_iterable(batches))
        return [self._deliver(batch, accounts, listed=True) for batch in batches]

    def _deliver(self, batch: list[Delivery], accounts: Accounts, *, listed: bool) -> int:
        reached = 0
        for delivery in batch:
            if delivery.event_id in self._delivered:
                continue
            each = self._accounts.brought_up_to_date(delivery, accounts)
            rows, recipients = self._warm.deliver(each, listed=listed)
            self._delivered.add(each.event_id)  # not before: what raises has to be tried again
            reached += rows
            for users in recipients:
                self._pushes.push(each, users)
        self._figures["deliveries"] += reached
        self._figures["events_delivered"] += len(batch)
        return reached

    async def posted(self, posts: bytes) -> None:
        """Show posts in their authors' own timelines, before they are delivered to all followers.

        (author id, tweet id, kind) each, as an int64 array. Idempotent. What was delivered already
        and whose author's timeline is not warm here is passed over.
        """
        flat: list[int] = np.frombuffer(posts, dtype=np.int64).tolist()
        for first in range(0, len(flat), 3):
            author_id, tweet_id, kind = flat[first : first + 3]
            # The event of a post has the tweet's id.
            if tweet_id not in self._delivered:
                self._warm.posted(author_id, tweet_id, kind)

    # Celebrities.

    async def set_celebrity(
        self, author_id: int, entries: list[tuple[int, int]], floor: int
    ) -> None:
        self._warm.set_celebrity(author_id, entries, floor)

    async def end_celebrity(self, author_id: int) -> None:
        self._warm.end_celebrity(author_id)

    async def _fetch_celebrities(self) -> None:
        """Once after a start; until then reads that need a list go to the store.

        Who is not part of the cluster yet is given the lists when it is: what it fetched now would
        miss what is deleted in between.
        """
        ref = self.context.directory.ref(names.CELEBRITY_LISTS)
        while True:
            try:
                for author_id, entries, floor in await ref.call("snapshot"):
                    self._warm.set_celebrity(author_id, entries, floor)
                return
            except RookeryError:
                await asyncio.sleep(0.5)

    # Connections.

    async def attach(self, requests: list[AttachRequest]) -> list[AttachAnswer | RookeryError]:
        """Connect users; from now on their events are pushed. Idempotent."""
        return await asyncio.gather(*(self._attach(*request) for request in requests))

    async def _attach(
        self, user_id: int, server: str, incarnation: str, epoch: str | None, offset: int | None
    ) -> AttachAnswer | RookeryError:
        try:
            row = await self._enter(user_id)
        except RookeryError as error:
            return error
        number = self._server(server, incarnation)
        position = self._warm.presence.attach(
            user_id,
            row,
            number,
            epoch,
            offset,
            secrets.token_hex(8),
            secrets.randbits(FIRST_OFFSET_BITS),
        )
        if position is None:
            return Overloaded("All event logs of this shard are in use")
        return position.epoch, position.offset, position.events

    def _server(self, name: str, incarnation: str) -> int:
        return self._warm.presence.server(name, incarnation, monotonic() + self._linger_s)

    async def detach(self, requests: list[tuple[int, str, str]]) -> list[None]:
        """End the connections of (user id, server, incarnation) each."""
        until_s = monotonic() + self._linger_s
        presence = self._warm.presence
        for user_id, server, incarnation in requests:
            if presence.is_current(server, incarnation):
                presence.detach(user_id, presence.server(server, incarnation), until_s)
        return [None] * len(requests)

    async def positions(
        self, server: str, incarnation: str, user_ids: bytes
    ) -> list[tuple[str, int] | None]:
        """(epoch, offset) of the logs of users (an int64 array); None: not connected there."""
        number = self._server(server, incarnation)
        position = self._warm.presence.position
        users: list[int] = np.frombuffer(user_ids, dtype=np.int64).tolist()
        return [position(user, number) for user in users]

    async def recently_notified(
        self, server: str, incarnation: str, after: int
    ) -> tuple[str, int, bytes]:
        """Which users on a connection server got events lately.

        The first of the answer changes when anybody there may have lost their log here; the second
        is the `after` of the next call; then the users who got events in between (an int64 array).
        """
        number = self._server(server, incarnation)
        presence = self._warm.presence
        users = presence.recently_notified(number, after)
        return f"{self._life}/{presence.forgotten}", presence.logs.appended, users.tobytes()

    # Upkeep.

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_PERIOD_S)
            self._warm.sweep(monotonic(), self._idle_s)

    async def warm_users(self) -> list[int]:
        """The users whose timelines can be read from memory now."""
        return self._warm.users()

    async def inspect(self, user_ids: list[int]) -> list[WarmTimeline | None]:
        """All that memory serves of each timeline, for `fsck`."""
        now_s = monotonic()
        return [self._warm.inspect(user_id, now_s) for user_id in user_ids]

    async def rebuild(self, user_ids: list[int]) -> None:
        """Build timelines anew from the store, whom they follow included."""
        for user_id in user_ids:
            self._warm.spoil(user_id)
            await self.build(user_id)

    def figures(self) -> Mapping[str, float]:
        return {
            **self._figures,
            "warm_rows": self._warm.warm,
            "connected_users": self._warm.presence.connected,
            "building": len(self._building),
            "push_queue_depth": self._pushes.pending,
        }
