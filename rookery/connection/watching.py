"""Which tweets the sessions of a server watch, and which of these their users may see.

No I/O. What a session watches is *in doubt* until somebody has looked whether its user may see it,
and again whenever that may have changed.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from rookery.connection.peer import Peer

_NOTHING: frozenset[int] = frozenset()


class WatchedTweets:
    """The watched tweets of all peers. Its length is the number of tweets that are watched."""

    def __init__(self) -> None:
        self._watchers: dict[int, set[Peer]] = {}
        self._watched: dict[Peer, frozenset[int]] = {}
        self._visible: defaultdict[Peer, set[int]] = defaultdict(set)
        self._doubtful: defaultdict[Peer, set[int]] = defaultdict(set)
        self._authors: dict[int, tuple[int, ...]] = {}
        self._by_author: defaultdict[int, set[int]] = defaultdict(set)

    def __len__(self) -> int:
        return len(self._watchers)

    def __contains__(self, tweet_id: int) -> bool:
        return tweet_id in self._watchers

    def watchers(self, tweet_id: int) -> AbstractSet[Peer]:
        """Who watches a tweet, whether they may see it or not."""
        return self._watchers.get(tweet_id, set())

    def may_see(self, peer: Peer, tweet_id: int) -> bool:
        """Whether it is known that the peer's user may see a tweet that the peer watches."""
        return tweet_id in self._visible.get(peer, ())

    def doubtful(self, peer: Peer) -> AbstractSet[int]:
        """What the peer watches and nobody has looked at."""
        return self._doubtful.get(peer, _NOTHING)

    def watch(self, peer: Peer, before: frozenset[int], after: frozenset[int]) -> None:
        """Replace what a peer watches; all of it is in doubt."""
        self._visible.pop(peer, None)
        self._doubtful.pop(peer, None)
        for tweet_id in before - after:
            self._leave(peer, tweet_id)
        for tweet_id in after - before:
            self._watchers.setdefault(tweet_id, set()).add(peer)
        if after:
            self._watched[peer] = after
            self._doubtful[peer] = set(after)
        else:
            self._watched.pop(peer, None)

    def _leave(self, peer: Peer, tweet_id: int) -> None:
        watchers = self._watchers.get(tweet_id)
        if watchers is None:
            return
        watchers.discard(peer)
        if not watchers:
            del self._watchers[tweet_id]
            self._forget_authors(tweet_id)

    def _forget_authors(self, tweet_id: int) -> None:
        for author_id in self._authors.pop(tweet_id, ()):
            tweets = self._by_author[author_id]
            tweets.discard(tweet_id)
            if not tweets:
                del self._by_author[author_id]

    # Doubts.

    def doubt_peer(self, peer: Peer) -> None:
        """What the peer's user may see may have changed."""
        if watched := self._watched.get(peer):
            self._visible.pop(peer, None)
            self._doubtful[peer] = set(watched)

    def doubt_author(self, author_id: int) -> None:
        """Who may see an author's tweets may have changed.

        A tweet that was hidden from all its watchers has no author here: they watch it anew.
        """
        for tweet_id in tuple(self._by_author.get(author_id, ())):
            self.doubt_tweet(tweet_id)

    def doubt_tweet(self, tweet_id: int) -> None:
        """Who may see a tweet may have changed, or it is gone."""
        for peer in self._watchers.get(tweet_id, ()):
            self._visible[peer].discard(tweet_id)
            self._doubtful[peer].add(tweet_id)

    def take_doubtful(self) -> dict[int, dict[Peer, set[int]]]:
        """What is in doubt, by user and peer; `settle` or `doubt_again` must follow for each."""
        doubtful, self._doubtful = self._doubtful, defaultdict(set)
        by_user: defaultdict[int, dict[Peer, set[int]]] = defaultdict(dict)
        for peer, ids in doubtful.items():
            by_user[peer.session.identity.user_id][peer] = ids
        return by_user

    def doubt_again(self, wanted: Mapping[Peer, Iterable[int]]) -> None:
        """It could not be looked at."""
        for peer, ids in wanted.items():
            still = self._watched.get(peer, _NOTHING).intersection(ids)
            if still:
                self._doubtful[peer] |= still

    def settle(
        self, wanted: Mapping[Peer, Iterable[int]], visible: Mapping[int, tuple[int, ...]]
    ) -> None:
        """Take in what a user may see of what was taken: tweets with their authors.

        What came into doubt meanwhile stays so.
        """
        for peer, ids in wanted.items():
            doubtful = self._doubtful.get(peer, _NOTHING)
            watched = self._watched.get(peer, _NOTHING).intersection(ids)
            seen = (watched & visible.keys()) - doubtful
            if not seen:
                continue
            self._visible[peer] |= seen
            for tweet_id in seen:
                if tweet_id not in self._authors:
                    self._authors[tweet_id] = visible[tweet_id]
                    for author_id in visible[tweet_id]:
                        self._by_author[author_id].add(tweet_id)
