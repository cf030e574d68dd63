"""What is known of those who read: whom they hide and are hidden from, what they marked, whom they
follow. Asked for every page that is shown to somebody who is signed in.

One cached thing a viewer, with one rule of freshness. Of the marks and hidden ids the newest or
first few are read together, which for most viewers is all there is; what is beyond them is looked
up for the tweets of a page, and then kept with the rest. So are follows of authors whose tweets
are not for everybody.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from types import MappingProxyType
from typing import Any

import msgspec

from rookery.domain.generations import Generations
from rookery.domain.visibility import NOBODY, Viewer
from rookery.services.batching import Batcher
from rookery.services.reading.authors import Authors
from rookery.services.reading.shown import Marks
from rookery.store.engine import Store
from rookery.store.records.graph import GraphRepository
from rookery.store.records.viewers import Hidden, ViewerRepository

TTL_MS = 30_000
CAPACITY = 100_000
MAX_MARKS = 64
"""Of each kind, the newest ones, by the marked tweets."""
MAX_HIDDEN = 64
MODERATORS = frozenset({"moderator", "admin"})
_BITS = (int(Marks.LIKED), int(Marks.RETWEETED), int(Marks.BOOKMARKED))
_NOTHING: Mapping[int, int] = MappingProxyType({})
_NO_MUTES: Mapping[int, int | None] = MappingProxyType({})
EVER = -1
"""As the present moment: whatever is cached will do, however old."""


class Known:
    """What is known of one viewer.

    `hides_users_alone` says that no conversation is muted, and that all hidden users are known.
    `viewer` is complete but for follows, the role, and (unless `hides_all_known`) hidden ids, all
    of which `Viewers` looks up where it decides. `marks` are `Marks` bits by tweet: complete from
    tweet `marked_from` up, below that for what was looked up.
    """

    __slots__ = (
        "_follows_looked_up",
        "_marks_looked_up",
        "_mutes",
        "_subjects_looked_up",
        "blocked_by",
        "hidden",
        "hides_all_known",
        "hides_nothing",
        "hides_users_alone",
        "knows_role",
        "marked_from",
        "marks",
        "mute_ends_ms",
        "until_ms",
        "viewer",
    )

    def __init__(
        self, user_id: int, hidden: Hidden, is_whole: bool, now_ms: int, until_ms: int
    ) -> None:
        """`now_ms` is the time of day, by which mutes end."""
        self.until_ms = until_ms
        self.hides_all_known = is_whole
        self.hides_users_alone = is_whole and not hidden.conversations
        self.knows_role = False
        # Of most viewers nothing is kept: what is empty is shared.
        self.marks: Mapping[int, int] = _NOTHING
        self.marked_from = 0
        self.blocked_by: AbstractSet[int] = NOBODY
        self._mutes: Mapping[int, int | None] = _NO_MUTES
        self._follows_looked_up: AbstractSet[int] = NOBODY
        self._marks_looked_up: AbstractSet[int] = NOBODY
        self._subjects_looked_up: AbstractSet[int] = NOBODY
        self.viewer = Viewer(user_id=user_id)
        self._hide(hidden, now_ms)

    @property
    def user_id(self) -> int:
        assert self.viewer.user_id is not None
        return self.viewer.user_id

    def end_mutes(self, now_ms: int) -> None:
        """Let the mutes end whose time is over; `mute_ends_ms` is when the next one does, or 0."""
        if self._mutes:
            self._mutes = {
                each: expires_ms
                for each, expires_ms in self._mutes.items()
                if expires_ms is None or expires_ms > now_ms
            }
        if self._mutes or self.viewer.muted:
            self._renew(muted=frozenset(self._mutes) if self._mutes else NOBODY)
        self.mute_ends_ms = min((ms for ms in self._mutes.values() if ms is not None), default=0)
        self.hides_nothing = self.hides_all_known and self.viewer.hides_nothing
        blocked, muted = self.viewer.blocked, self.viewer.muted
        self.hidden = blocked | muted if blocked and muted else blocked or muted

    def unmarked(self, tweet_ids: Iterable[int]) -> list[int]:
        """Those of `tweet_ids` whose marks have to be looked up."""
        if not self.marked_from:
            return []
        return [
            each
            for each in tweet_ids
            if each < self.marked_from and each not in self._marks_looked_up
        ]

    def unhidden(self, subject_ids: Iterable[int]) -> list[int]:
        """Those users and conversations of which it has to be looked up whether they are hidden."""
        if self.hides_all_known:
            return []
        return [each for each in subject_ids if each not in self._subjects_looked_up]

    def unfollowed(self, author_ids: Iterable[int]) -> list[int]:
        """Those users of whom it has to be looked up whether the viewer follows them."""
        return [
            each
            for each in author_ids
            if each != self.user_id and each not in self._follows_looked_up
        ]

    def mark(self, marked: Sequence[Iterable[int]], looked_up: Iterable[int] = ()) -> None:
        """Take in marked tweets, by kind of mark, once these tweets were `looked_up`."""
        self._marks_looked_up = self._marks_looked_up | frozenset(looked_up)
        marks = dict(self.marks)
        for bit, tweet_ids in zip(_BITS, marked, strict=True):
            for tweet_id in tweet_ids:
                if tweet_id >= self.marked_from or tweet_id in self._marks_looked_up:
                    marks[tweet_id] = marks.get(tweet_id, 0) | bit
        self.marks = marks or _NOTHING

    def hide(self, hidden: Hidden, looked_up: Iterable[int], now_ms: int) -> None:
        """Take in hidden ids, once these were `looked_up`."""
        self._subjects_looked_up = self._subjects_looked_up | frozenset(looked_up)
        self._hide(hidden, now_ms)

    def _hide(self, hidden: Hidden, now_ms: int) -> None:
        if hidden.longest:
            self.blocked_by = self.blocked_by | frozenset(hidden.blocked_by)
            blocked = self.viewer.blocked | frozenset(hidden.blocks) | self.blocked_by
            self._mutes = {
                **self._mutes,
                **dict(hidden.mutes),
                **dict.fromkeys(hidden.conversations),
            }
            self._renew(blocked=blocked)
        self.end_mutes(now_ms)

    def follow(self, looked_up: Sequence[int], follows: Sequence[bool]) -> None:
        """Take in which of the users that were `looked_up` the viewer follows."""
        self._follows_looked_up = self._follows_looked_up | frozenset(looked_up)
        followed = {user_id for user_id, does in zip(looked_up, follows, strict=True) if does}
        self._renew(followed=self.viewer.followed | followed)

    def set_role(self, role: str) -> None:
        self.knows_role = True
        self._renew(is_moderator=role in MODERATORS)

    def _renew(self, **changes: Any) -> None:
        self.viewer = msgspec.structs.replace(self.viewer, **changes)


class Viewers:
    """The viewers, cached for `ttl_ms`.

    A change is seen by the next read that begins after `changed`, which is called in every
    process; where that call was lost, at most `ttl_ms` later. A timed mute ends at its time.
    While the store cannot be asked, what was known last may be used on (`EVER`), except of users
    who changed since.
    """

    def __init__(
        self,
        store: Store,
        steady_ms: Callable[[], int],
        clock_ms: Callable[[], int],
        authors: Authors,
        *,
        ttl_ms: int = TTL_MS,
        capacity: int = CAPACITY,
        max_marks: int = MAX_MARKS,
        max_hidden: int = MAX_HIDDEN,
    ) -> None:
        """`steady_ms` counts how old a value is, `clock_ms` tells the time at which mutes end."""
        self._repository = ViewerRepository(store.reader)
        self._graph = GraphRepository(store.reader)
        self._steady_ms = steady_ms
        self._clock_ms = clock_ms
        self._authors = authors
        self._ttl_ms = ttl_ms
        self._max_marks = max_marks
        self._max_hidden = max_hidden
        self._cache: Generations[int, Known] = Generations(capacity)
        self._batcher: Batcher[int, dict[int, Known]] = Batcher(self._load)
        self._loading = False
        self._changed: set[int] = set()

    def known(self, user_id: int, now_ms: int) -> Known | None:
        """What is known of a viewer without a read by `now_ms`, in steady time (`EVER`: however
        old)."""
        known = self._cache.young.get(user_id) or self._cache.get(user_id)
        if known is None or known.until_ms <= now_ms:
            return None
        if known.mute_ends_ms and known.mute_ends_ms <= (time_ms := self._clock_ms()):
            known.end_mutes(time_ms)
        return known

    def request(self, user_id: int) -> Awaitable[dict[int, Known]]:
        """Begin to read a viewer, who is among the results."""
        return self._batcher.request([user_id])

    async def get(self, user_id: int) -> Known:
        """As `known` by now, read where that takes a read."""
        known = self.known(user_id, self._steady_ms())
        return (await self.request(user_id))[user_id] if known is None else known

    def changed(self, user_id: int) -> None:
        """Forget a viewer; call after each write of what a viewer is made of, whatever came of
        it."""
        self._cache.discard(user_id)
        if self._loading:
            self._changed.add(user_id)

    async def look_up_marks(self, known: Known, tweet_ids: Iterable[int]) -> None:
        """Have `known` know the marks of these tweets."""
        missing = known.unmarked(tweet_ids)
        if missing:
            marked = await self._repository.marked_among(known.user_id, missing)
            known.mark(marked, looked_up=missing)

    async def look_up_hidden(self, known: Known, subject_ids: Iterable[int]) -> None:
        """Have `known` know whether these users and conversations are hidden."""
        missing = list(dict.fromkeys(known.unhidden(subject_ids)))
        if missing:
            hidden = await self._repository.hidden_among(known.user_id, missing)
            known.hide(hidden, missing, self._clock_ms())

    async def look_up_role(self, known: Known) -> None:
        """Have `known` know the viewer's role, which decides about accounts that are not active."""
        if not known.knows_role:
            users = await self._authors.many([known.user_id])
            known.set_role(users[known.user_id].role if known.user_id in users else "user")

    async def look_up_follows(self, known: Known, author_ids: Iterable[int]) -> None:
        """Have `known` know whether the viewer follows these authors."""
        missing = list(dict.fromkeys(known.unfollowed(author_ids)))
        if missing:
            edges = [(known.user_id, each) for each in missing]
            known.follow(missing, await self._graph.follows(edges))

    async def _load(self, user_ids: list[int]) -> dict[int, Known]:
        self._changed.clear()
        self._loading = True
        try:
            until_ms = self._steady_ms() + self._ttl_ms
            found = await self._repository.many(user_ids, self._max_marks, self._max_hidden)
        finally:
            self._loading = False
        now_ms = self._clock_ms()
        loaded: dict[int, Known] = {}
        for user_id, (marked, hidden) in zip(user_ids, found, strict=True):
            is_whole = hidden.longest < self._max_hidden
            known = loaded[user_id] = Known(user_id, hidden, is_whole, now_ms, until_ms)
            if any(marked):
                full = (ids[-1] for ids in marked if len(ids) >= self._max_marks)
                known.marked_from = max(full, default=0)
                known.mark(marked)
            # What was read before a change of the viewer may lack it.
            if user_id not in self._changed:
                self._cache.put(user_id, known)
        return loaded
