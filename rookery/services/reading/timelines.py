"""Home and user timelines, page by page.

Home comes from the reader's warm timeline as far down as that reaches, and from the store below
it.
"""

from collections.abc import Sequence

from rookery.domain.merging import NewestMerge
from rookery.errors import InvalidRequest
from rookery.models import Identity
from rookery.services.ports import TimelinePort
from rookery.services.reading.authors import Authors
from rookery.services.reading.cards import Cards
from rookery.services.reading.pages import Page, check_limit, page_of_ids
from rookery.store.engine import Store
from rookery.store.records.graph import GraphRepository
from rookery.store.records.tweets import TweetRepository

ROWS_A_READ = 32_768
FIRST_AUTHORS = 32
FILTERED_LIST = 64
MAX_FILTERED_LIST = 2048
SCAN_ROWS = 200_000
MAX_PAGE = 160
"""Of numbered pages, which are counted off from the newest: 3,200 tweets in pages of 20."""


class Timelines:
    """Pages are newest first and full unless the history ends, and name a next one only if there
    is one; only a filter that lets very little through may end a page early (after `SCAN_ROWS`
    rows), with the position to go on from."""

    def __init__(
        self, store: Store, timelines: TimelinePort, cards: Cards, authors: Authors
    ) -> None:
        self._timelines = timelines
        self._cards = cards
        self._authors = authors
        self._graph = GraphRepository(store.reader)
        self._tweets = TweetRepository(store.reader)

    async def home(self, identity: Identity, before: int, limit: int, mask: int = 0) -> Page:
        """Posts of those whom the user follows, and the user's own, below id `before` (0: all).

        With a `mask` of `PostKind` bits, only posts that have one of them.

        Raises:
            InvalidRequest: `limit` is out of bounds.
            Unavailable: the user's timeline does not answer.
        """
        # One more than the page shows whether there is a next one.
        wanted = check_limit(limit) + 1
        user_id = identity.user_id
        live: list[int] = []
        position, in_store, ended = before, False, False
        while len(live) < wanted and not ended:
            missing = wanted - len(live)
            if in_store:
                ids, position = await self.store_home(user_id, position, missing, mask)
                ended = not position or len(ids) < missing
            else:
                part = await self._timelines.read(user_id, position, missing, mask)
                ids, in_store = part.ids, part.from_store
                ended = not part.next_before and not in_store
                position = part.next_before or (position if in_store else 0)
            live += await self._cards.present(ids)
        return _page(live, limit, position)

    async def store_home(self, user_id: int, before: int, limit: int, mask: int = 0) -> Page:
        """As `home`, but from the store alone, for any `limit` and with one moment a read.

        The reference for what a timeline must hold. Shorter than `limit` with a next position
        only after `SCAN_ROWS` rows.
        """
        author_ids = await self._graph.home_authors(user_id)
        return await self._newest(author_ids, before, limit, mask)

    async def user(self, user_id: int, before: int, limit: int, mask: int = 0) -> Page:
        """A user's own posts, below id `before` (0: all); `mask` as for `home`.

        Raises:
            InvalidRequest: `limit` is out of bounds.
            NotFound: no such user.
        """
        wanted = check_limit(limit) + 1
        live: list[int] = []
        position, ended = before, False
        while len(live) < wanted and not ended:
            missing = wanted - len(live)
            ids, position = await self._newest([user_id], position, missing, mask)
            ended = not position or len(ids) < missing
            live += await self._cards.present(ids)
        if not live and not before:
            await self._authors.get(user_id)
        return _page(live, limit, position)

    async def user_page(self, user_id: int, page: int, limit: int) -> Page:
        """The page with this number (from 1 on) of a user's own posts, newest first.

        What is posted meanwhile moves everything on; the position that comes with it does not.

        Raises:
            InvalidRequest: `page` or `limit` is out of bounds.
        """
        check_limit(limit)
        if not 1 <= page <= MAX_PAGE:
            raise InvalidRequest(f"page must be between 1 and {MAX_PAGE}", "page")
        posts = await self._tweets.posts(user_id, 0, page * limit + 1)
        return page_of_ids([tweet_id for tweet_id, _ in posts[(page - 1) * limit :]], limit)

    async def _newest(self, author_ids: Sequence[int], before: int, limit: int, mask: int) -> Page:
        """The newest posts of all these authors below `before`."""
        wanted = limit + 1
        list_limit = max(wanted, FILTERED_LIST) if mask else wanted
        ids: list[int] = []
        scanned = 0
        while True:
            merge = NewestMerge(wanted - len(ids), list_limit, mask)
            scanned += await self._round(merge, author_ids, before, list_limit)
            ids += merge.ids
            before = merge.resume_before
            if len(ids) >= wanted:
                return Page(ids[:limit], ids[limit - 1])
            if not before or scanned >= SCAN_ROWS:
                return Page(ids, before)
            list_limit = min(2 * list_limit, max(MAX_FILTERED_LIST, wanted))

    async def _round(
        self, merge: NewestMerge, author_ids: Sequence[int], before: int, list_limit: int
    ) -> int:
        """Feed every author's posts below `before` to `merge`; return how many rows were read.

        The first few authors mostly fill the page; of all others only newer posts are then read,
        so larger reads are no heavier. None can bring more than about `ROWS_A_READ` rows.
        """
        most_authors = max(1, ROWS_A_READ // list_limit)
        authors = min(FIRST_AUTHORS, most_authors)
        start = scanned = 0
        while start < len(author_ids):
            lists = await self._tweets.posts_of_many(
                author_ids[start : start + authors], before, merge.floor, list_limit
            )
            merge.add(lists)
            scanned += sum(map(len, lists))
            start += authors
            authors = min(4 * authors, most_authors)
        return scanned


def _page(live: list[int], limit: int, position: int) -> Page:
    """The page from the ids found, of which one too many shows that there is more."""
    if len(live) > limit:
        return Page(live[:limit], live[limit - 1])
    return Page(live, position)
