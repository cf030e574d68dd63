"""Authors with very many followers: who counts as one, and the list of their recent tweets.

Pure. A celebrity's tweet is not written into each follower's ring but into one list, which a read
merges in ("fan-out on read"). Since rings and lists are merged as a union of ids, an author may
change sides at any time: what is in both counts once.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable

from rookery.models import EventKind

HYSTERESIS = 0.8
"""An author stays a celebrity down to this share of the threshold, so that nobody flaps."""


def is_celebrity(followers: int, threshold: int, was: bool) -> bool:
    """Whether an author with this many followers is fanned out on read."""
    return followers >= (threshold * HYSTERESIS if was else threshold)


class CelebrityList:
    """Recent tweets of one celebrity, ascending by id, with the `PostKind` bits of each.

    Complete for ids at or above `floor` since the author became a celebrity.
    """

    __slots__ = ("_capacity", "_ids", "_kinds", "floor")

    def __init__(self, capacity: int, floor: int = 0) -> None:
        self._capacity = capacity
        self._ids: list[int] = []
        self._kinds: dict[int, int] = {}
        self.floor = floor

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, tweet_id: int, kind: int) -> None:
        """Add a tweet; one that is there already is left alone."""
        if tweet_id in self._kinds or tweet_id < self.floor:
            return
        if not self._ids or tweet_id > self._ids[-1]:
            self._ids.append(tweet_id)
        else:
            insort(self._ids, tweet_id)
        self._kinds[tweet_id] = kind
        if len(self._ids) > self._capacity:
            oldest = self._ids.pop(0)
            del self._kinds[oldest]
            self.floor = oldest + 1

    def discard(self, tweet_id: int) -> None:
        """Take out a tweet that was deleted; nothing if it is not there."""
        if self._kinds.pop(tweet_id, None) is not None:
            del self._ids[bisect_left(self._ids, tweet_id)]

    def below(self, before: int, limit: int, mask: int) -> list[int]:
        """At most `limit` ids under `before` (0: all), newest first.

        A `mask` other than 0 keeps tweets that have one of its `PostKind` bits.
        """
        end = bisect_left(self._ids, before) if before else len(self._ids)
        if not mask:
            return self._ids[max(0, end - limit) : end][::-1]
        found: list[int] = []
        for tweet_id in reversed(self._ids[:end]):
            if self._kinds[tweet_id] & mask:
                found.append(tweet_id)
                if len(found) == limit:
                    break
        return found

    def entries(self) -> list[tuple[int, int]]:
        """All ids with their kinds, ascending."""
        return [(tweet_id, self._kinds[tweet_id]) for tweet_id in self._ids]


class MergedLists:
    """The lists of all celebrities in one shard, and which of them each row merges in."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._lists: dict[int, CelebrityList] = {}
        self._version = 0
        self._of_row: dict[int, tuple[int, list[CelebrityList]]] = {}

    def of_row(self, row: int, followees: Callable[[int], list[int]]) -> list[CelebrityList]:
        """The lists of those whom `row` follows, which `followees` tells."""
        known = self._of_row.get(row)
        if known is not None and known[0] == self._version:
            return known[1]
        lists: list[CelebrityList] = []
        if self._lists:
            lists = [self._lists[author] for author in followees(row) if author in self._lists]
        self._of_row[row] = (self._version, lists)
        return lists

    def forget_row(self, row: int) -> None:
        """Whom `row` follows has changed, or the row has another user."""
        self._of_row.pop(row, None)

    def deliver(self, event: int, tweet_id: int, author_id: int, kind: int) -> None:
        """Take in a celebrity's tweet, or its deletion."""
        celebrity = self._lists.get(author_id)
        if event == EventKind.TWEET:
            if celebrity is None:
                # Not told of this celebrity yet: below its first tweet the store is asked.
                celebrity = CelebrityList(self._capacity, floor=tweet_id)
                self._lists[author_id] = celebrity
                self._version += 1
            celebrity.add(tweet_id, kind)
        elif event == EventKind.TWEET_DELETED and celebrity is not None:
            celebrity.discard(tweet_id)

    def replace(
        self,
        author_id: int,
        entries: Iterable[tuple[int, int]],
        floor: int,
        is_deleted: Callable[[int], bool],
    ) -> None:
        """Start or replace a list: (id, kind) ascending, complete above `floor`."""
        former = self._lists.get(author_id)
        fresh = CelebrityList(self._capacity, floor)
        for tweet_id, kind in (*entries, *(former.entries() if former is not None else ())):
            if not is_deleted(tweet_id):
                fresh.add(tweet_id, kind)
        self._lists[author_id] = fresh
        self._version += 1

    def end(self, author_id: int) -> bool:
        """Drop a list; whether there was one."""
        if self._lists.pop(author_id, None) is None:
            return False
        self._version += 1
        return True
