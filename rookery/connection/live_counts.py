"""Live counts: who watches which tweets, and what they are to be told.

Changed tweets are collected, and each interval one fetch and one frame for each watching session
carry them, however many likes there were.
"""

import asyncio
from collections.abc import Callable, Iterable

import structlog

from rookery.connection.peer import Peer
from rookery.connection.ports import FetchCounts
from rookery.connection.settings import StreamSettings
from rookery.connection.wire import Codec
from rookery.errors import RookeryError

log = structlog.get_logger(__name__)


class LiveCounts:
    """The watchers of one server. `send` passes items on to a peer's session and settles it."""

    def __init__(
        self,
        fetch_counts: FetchCounts,
        send: Callable[[Peer, list[tuple[int, bytes]]], None],
        settings: StreamSettings,
    ) -> None:
        self._fetch_counts = fetch_counts
        self._send = send
        self._settings = settings
        self._watchers: dict[int, set[Peer]] = {}
        self._changed: set[int] = set()
        self._fresh: set[Peer] = set()

    @property
    def watched_tweets(self) -> int:
        """How many tweets somebody watches."""
        return len(self._watchers)

    def watch(self, peer: Peer, before: frozenset[int], after: frozenset[int]) -> None:
        """Replace what `peer` watches. It is sent the counts of all of these with the next flush,
        since they may have changed between its reading them and watching."""
        for tweet_id in before - after:
            watchers = self._watchers.get(tweet_id)
            if watchers is not None:
                watchers.discard(peer)
                if not watchers:
                    del self._watchers[tweet_id]
                    self._changed.discard(tweet_id)
        for tweet_id in after - before:
            self._watchers.setdefault(tweet_id, set()).add(peer)
        if after:
            self._fresh.add(peer)
        else:
            self._fresh.discard(peer)

    def changed(self, tweet_ids: Iterable[int]) -> None:
        """Note that counts changed; ids that nobody watches are ignored."""
        self._changed.update(tweet_id for tweet_id in tweet_ids if tweet_id in self._watchers)

    async def flush_forever(self) -> None:
        """Flush every `counts_interval_s`, until cancelled."""
        while True:
            await asyncio.sleep(self._settings.counts_interval_s)
            await self.flush()

    async def flush(self) -> None:
        """Fetch what changed and send it; where that fails, it is tried with the next flush."""
        if not self._changed and not self._fresh:
            return
        fresh, self._fresh = self._fresh, set()
        changed, self._changed = self._changed, set()
        wanted = changed.union(*(peer.session.watched for peer in fresh))
        ids = list(wanted)
        size = self._settings.counts_batch
        for start in range(0, len(ids), size):
            some = ids[start : start + size]
            try:
                async with asyncio.timeout(self._settings.attach_timeout_s):
                    await self._flush_some(some, changed, fresh)
            except (RookeryError, TimeoutError) as error:
                log.debug("counts failed", error=repr(error))
                self.changed(some)
            except Exception:
                log.exception("sending counts failed")
                self.changed(some)

    async def _flush_some(self, ids: list[int], changed: set[int], fresh: set[Peer]) -> None:
        outgoing: dict[Peer, list[tuple[int, bytes]]] = {}
        for tweet_id, counts in (await self._fetch_counts(ids)).items():
            items: dict[Codec, bytes] = {}
            watchers = self._watchers.get(tweet_id, set())
            for peer in watchers if tweet_id in changed else watchers & fresh:
                codec = peer.session.codec
                item = items.get(codec)
                if item is None:
                    items[codec] = item = codec.counts_item(tweet_id, counts)
                outgoing.setdefault(peer, []).append((tweet_id, item))
        for peer, parts in outgoing.items():
            self._send(peer, parts)
