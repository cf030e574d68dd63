"""What is known of viewers: whom they hide and are hidden from, what they marked, whom they follow.

Every page for somebody who is signed in asks for it, so it is cached: one value a viewer, with one
rule of freshness. A viewer is loaded with the newest marks and the first hidden ids, which for most
viewers are all there are. The others are looked up for the tweets of a page, and kept with the
value. So is whether the viewer follows authors whose tweets are not for everybody.
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
from rookery.store.engine import Store
from rookery.store.records.graph import GraphRepository
from rookery.store.records.viewers import MARKED, Hidden, ViewerRepository

TTL_MS = 30_000
CAPACITY = 100_000
MAX_MARKS = 64
"""Of each kind, the newest ones, by the marked tweets."""
MAX_HIDDEN = 64
MODERATORS = frozenset({"moderator", "admin"})
_BITS = tuple(map(int, MARKED))
_NOTHING: Mapping[int, int] = MappingProxyType({})
_NO_MUTES: Mapping[int, int | None] = MappingProxyType({})
ANY_AGE = -1
"""In place of the present moment: a cached value will do however old it is."""


class KnownViewer:
    """What is known of one viewer.

    `viewer` lacks follows, the role and, unless `knows_all_hidden`, some hidden ids, until
    `Viewers` looks them up. `marks` are `Marks` bits by tweet: all of those from tweet
    `marked_from` up, and below it those that were looked up. `hidden` are all hidden ids that are
    known; `hides_users_alone` says that they are all there are, and none is of a conversation.
    """

    __slots__ = (
        "_follows_looked_up",
        "_marks_looked_up",
        "_mutes",
        "_subjects_looked_up",
        "blocked_by",
        "hidden",
        "hides_nothing",
        "hides_users_alone",
        "knows_all_hidden",
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
        self.knows_all_hidden = is_whole
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
        self._add_hidden(hidden, now_ms)

    @property
    def user_id(self) -> int:
        assert self.viewer.user_id is not None
        return self.viewer.user_id

    def end_mutes(self, now_ms: int) -> None:
        """End the mutes whose time is over; `mute_ends_ms` is when the next one ends, 0 if none."""
        if self._mutes:
            self._mutes = {
                each: expires_ms
                for each, expires_ms in self._mutes.items()
                if expires_ms is None or expires_ms > now_ms
            }
        if self._mutes or self.viewer.muted:
            self._renew(muted=frozenset(self._mutes) if self._mutes else NOBODY)
        self.mute_ends_ms = min((ms for ms in self._mutes.values() if ms is not None), default=0)
        self.hides_nothing = self.knows_all_hidden and self.viewer.hides_nothing
        blocked, muted = self.viewer.blocked, self.viewer.muted
        self.hidden = blocked | muted if blocked and muted else blocked or muted

    def missing_marks(self, tweet_ids: Iterable[int]) -> list[int]:
        """Those of the tweets whose marks have to be looked up."""
        if not self.marked_from:
            return []
        return [
            each
            for each in tweet_ids
            if each < self.marked_from and each not in self._marks_looked_up
        ]

    def missing_hidden(self, subject_ids: Iterable[int]) -> list[int]:
        """Those of the users and conversations whose hiding has to be looked up."""
        if self.knows_all_hidden:
            return []
        return [each for each in subject_ids if each not in self._subjects_looked_up]

    def missing_follows(self, author_ids: Iterable[int]) -> list[int]:
        """Those of the users whose being followed has to be looked up."""
        return [
            each
            for each in author_ids
            if each != self.user_id and each not in self._follows_looked_up
        ]

    def add_marks(self, marked: Sequence[Iterable[int]], looked_up: Iterable[int] = ()) -> None:
        """Add marked tweets, by kind of mark; of the tweets `looked_up` these are all."""
        self._marks_looked_up = self._marks_looked_up | frozenset(looked_up)
        marks = dict(self.marks)
        for bit, tweet_ids in zip(_BITS, marked, strict=True):
            for tweet_id in tweet_ids:
                if tweet_id >= self.marked_from or tweet_id in self._marks_looked_up:
                    marks[tweet_id] = marks.get(tweet_id, 0) | bit
        self.marks = marks or _NOTHING

    def add_hidden(self, hidden: Hidden, looked_up: Iterable[int], now_ms: int) -> None:
        """Add hidden ids; of the ids `looked_up` these are all."""
        self._subjects_looked_up = self._subjects_looked_up | frozenset(looked_up)
        self._add_hidden(hidden, now_ms)

    def _add_hidden(self, hidden: Hidden, now_ms: int) -> None:
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

    def add_follows(self, looked_up: Sequence[int], follows: Sequence[bool]) -> None:
        """Add which of the users `looked_up` the viewer follows."""
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

    Whoever changes a viewer has every process call `forget`: a read that begins after it shows the
    change. Where the call is lost, the change shows `ttl_ms` later at the latest. A timed mute ends
    at its time. While the store does not answer, old values may be used (`ANY_AGE`), but not those
    of viewers that were forgotten.
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
        self._cache: Generations[int, KnownViewer] = Generations(capacity)
        self._batcher: Batcher[int, dict[int, KnownViewer]] = Batcher(self._load)
        self._loading = False
        self._changed: set[int] = set()

    def cached(self, user_id: int, now_ms: int) -> KnownViewer | None:
        """What is known of a viewer without a read, if it is still fresh at `now_ms` in steady time
        (`ANY_AGE`: however old it is)."""
        known = self._cache.young.get(user_id) or self._cache.get(user_id)
        if known is None or known.until_ms <= now_ms:
            return None
        if known.mute_ends_ms and known.mute_ends_ms <= (time_ms := self._clock_ms()):
            known.end_mutes(time_ms)
        return known

    def request(self, user_id: int) -> Awaitable[dict[int, KnownViewer]]:
        """Begin to read a viewer; the result has it by its id, with others read together."""
        return self._batcher.request([user_id])

    async def get(self, user_id: int) -> KnownViewer:
        """What is known of a viewer, read from the store unless it is cached."""
        known = self.cached(user_id, self._steady_ms())
        return (await self.request(user_id))[user_id] if known is None else known

    def forget(self, user_id: int) -> None:
        """Forget a viewer. Call it after each write of what is kept of one, even a failed one."""
        self._cache.discard(user_id)
        if self._loading:
            self._changed.add(user_id)

    async def look_up_marks(self, known: KnownViewer, tweet_ids: Iterable[int]) -> None:
        """Have `known` know the marks of these tweets."""
        missing = known.missing_marks(tweet_ids)
        if missing:
            marked = await self._repository.marked_among(known.user_id, missing)
            known.add_marks(marked, looked_up=missing)

    async def look_up_hidden(self, known: KnownViewer, subject_ids: Iterable[int]) -> None:
        """Have `known` know whether these users and conversations are hidden."""
        missing = list(dict.fromkeys(known.missing_hidden(subject_ids)))
        if missing:
            hidden = await self._repository.hidden_among(known.user_id, missing)
            known.add_hidden(hidden, missing, self._clock_ms())

    async def look_up_role(self, known: KnownViewer) -> None:
        """Have `known` know the viewer's role, which decides about accounts that are not active."""
        if not known.knows_role:
            users = await self._authors.many([known.user_id])
            known.set_role(users[known.user_id].role if known.user_id in users else "user")

    async def look_up_follows(self, known: KnownViewer, author_ids: Iterable[int]) -> None:
        """Have `known` know whether the viewer follows these authors, which decides about what is
        not for everybody."""
        missing = list(dict.fromkeys(known.missing_follows(author_ids)))
        if missing:
            edges = [(known.user_id, each) for each in missing]
            known.add_follows(missing, await self._graph.follows(edges))

    async def _load(self, user_ids: list[int]) -> dict[int, KnownViewer]:
        self._changed.clear()
        self._loading = True
        try:
            until_ms = self._steady_ms() + self._ttl_ms
            found = await self._repository.many(user_ids, self._max_marks, self._max_hidden)
        finally:
            self._loading = False
        now_ms = self._clock_ms()
        loaded: dict[int, KnownViewer] = {}
        for user_id, (marked, hidden) in zip(user_ids, found, strict=True):
            is_whole = hidden.longest < self._max_hidden
            known = loaded[user_id] = KnownViewer(user_id, hidden, is_whole, now_ms, until_ms)
            if any(marked):
                full = (ids[-1] for ids in marked if len(ids) >= self._max_marks)
                known.marked_from = max(full, default=0)
                known.add_marks(marked)
            # What was read before a change of the viewer may lack it.
            if user_id not in self._changed:
                self._cache.put(user_id, known)
        return loaded
