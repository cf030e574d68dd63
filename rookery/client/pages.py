"""Lists that the server hands out page by page. Imports nothing of the server's side."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Generic, TypeVar

from rookery.client.errors import InvalidResponse
from rookery.client.models import Page

T = TypeVar("T")


class Pages(Generic[T]):
    """A list: ``async for`` over all of it, fetched as far as it is read, or `page` by page."""

    def __init__(self, fetch: Callable[[str | None], Awaitable[Page[T]]]) -> None:
        self._fetch = fetch

    async def page(self, cursor: str | None = None) -> Page[T]:
        """One page: the first, or the one that `cursor` (a page's `next_cursor`) names."""
        return await self._fetch(cursor)

    async def pages(self) -> AsyncIterator[Page[T]]:
        """All pages in order."""
        cursor: str | None = None
        while True:
            page = await self._fetch(cursor)
            yield page
            if page.next_cursor is None:
                return
            if page.next_cursor == cursor:
                raise InvalidResponse(f"The server named the cursor {cursor} as its own successor")
            cursor = page.next_cursor

    async def __aiter__(self) -> AsyncIterator[T]:
        async for page in self.pages():
            for item in page.items:
                yield item

    async def first(self, count: int) -> list[T]:
        """At most the first `count` items."""
        items: list[T] = []
        async for page in self.pages():
            items += page.items
            if len(items) >= count:
                break
        return items[:count]
