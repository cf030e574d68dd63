"""The warm home timelines of one shard: rings, graph, celebrity lists and presence, together.

Pure: time is an argument; what needs the store is done by `rookery.actors.shard`, which loads the
rows. A row is *entered* when the graph around it is known (deliveries reach it) and *built* when
its ring also holds the past (it can be read). A change of whom the user follows leaves the row
entered and makes it unbuilt again.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from rookery.domain.adjacency import Adjacency, Rows, common, without
from rookery.domain.celebrity import CelebrityList, MergedLists
from rookery.domain.delivered import RecentIds
from rookery.domain.hiding import Hiding
from rookery.domain.own_posts import OwnPosts
from rookery.domain.presence import Presence, Recipients
from rookery.domain.rings import Ids, Kinds, Rings
from rookery.messages import Delivery, WarmTimeline
from rookery.models import EventKind, PostKind

REMEMBERED_DELETIONS = 65_536

Slice = tuple[list[int], int, bool]
"""Ids newest first; where the next page begins (0: the history ends); whether in the store."""


class WarmTimelines:
    """All state of a shard. No method waits, so each is atomic among coroutines."""

    def __init__(
        self, *, rows: int, ring_size: int, max_logs: int, log_events: int, list_size: int
    ) -> None:
        self.rings = Rings(rows, ring_size)
        self.adjacency = Adjacency()
        self.hiding = Hiding()
        self.presence = Presence(rows, max_logs, log_events)
        self._celebrities = MergedLists(list_size)
        self._rows: dict[int, int] = {}
        self._users: npt.NDArray[np.int64] = np.zeros(rows, dtype=np.int64)
        self._built: npt.NDArray[np.bool_] = np.zeros(rows, dtype=np.bool_)
        self._generations: npt.NDArray[np.int64] = np.zeros(rows, dtype=np.int64)
        self._used_s: npt.NDArray[np.float64] = np.zeros(rows, dtype=np.float64)
        self._holders: npt.NDArray[np.int32] = np.zeros(rows, dtype=np.int32)
        self._free: list[int] = []
        self._next = 0
        self._deleted = RecentIds(REMEMBERED_DELETIONS)
        self._own = OwnPosts()

    # Rows.

    @property
    def warm(self) -> int:
        """Rows in use."""
        return len(self._rows)

    def users(self) -> list[int]:
        """The users whose rows are built."""
        return [user for user, row in self._rows.items() if self._built[row]]

    def row_of(self, user_id: int) -> int | None:
        return self._rows.get(user_id)

    def is_entered(self, user_id: int) -> bool:
        row = self._rows.get(user_id)
        return row is not None and row in self.adjacency

    def claim(self, user_id: int, now_s: float) -> int | None:
        """The user's row, taken anew if there is none; None if all rows are in use and needed."""
        row = self._rows.get(user_id)
        if row is not None:
            return row
        if not self._free and self._next == self.rings.rows and not self._evict_idlest():
            return None
        if self._free:
            row = heapq.heappop(self._free)
        else:
            row, self._next = self._next, self._next + 1
        self._rows[user_id] = row
        self._users[row] = user_id
        self._built[row] = False
        self._used_s[row] = now_s
        self.rings.clear(row)
        return row

    def _evict_idlest(self) -> bool:
        """Make room by dropping the eighth of the rows that was read longest ago."""
        rows = self._disposable()
        count = min(len(rows), max(1, len(self._rows) // 8))
        if not count:
            return False
        idlest = rows[np.argpartition(self._used_s[rows], count - 1)[:count]]
        for row in idlest.tolist():
            self._drop(row)
        return True

    def _disposable(self) -> npt.NDArray[np.int64]:
        """Rows in use that nobody holds and no event log needs."""
        rows = np.fromiter(self._rows.values(), dtype=np.int64, count=len(self._rows))
        return self.presence.without_log(rows[self._holders[rows] == 0])

    @contextmanager
    def held(self, row: int) -> Iterator[None]:
        """Keep a row with its user while it is built; otherwise another user may be given it."""
        self._holders[row] += 1
        try:
            yield
        finally:
            self._holders[row] -= 1

    def _drop(self, row: int) -> None:
        del self._rows[int(self._users[row])]
        self._own.forget(int(self._users[row]))
        self._celebrities.forget_row(row)
        self.adjacency.drop(row)
        self.hiding.drop(row)
        self._built[row] = False
        self._generations[row] += 1
        heapq.heappush(self._free, row)

    def keep_only(self, is_owned: Callable[[int], bool]) -> int:
        """Drop the rows and event logs of users who are not owned here; the rows dropped.

        A row that is being built just now is held: it is spoiled, and whoever builds it looks again
        whether it may.
        """
        moved = [user for user in self._rows if not is_owned(user)]
        for user_id in moved:
            self.presence.forget(user_id)
            row = self._rows[user_id]
            if self._holders[row]:
                self.spoil(user_id)
            else:
                self._drop(row)
        return len(moved)

    def sweep(self, now_s: float, idle_s: float) -> int:
        """Drop rows not read for `idle_s` and logs that lingered enough; the rows dropped."""
        self.presence.sweep(now_s)
        rows = self._disposable()
        idle = rows[self._used_s[rows] < now_s - idle_s]
        for row in idle.tolist():
            self._drop(row)
        return len(idle)

    # Building.

    def begin(self, row: int) -> int:
        """Start to build a row: its ring collects deliveries from now on; a token for `finish`."""
        self._built[row] = False
        self.rings.clear(row)
        return int(self._generations[row])

    def enter(
        self,
        row: int,
        author_ids: Iterable[int],
        token: int,
        *,
        muted: Iterable[int] = (),
        blocked: Iterable[int] = (),
    ) -> bool:
        """Set whose posts a row takes (its own user's too) and what its user hides.

        `muted` are users and conversations, `blocked` users; none of `author_ids` may be among
        them. False, and nothing is set, if the graph changed since `begin`.
        """
        if token != self._generations[row]:
            return False
        self._set_graph(row, author_ids, muted, blocked)
        return True

    def _set_graph(
        self, row: int, author_ids: Iterable[int], muted: Iterable[int], blocked: Iterable[int]
    ) -> None:
        self.adjacency.enter(row, author_ids)
        self.hiding.replace(row, muted, blocked)
        self._celebrities.forget_row(row)

    def finish(self, row: int, ids: Ids, kinds: Kinds, floor: int, token: int) -> bool:
        """Load what the store had (ascending, complete above `floor`) under what came meanwhile.

        False if the graph changed since `begin`: begin again.
        """
        if token != self._generations[row]:
            return False
        arrived, arrived_kinds = self.rings.raw(row)
        merged, first = np.unique(np.concatenate((ids, arrived)), return_index=True)
        self.rings.load(row, merged, np.concatenate((kinds, arrived_kinds))[first], floor)
        self._built[row] = True
        return True

    def graph_changed(self, follower_id: int, followee_id: int, follows: bool) -> bool:
        """Take note of a follow or unfollow; True if the follower's row must be built anew.

        Whoever follows somebody and mutes them gets none of their posts.
        """
        row = self._rows.get(follower_id)
        if row is None:
            return False
        self._spoil_row(row)
        self._celebrities.forget_row(row)
        if row in self.adjacency:
            if not follows:
                self.adjacency.remove(row, followee_id)
            elif not self.hiding.hides_user(row, followee_id):
                self.adjacency.add(row, followee_id)
        return True

    def hidden_changed(
        self,
        user_id: int,
        author_ids: Iterable[int],
        muted: Iterable[int],
        blocked: Iterable[int],
    ) -> None:
        """Replace the graph around a user, as `enter` has it; the row is to be built anew.

        From now on deliveries go by it. Nothing if the user's row is not entered: `spoil` has
        whoever enters it just now look again.
        """
        row = self._rows.get(user_id)
        if row is not None and row in self.adjacency:
            self._spoil_row(row)
            self._set_graph(row, author_ids, muted, blocked)

    def spoil(self, user_id: int) -> None:
        """Have a row built anew from the store at its next read, its graph included."""
        row = self._rows.get(user_id)
        if row is not None:
            self._spoil_row(row)

    def _spoil_row(self, row: int) -> None:
        self._generations[row] += 1
        self._built[row] = False

    # Reading.

    def read(self, user_id: int, before: int, limit: int, mask: int, now_s: float) -> Slice | None:
        """A page of a user's timeline from memory; None if it must be built first.

        `before` 0 is the newest page; a `mask` other than 0 keeps posts with one of its bits.
        """
        row = self._rows.get(user_id)
        if row is None or not self._built[row]:
            return None
        self._used_s[row] = now_s
        rings = self.rings
        floor = rings.floor(row)
        if not before and not mask:
            ids = rings.newest_of(row, limit)
        else:
            ids = self._page(row, floor, before, limit, mask)
        lists = self._lists_of(row)
        own = self._own.of(user_id, before, mask) if self._own else None
        if lists or own:
            merged = set(ids)
            if own:
                merged.update(own)
            for celebrity in lists:
                floor = max(floor, celebrity.floor)
                merged.update(celebrity.below(before, limit, mask))
            ids = [i for i in sorted(merged, reverse=True)[:limit] if i >= floor]
        if len(ids) == limit:
            return ids, ids[-1], False
        if floor == 0:
            return ids, 0, False
        return ids, min(before, floor) if before else floor, True

    def _page(self, row: int, floor: int, before: int, limit: int, mask: int) -> list[int]:
        ids, kinds = self.rings.content(row)
        start = int(np.searchsorted(ids, floor))
        end = int(np.searchsorted(ids, before)) if before else len(ids)
        ids, kinds = ids[start:end], kinds[start:end]
        if mask:
            ids = ids[(kinds & mask) != 0]
        page: list[int] = ids[-limit:][::-1].tolist()
        return page

    def _lists_of(self, row: int) -> list[CelebrityList]:
        return self._celebrities.of_row(row, self.adjacency.following)

    def inspect(self, user_id: int, now_s: float) -> WarmTimeline | None:
        """All that memory serves of a user's timeline; None if it is not built."""
        page = self.read(user_id, 0, 1 << 40, 0, now_s)
        if page is None:
            return None
        row = self._rows[user_id]
        ids, kinds = self.rings.raw(row)
        kind_of = dict(zip(ids.tolist(), kinds.tolist(), strict=True))
        for celebrity in self._lists_of(row):
            kind_of.update(celebrity.entries())
        kind_of.update(self._own.kinds(user_id))
        served, floor, is_cut = page
        return WarmTimeline(
            posts=[(i, kind_of[i]) for i in served if i not in self._deleted],
            floor=floor if is_cut else 0,
            following=self.adjacency.following(row),
            is_sound=bool(np.all(ids[1:] > ids[:-1])),
        )

    # Delivering.

    def posted(self, author_id: int, tweet_id: int, kind: int) -> None:
        """Show a committed post in its author's own timeline, if that is warm, until delivered."""
        if author_id in self._rows and tweet_id not in self._deleted:
            self._own.add(author_id, tweet_id, kind)

    def deliver(self, delivery: Delivery, *, listed: bool) -> tuple[int, list[Recipients]]:
        """Bring one event of an author to the followers here; (rows reached, whom to push to).

        Rings take in whatever followed authors post, for whoever reads filters them; event logs and
        pushes are exact. `listed`: a celebrity's, whose tweet goes into its list instead of the
        rings. What is delivered again after a failure comes late: a tweet after its deletion is
        passed over.
        """
        event, tweet_id, author_id = delivery.event_kind, delivery.tweet_id, delivery.author_id
        if self._own:
            self._own.discard(author_id, tweet_id)
        if event == EventKind.TWEET_DELETED:
            # It stays in the rings: who reads it finds no such tweet, and passes it over.
            self._deleted.add(tweet_id)
        elif tweet_id in self._deleted:
            return 0, []
        if listed:
            self._celebrities.deliver(event, tweet_id, author_id, delivery.post_kind)
        rows = self.adjacency.rows(author_id)
        if not len(rows):
            return 0, []
        if event == EventKind.TWEET and not listed:
            self.rings.deliver(rows, tweet_id, delivery.post_kind)
        is_for_all = delivery.audience is None and delivery.original_audience is None
        if is_for_all and self.hiding.is_empty:
            return len(rows), self.presence.notify(rows, event, tweet_id)
        return len(rows), self._notify_entitled(rows, delivery)

    def _notify_entitled(self, rows: Rows, delivery: Delivery) -> list[Recipients]:
        """Notify those of the author's followers who may see the tweet and do not mute it.

        As `rookery.domain.visibility` has it: a retweet goes with its original, while a quote of
        something hidden is shown without it. Whether somebody follows a private author whom they
        mute is not known here: they get a quote of that author without what it quotes.
        """
        event, tweet_id = delivery.event_kind, delivery.tweet_id
        original_author_id = delivery.original_author_id
        if delivery.audience is not None:
            rows = common(rows, self._rows_of(delivery.audience))
        rows = self._without_muting(rows, delivery.conversation_id, delivery.author_id)
        if original_author_id is None:
            return self.presence.notify(rows, event, tweet_id)
        seeing = without(rows, self.hiding.blocks.rows(original_author_id))
        if delivery.original_audience is not None:
            entitled = self._rows_of(delivery.original_audience)
            entitled = np.union1d(entitled, self.adjacency.rows(original_author_id))
            seeing = common(seeing, entitled)
        if delivery.post_kind & PostKind.QUOTE:
            recipients = self.presence.notify(seeing, event, tweet_id)
            hidden = without(rows, seeing)
            return recipients + self.presence.notify(hidden, event, tweet_id, hides_quote=True)
        for muted_id in (original_author_id, delivery.original_conversation_id):
            if muted_id is not None:
                seeing = self._without_muting(seeing, muted_id, delivery.author_id)
        return self.presence.notify(seeing, event, tweet_id)

    def _without_muting(self, rows: Rows, muted_id: int, author_id: int) -> Rows:
        """`rows` but for those that mute a user or conversation; nobody mutes what is their own."""
        muting = self.hiding.mutes.rows(muted_id)
        own = self._rows.get(author_id)
        return without(rows, muting if own is None else muting[muting != own])

    def _rows_of(self, user_ids: Iterable[int]) -> Rows:
        """The rows of those of the users who are warm, ascending."""
        rows = {row for user in user_ids if (row := self._rows.get(user)) is not None}
        return np.array(sorted(rows), dtype=np.int64)

    def set_celebrity(self, author_id: int, entries: Iterable[tuple[int, int]], floor: int) -> None:
        """Start (or replace) a celebrity's list: (id, kind) ascending, complete above `floor`."""
        self._celebrities.replace(author_id, entries, floor, self._deleted.__contains__)

    def end_celebrity(self, author_id: int) -> None:
        """Drop a celebrity's list; the rows that relied on it are to be built anew."""
        if self._celebrities.end(author_id):
            rows = self.adjacency.rows(author_id)
            self._generations[rows] += 1
            self._built[rows] = False
