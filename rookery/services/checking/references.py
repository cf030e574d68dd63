"""`fsck` for counts and references, over the whole store and while it is used.

First rows that should not be there go, then lists of the same pairs are made to agree, then counts
to equal their lists; at last removals are made up for, which keep the counts right themselves.
"""

from collections.abc import AsyncIterator

from rookery.services.checking.counts import Counts
from rookery.services.checking.findings import Checked
from rookery.services.checking.orphans import Orphans
from rookery.services.checking.pairs import Pairs
from rookery.services.tweets.removals import Removals
from rookery.store.engine import Store


class References:
    """All checks of the store itself."""

    def __init__(self, store: Store, removals: Removals) -> None:
        self._orphans = Orphans(store, removals)
        self._pairs = Pairs(store, removals)
        self._counts = Counts(store)

    async def run(self, *, repair: bool) -> AsyncIterator[Checked]:
        """Check all, telling of each batch; with `repair`, put right what is found.

        Raises:
            Unavailable: the store does not answer; what was repaired stays so.
        """
        for stage in (
            self._orphans.rows(repair=repair),
            self._pairs.run(repair=repair),
            self._counts.run(repair=repair),
            self._orphans.lists(repair=repair),
        ):
            async for checked in stage:
                yield checked
