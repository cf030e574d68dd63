"""Pages of lists: their bounds, and what the services answer. No I/O."""

from collections.abc import Sequence
from typing import NamedTuple

from rookery.errors import InvalidRequest

DEFAULT_LIMIT = 20
MAX_LIMIT = 100


class Page(NamedTuple):
    """Ids in the order of the list, and the position of the next page; 0 when it ends here."""

    ids: list[int]
    next_id: int


def check_limit(limit: int) -> int:
    """`limit` itself, if a page may have this size.

    Raises:
        InvalidRequest: it is not in 1..`MAX_LIMIT`.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidRequest(f"limit must be between 1 and {MAX_LIMIT}", "limit")
    return limit


def page_of_ids(ids: list[int], limit: int) -> Page:
    """The page of a list whose ids are its positions, from `limit` + 1 of them where it has so
    many: the one too many shows that there is more."""
    if len(ids) <= limit:
        return Page(ids, 0)
    return Page(ids[:limit], ids[limit - 1])


def page_of_rows(rows: Sequence[tuple[int, int]], limit: int) -> Page:
    """As `page_of_ids`, from (id, position) pairs."""
    ids = [row[0] for row in rows[:limit]]
    return Page(ids, rows[limit - 1][1] if len(rows) > limit else 0)
