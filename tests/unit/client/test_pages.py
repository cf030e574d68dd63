"""Lists in pages."""

import pytest

from rookery.client.errors import InvalidResponse
from rookery.client.models import Page
from rookery.client.pages import Pages


class Source:
    """Pages of two numbers, counting what was asked for."""

    def __init__(self, end: int, *, stuck: bool = False) -> None:
        self.end = end
        self.stuck = stuck
        self.asked: list[str | None] = []

    async def fetch(self, cursor: str | None) -> Page[int]:
        self.asked.append(cursor)
        start = int(cursor or 0)
        items = list(range(start, min(start + 2, self.end)))
        after = "2" if self.stuck else str(start + 2)
        return Page(items, after if start + 2 < self.end else None)


async def test_iterating_yields_all_items() -> None:
    """Page after page, each cursor once."""
    source = Source(5)
    assert [item async for item in Pages(source.fetch)] == [0, 1, 2, 3, 4]
    assert source.asked == [None, "2", "4"]


async def test_nothing_is_fetched_before_it_is_read() -> None:
    """Leaving the loop early costs no request."""
    source = Source(100)
    async for _ in Pages(source.fetch):
        break
    assert source.asked == [None]


async def test_first_takes_no_more_than_asked() -> None:
    """As many pages as are needed."""
    source = Source(100)
    assert await Pages(source.fetch).first(3) == [0, 1, 2]
    assert source.asked == [None, "2"]


async def test_a_page_by_its_cursor() -> None:
    """For those who keep the cursor."""
    assert await Pages(Source(5).fetch).page("2") == Page([2, 3], "4")


async def test_a_cursor_that_goes_nowhere_is_refused() -> None:
    """A faulty server must not keep the client busy for ever."""
    with pytest.raises(InvalidResponse, match="its own successor"):
        _ = [item async for item in Pages(Source(9, stuck=True).fetch)]
