"""How the methods of a `Client` ask."""

from typing import TypeVar

from rookery.client.models import Listing, Page
from rookery.client.pages import Pages
from rookery.client.transport import Call, Transport

T = TypeVar("T")
GONE = frozenset({404})


class Requests:
    """Asks over one transport."""

    _transport: Transport
    _user_id: str | None
    """Of who is signed in, where that is known."""

    async def _get(self, path: str, to: type[T]) -> T:
        return await self._transport.request(Call("GET", path), to)

    def _pages(
        self, path: str, listing: type[Listing[T]], limit: int, filter: str | None = None
    ) -> Pages[T]:
        query = {"limit": str(limit)}
        if filter is not None:
            query["filter"] = filter

        async def fetch(cursor: str | None) -> Page[T]:
            asked = query if cursor is None else {**query, "cursor": cursor}
            page = await self._transport.request(Call("GET", path, query=asked), listing)
            return Page(page.items, page.next_cursor)

        return Pages(fetch)
