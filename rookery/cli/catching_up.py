"""Which tweets of home were printed, and which are to be read because their events were missed."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from rookery.client import (
    ConnectionFailed,
    InvalidResponse,
    Page,
    ServerError,
    TooManyRequests,
    Tweet,
)

REMEMBERED = 2_000
"""So many printed tweets are known apart; older ones are recognised by their ids' order."""
PAGE_TWEETS = 100
MOST_PAGES = 50
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 10.0


class Listing(Protocol):
    """A list that is read by pages, as `Client.home` gives it."""

    async def page(self, cursor: str | None = None) -> Page[Tweet]: ...


class CatchUp:
    """Home as far as it was printed.

    Ids rise with time. So what is newer than the newest tweet that was forgotten, and not among
    those that are remembered, was not printed yet.
    """

    def __init__(
        self,
        home: Callable[..., Listing],
        say: Callable[[str], None],
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        """`say` is told of what cannot be done; `sleep` waits some seconds."""
        self._home = home
        self._say = say
        self._sleep = sleep
        self._printed: OrderedDict[int, None] = OrderedDict()
        self._floor = 0
        self.has_begun = False

    def is_new(self, tweet_id: str) -> bool:
        """Whether a tweet was not printed yet; from now on it was."""
        number = _number(tweet_id)
        if number in self._printed:
            return False
        self._printed[number] = None
        if len(self._printed) > REMEMBERED:
            forgotten, _ = self._printed.popitem(last=False)
            self._floor = max(self._floor, forgotten)
        return True

    async def begin(self, count: int) -> list[Tweet]:
        """The newest `count` tweets of home, oldest first; what is older is never fetched."""
        page = await self._page(max(count, 1), None)
        self.has_begun = True
        if page.items:
            self._floor = _number(page.items[0].id)
        shown = [each for each in reversed(page.items[:count]) if self.is_new(each.id)]
        return shown

    async def fetch(self) -> list[Tweet]:
        """The tweets of home that were not printed yet, oldest first."""
        found: list[Tweet] = []
        cursor: str | None = None
        for _ in range(MOST_PAGES):
            page = await self._page(PAGE_TWEETS, cursor)
            found += [each for each in page.items if _number(each.id) > self._floor]
            cursor = page.next_cursor
            if cursor is None or any(_number(each.id) <= self._floor for each in page.items):
                break
        else:
            self._say(f"more than {len(found)} tweets were missed; the older ones are left out")
        return [each for each in reversed(found) if self.is_new(each.id)]

    async def _page(self, limit: int, cursor: str | None) -> Page[Tweet]:
        """A page of home; while the server is away again, it is waited for."""
        wait_s = FIRST_WAIT_S
        while True:
            try:
                return await self._home(limit=limit).page(cursor)
            except (ConnectionFailed, ServerError, TooManyRequests) as error:
                self._say(f"home cannot be read: {error}; trying again")
                named_s = getattr(error, "retry_after_s", None) or 0.0
                await self._sleep(max(wait_s, named_s))
                wait_s = min(wait_s * 2, LONGEST_WAIT_S)


def _number(tweet_id: str) -> int:
    if not (tweet_id.isascii() and tweet_id.isdecimal()):
        raise InvalidResponse(f"the server gave a tweet the id {tweet_id[:40]!r}")
    return int(tweet_id[:40])
