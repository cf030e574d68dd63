"""Who of a shard's warm users follows whom: the graph, from the reader's side.

Pure. Authors are interned to small numbers, so that an edge costs four bytes on either side. Rows
are handed about as arrays of int64 that are distinct and ascending.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]
NO_ROWS: Rows = np.empty(0, dtype=np.int64)


def common(rows: Rows, others: Rows) -> Rows:
    """Those of `rows` that are among `others`."""
    if len(others) < len(rows):  # the shorter one is looked up in the longer one
        rows, others = others, rows
    if not len(rows):
        return NO_ROWS
    places = np.minimum(np.searchsorted(others, rows), len(others) - 1)
    found: Rows = rows[others[places] == rows]
    return found


def without(rows: Rows, others: Rows) -> Rows:
    """Those of `rows` that are not among `others`."""
    gone = common(rows, others)
    if not len(gone):
        return rows
    left: Rows = np.delete(rows, np.searchsorted(rows, gone))
    return left


class Adjacency:
    """For each author the rows that follow them; for each row the authors it follows.

    A row counts as following an author at most once, however often it is entered. An author's
    rows are sorted when they are asked for: a delivery that walks through its arrays from front to
    back is several times as fast as one that jumps about in them.
    """

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self._authors: list[int] = []
        self._rows: list[array[int]] = []
        self._unsorted: set[int] = set()
        self._free: list[int] = []
        self._following: dict[int, array[int]] = {}

    def _number(self, author_id: int) -> int:
        number = self._numbers.get(author_id)
        if number is None:
            if self._free:
                number = self._free.pop()
                self._authors[number] = author_id
            else:
                number = len(self._authors)
                self._authors.append(author_id)
                self._rows.append(array("i"))
            self._numbers[author_id] = number
        return number

    def _join(self, row: int, author_id: int) -> int:
        """Add a row to an author's; the author's number."""
        number = self._number(author_id)
        rows = self._rows[number]
        if rows and row < rows[-1]:
            self._unsorted.add(number)
        rows.append(row)
        return number

    def _leave(self, row: int, number: int) -> None:
        rows = self._rows[number]
        if number in self._unsorted:
            at, last = rows.index(row), rows.pop()
            if at < len(rows):
                rows[at] = last
        else:
            del rows[bisect_left(rows, row)]
        if not rows:
            del self._numbers[self._authors[number]]
            self._rows[number] = array("i")
            self._unsorted.discard(number)
            self._free.append(number)

    def __contains__(self, row: int) -> bool:
        return row in self._following

    def __bool__(self) -> bool:
        return bool(self._numbers)

    def has(self, row: int, author_id: int) -> bool:
        """Whether `row` follows an author."""
        number = self._numbers.get(author_id)
        return number is not None and number in self._following.get(row, ())

    def enter(self, row: int, author_ids: Iterable[int]) -> None:
        """Let `row` follow exactly these authors from now on."""
        wanted = set(author_ids)
        if row in self._following:
            present = set(self.following(row))
            for author_id in present - wanted:
                self.remove(row, author_id)
            wanted -= present
        joined = [self._join(row, author_id) for author_id in wanted]
        # From a list at once, it takes no more room than it needs.
        self._following[row] = self._following.get(row, array("i")) + array("i", joined)

    def add(self, row: int, author_id: int) -> None:
        """Let an entered `row` follow one more author; no error if it does already."""
        following = self._following[row]
        if self._numbers.get(author_id) not in following:
            following.append(self._join(row, author_id))

    def remove(self, row: int, author_id: int) -> None:
        """Let `row` no longer follow an author; no error if it does not."""
        number = self._numbers.get(author_id)
        following = self._following[row]
        if number is not None and number in following:
            following.remove(number)
            self._leave(row, number)

    def drop(self, row: int) -> None:
        """Forget a row altogether."""
        for number in self._following.pop(row, ()):
            self._leave(row, number)

    def rows(self, author_id: int) -> Rows:
        """The rows that follow an author: distinct, ascending, a copy."""
        number = self._numbers.get(author_id)
        if number is None:
            return NO_ROWS
        rows = np.frombuffer(self._rows[number], dtype=np.int32)
        if number in self._unsorted:
            rows.sort()
            self._unsorted.discard(number)
        return rows.astype(np.int64)

    def following(self, row: int) -> list[int]:
        """The ids of the authors that `row` follows."""
        authors = self._authors
        return [authors[number] for number in self._following.get(row, ())]
