"""Pages of lists: their bounds, what the services answer, and how a page is filled. No I/O."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from rookery.errors import InvalidRequest

DEFAULT_LIMIT = 20
MAX_LIMIT = 100
MAX_SCANNED = 5000
"""So many entries of a list are looked at for one page."""
MAX_CHUNK = 200
_SEQUENCE = (1 << 22) - 1
"""What of a Snowflake is not its time."""

T = TypeVar("T")


class Page(NamedTuple):
    """Ids in the order of the list, and the position of the next page; 0 when it ends here."""

    ids: list[int]
    next_id: int


class Chunk(NamedTuple):
    """What a source reads of a list, and the position to go on from; 0 when it ends here.

    `positions` are those of the ids, where they are not the ids themselves. A source that gave up
    after reading too much returns fewer ids than asked for, with a position to go on from.
    """

    ids: list[int]
    next_id: int
    positions: list[int] | None = None


Source: TypeAlias = Callable[[int, int], Awaitable[Chunk]]
"""(position, limit) → at most so many ids behind the position (0: from the beginning)."""


def check_limit(limit: int) -> int:
    """`limit` itself, if a page may have this size.

    Raises:
        InvalidRequest: it is not in 1..`MAX_LIMIT`.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidRequest(f"limit must be between 1 and {MAX_LIMIT}", "limit")
    return limit


def chunk_of_ids(ids: list[int], limit: int) -> Chunk:
    """The chunk of a list whose ids are its positions, from at most `limit` of them. There may be
    more if there are so many."""
    return Chunk(ids, ids[-1] if len(ids) >= limit else 0)


def chunk_of_rows(rows: Sequence[tuple[int, int]], limit: int) -> Chunk:
    """As `chunk_of_ids`, from (id, position) pairs."""
    positions = [row[1] for row in rows]
    next_id = positions[-1] if len(rows) >= limit else 0
    return Chunk([row[0] for row in rows], next_id, positions)


class Scan(Generic[T]):
    """Fills one page from a source of which some entries may be hidden.

    While `is_on`, ask the source for `chunk` entries behind `position`, and `take` them with what
    is shown of them. At the end `found` is the page, and `next_id` the position for its cursor.

    The page is full unless the list ends, and its position is that of the last entry shown, so that
    it tells nothing of entries that were hidden. A page ends early only where `MAX_SCANNED` entries
    were looked at. Its position is then a moment, which names no entry.
    """

    def __init__(self, before: int, limit: int, is_ascending: bool = False) -> None:
        """Raises InvalidRequest where `limit` is out of bounds."""
        self._limit = check_limit(limit)
        self._is_ascending = is_ascending
        self._scanned = 0
        self._positions: list[int] = []
        self.found: list[T] = []
        self.next_id = 0
        self.position = before
        self.chunk = limit + 1
        """One more than the page shows whether there is a next one."""
        self.is_on = True

    def take(self, chunk: Chunk, shown: Sequence[T], ids: Sequence[int]) -> None:
        """Take in what the source gave, and what of it is shown, with its ids."""
        if chunk.positions is None:
            self._positions += ids
        else:
            at = dict(zip(chunk.ids, chunk.positions, strict=True))
            self._positions += [at[each] for each in ids]
        self.found += shown
        self._scanned += len(chunk.ids)
        if len(self.found) > self._limit:
            del self.found[self._limit :]
            self._end(self._positions[self._limit - 1])
        elif not chunk.next_id:
            self._end(0)
        elif len(chunk.ids) < self.chunk or self._scanned >= MAX_SCANNED:
            self._end(self._moment(chunk.next_id))
        else:
            self.position = chunk.next_id
            self.chunk = min(2 * self.chunk, MAX_CHUNK)

    def _end(self, next_id: int) -> None:
        self.is_on = False
        self.next_id = next_id

    def _moment(self, position: int) -> int:
        """A position for going on from that names nothing: what is in the same millisecond is
        looked at again, but not what was shown."""
        if self._is_ascending:
            moment = (position & ~_SEQUENCE) - 1
            return max(moment, self._positions[-1]) if self._positions else moment
        moment = (position | _SEQUENCE) + 1
        return min(moment, self._positions[-1]) if self._positions else moment
