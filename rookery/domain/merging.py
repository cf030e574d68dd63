"""Merging authors' posts into one timeline, newest first.

Pure. A `NewestMerge` takes the newest posts of
any number of authors, list by list, and holds no more than a page of candidates. With a filter,
or with short lists, a round may come out incomplete; it then says below which id to go on.
"""

from collections.abc import Iterable, Sequence

Post = tuple[int, int]
"""(tweet id, `PostKind` bits)."""


class NewestMerge:
    """The newest `size` posts among many authors' lists, for one round of reading.

    Each list is what its author posted inside the round's bounds, newest first, cut at
    `list_limit`. A list of that length may have more below its end, so nothing below the highest
    such end (the *horizon*) can be known to be complete.
    """

    def __init__(self, size: int, list_limit: int, mask: int = 0) -> None:
        if size < 1 or list_limit < 1:
            raise ValueError("size and list_limit must be positive")
        self._size = size
        self._list_limit = list_limit
        self._mask = mask
        self._horizon = 0
        self._ids: list[int] = []

    @property
    def floor(self) -> int:
        """Lists added from now on need only posts with ids above this; 0 for all."""
        lowest = self._ids[-1] if len(self._ids) == self._size else 0
        return max(lowest, self._horizon)

    @property
    def resume_before(self) -> int:
        """Where the next round starts if `ids` came out short; 0 when there is nothing below."""
        return self._horizon

    def add(self, lists: Iterable[Sequence[Post]]) -> None:
        """Take in the lists of some authors, each author once a round.

        `lists` may be read while they are taken in: `floor` holds until all of them are.
        """
        mask, full = self._mask, self._list_limit
        gathered = self._ids.copy()
        for posts in lists:
            if not posts:
                continue
            if len(posts) >= full:
                self._horizon = max(self._horizon, posts[-1][0])
            if mask:
                gathered.extend([tweet_id for tweet_id, kind in posts if kind & mask])
            else:
                gathered.extend([tweet_id for tweet_id, _ in posts])
        gathered.sort(reverse=True)
        self._ids = gathered[: self._size]

    @property
    def ids(self) -> list[int]:
        """At most `size` ids, newest first: exactly the newest at or above the horizon."""
        horizon = self._horizon
        return [tweet_id for tweet_id in self._ids if tweet_id >= horizon]
