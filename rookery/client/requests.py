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
        self, path: str, listing: type[Listing[T]], limit: int, **asked: str | None
    ) -> Pages[T]:
        """The list at `path`, asked for with these parameters; those that are None are left out."""
        given = {name: value for name, value in asked.items() if value is not None}
        query = {"limit": str(limit), **given}

        async def fetch(cursor: str | None) -> Page[T]:
            part = query if cursor is None else {**query, "cursor": cursor}
            page = await self._transport.request(Call("GET", path, query=part), listing)
            return Page(page.items, page.next_cursor)

        return Pages(fetch)
