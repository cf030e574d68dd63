"""Keeps the warm rows of a shard in step with the store: whose posts they take, what they hide."""

import asyncio
from collections.abc import Sequence

from rookery.domain.mute_ends import MuteEnds
from rookery.domain.timelines import WarmTimelines
from rookery.errors import RookeryError
from rookery.store import clock_ms
from rookery.store.engine import Reader
from rookery.store.records.graph import GraphRepository
from rookery.store.records.home_sources import HomeSourceRepository, HomeSources

MUTE_ENDS_PERIOD_S = 0.2


class RowSources:
    """Loads the sources of rows, and takes note of changes of them.

    What counts is the store: a change that is told late, or once more, does no harm.
    """

    def __init__(self, warm: WarmTimelines, reader: Reader) -> None:
        self._warm = warm
        self._graph = GraphRepository(reader)
        self._homes = HomeSourceRepository(reader)
        self._changing = asyncio.Lock()
        self._mute_ends = MuteEnds()
        self._unmuting: set[int] = set()

    async def load(self, user_id: int) -> HomeSources:
        """The sources of a user's row as the store has them now.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        return await self._homes.of(user_id, clock_ms())

    def enter(self, user_id: int, row: int, sources: HomeSources, token: int) -> bool:
        """Have deliveries reach a row; False if the graph changed since the token was given."""
        is_entered = self._warm.enter(
            row, sources.author_ids, token, muted=sources.muted, blocked=sources.blocked
        )
        if is_entered:
            self._mute_ends.set(user_id, sources.until_ms)
        return is_entered

    async def graph_changed(self, edges: Sequence[tuple[int, int]]) -> None:
        """Take note of follows that (follower, followee) each have begun or ended.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        async with self._changing:
            edges = [edge for edge in edges if self._warm.row_of(edge[0]) is not None]
            for edge, follows in zip(edges, await self._graph.follows(edges), strict=True):
                self._warm.graph_changed(*edge, follows)

    async def hidden_changed(self, user_ids: Sequence[int]) -> None:
        """Take note that these users hide others than before.

        When this returns, deliveries and reads go by what the store has now.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        async with self._changing:
            for user_id in dict.fromkeys(user_ids):
                await self._reload(user_id)

    async def _reload(self, user_id: int) -> None:
        if self._warm.row_of(user_id) is None:
            return
        self._warm.spoil(user_id)  # whoever builds it just now has read what was before
        sources = await self.load(user_id)
        self._warm.hidden_changed(user_id, sources.author_ids, sources.muted, sources.blocked)
        self._mute_ends.set(user_id, sources.until_ms)

    # Timed mutes.

    def end_mutes(self) -> None:
        """Have rows built anew whose users' timed mutes have ended; to be called before reads."""
        if self._mute_ends:
            for user_id in self._mute_ends.due(clock_ms()):
                self._warm.spoil(user_id)
                self._unmuting.add(user_id)  # deliveries still go by the mute

    async def follow_mute_ends(self) -> None:
        """Let deliveries reach those whose timed mutes have ended, for ever."""
        while True:
            await asyncio.sleep(MUTE_ENDS_PERIOD_S)
            self.end_mutes()
            try:
                while self._unmuting:
                    user_id = next(iter(self._unmuting))
                    await self.hidden_changed([user_id])
                    self._unmuting.discard(user_id)
            except RookeryError:
                pass  # the store is away; the next round tries again
