"""Live counts: who watches which tweets, and what they are to be told.

Changed tweets are collected, and each interval one fetch and one frame for each watching session
carry them, however many likes there were. A session hears only of tweets that its user may see;
of one that is hidden it hears as much as of one that is not there: nothing.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

import structlog

from rookery.connection.peer import Peer
from rookery.connection.ports import TweetPort
from rookery.connection.settings import StreamSettings
from rookery.connection.watching import WatchedTweets
from rookery.connection.wire import Codec
from rookery.errors import RookeryError

log = structlog.get_logger(__name__)

CHECKS_AT_ONCE = 64
"""Users whose tweets are looked at together."""


class LiveCounts:
    """The watchers of one server. `send` passes items on to a peer's session and settles it."""

    def __init__(
        self,
        tweets: TweetPort,
        send: Callable[[Peer, list[tuple[int, bytes]]], None],
        settings: StreamSettings,
    ) -> None:
        self._tweets = tweets
        self._send = send
        self._settings = settings
        self._watching = WatchedTweets()
        self._changed: set[int] = set()
        self._owed: defaultdict[Peer, set[int]] = defaultdict(set)
        """Of which tweets a peer gets the counts in any case."""

    @property
    def watched_tweets(self) -> int:
        """How many tweets somebody watches."""
        return len(self._watching)

    def watch(self, peer: Peer, before: frozenset[int], after: frozenset[int]) -> None:
        """Replace what `peer` watches. It is sent the counts of all of these with the next flush,
        since they may have changed between its reading them and watching."""
        self._watching.watch(peer, before, after)
        if after:
            self._owed[peer] = set(after)
        else:
            self._owed.pop(peer, None)

    def changed(self, tweet_ids: Iterable[int]) -> None:
        """Note that counts changed; ids that nobody watches are ignored."""
        self._changed.update(tweet_id for tweet_id in tweet_ids if tweet_id in self._watching)

    def recheck(
        self, peers: Iterable[Peer], author_ids: Iterable[int], tweet_ids: Iterable[int]
    ) -> None:
        """Send no more of what these peers watch, of these authors' tweets, and of these tweets,
        before it was looked at anew who may see it."""
        for peer in peers:
            self._watching.doubt_peer(peer)
        for author_id in author_ids:
            self._watching.doubt_author(author_id)
        for tweet_id in tweet_ids:
            self._watching.doubt_tweet(tweet_id)

    async def flush_forever(self) -> None:
        """Flush every `counts_interval_s`, until cancelled."""
        while True:
            await asyncio.sleep(self._settings.counts_interval_s)
            await self.flush()

    async def flush(self) -> None:
        """Look at what is in doubt, then fetch what changed and send it.

        What fails is tried with the next flush.
        """
        await self._check()
        if not self._changed and not self._owed:
            return
        changed, self._changed = self._changed, set()
        owed = self._take_owed()
        ids = list(changed.union(*owed.values()))
        size = self._settings.counts_batch
        for start in range(0, len(ids), size):
            some = ids[start : start + size]
            try:
                async with asyncio.timeout(self._settings.attach_timeout_s):
                    await self._flush_some(some, changed, owed)
            except (RookeryError, TimeoutError) as error:
                log.debug("counts failed", error=repr(error))
                self.changed(some)
            except Exception:
                log.exception("sending counts failed")
                self.changed(some)

    def _take_owed(self) -> dict[Peer, set[int]]:
        """What is owed and may be sent; what is still in doubt stays owed, the rest never was."""
        owed, self._owed = self._owed, defaultdict(set)
        for peer, ids in owed.items():
            if doubtful := ids & self._watching.doubtful(peer):
                self._owed[peer] = doubtful
        return owed

    async def _flush_some(
        self, ids: list[int], changed: set[int], owed: Mapping[Peer, set[int]]
    ) -> None:
        outgoing: defaultdict[Peer, list[tuple[int, bytes]]] = defaultdict(list)
        for tweet_id, counts in (await self._tweets.counts(ids)).items():
            items: dict[Codec, bytes] = {}
            for peer in self._watching.watchers(tweet_id):
                if tweet_id not in changed and tweet_id not in owed.get(peer, ()):
                    continue
                if not self._watching.may_see(peer, tweet_id):
                    if tweet_id in self._watching.doubtful(peer):
                        self._owed[peer].add(tweet_id)
                    continue
                codec = peer.session.codec
                item = items.get(codec)
                if item is None:
                    items[codec] = item = codec.counts_item(tweet_id, counts)
                outgoing[peer].append((tweet_id, item))
        for peer, parts in outgoing.items():
            self._send(peer, parts)

    async def _check(self) -> None:
        """Look at who may see what is in doubt."""
        by_user = list(self._watching.take_doubtful().items())
        for start in range(0, len(by_user), CHECKS_AT_ONCE):
            await asyncio.gather(
                *(self._check_user(*each) for each in by_user[start : start + CHECKS_AT_ONCE])
            )

    async def _check_user(self, user_id: int, wanted: Mapping[Peer, set[int]]) -> None:
        ids = set().union(*wanted.values())
        try:
            async with asyncio.timeout(self._settings.attach_timeout_s):
                visible = await self._tweets.visible(user_id, list(ids))
        except (RookeryError, TimeoutError) as error:
            log.debug("looking at watched tweets failed", error=repr(error))
            self._watching.doubt_again(wanted)
        except Exception:
            log.exception("looking at watched tweets failed")
            self._watching.doubt_again(wanted)
        else:
            self._watching.settle(wanted, visible)
