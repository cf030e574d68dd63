"""Authors with very many followers: who counts as one, and the list of their recent tweets.

Pure. A celebrity's tweet is not written into each follower's ring but into one list, which a read
merges in ("fan-out on read"). Since rings and lists are merged as a union of ids, an author may
change sides at any time: what is in both counts once.
"""

from bisect import bisect_left, insort

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
