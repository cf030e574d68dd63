"""Home and user timelines, page by page.

Home comes from the reader's warm timeline as far down as that reaches, and from the store below
it.
"""

from collections.abc import Sequence

from rookery.domain.merging import NewestMerge
from rookery.errors import InvalidRequest
from rookery.models import Identity, PostKind
from rookery.services.ports import TimelinePort
from rookery.services.reading.pages import Chunk, Page, check_limit
from rookery.services.reading.reading import Reading
from rookery.services.reading.shown import ShownPage
from rookery.store.engine import Store
from rookery.store.records.graph import GraphRepository
from rookery.store.records.tweets import TweetRepository

ROWS_A_READ = 32_768
FIRST_AUTHORS = 32
FILTERED_LIST = 64
MAX_FILTERED_LIST = 2048
SCAN_ROWS = 200_000
COUNTED_AT_ONCE = 1000
_LOOKED_AT = int(PostKind.RESTRICTED | PostKind.RETWEET)
"""Posts that need a look before they are counted."""
MAX_PAGE = 160
"""Of numbered pages, which are counted off from the newest: 3,200 tweets in pages of 20."""


class Timelines:
    """Pages are newest first and full unless the history ends, and name a next one only if there
    is one; only a filter that lets very little through may end a page early (after `SCAN_ROWS`
    rows, or where `Scan` ends)."""

    def __init__(self, store: Store, timelines: TimelinePort, reading: Reading) -> None:
        self._timelines = timelines
        self._reading = reading
        self._graph = GraphRepository(store.reader)
        self._tweets = TweetRepository(store.reader)

    async def home(self, identity: Identity, before: int, limit: int, mask: int = 0) -> ShownPage:
        """Posts of those whom the user follows, and the user's own, below id `before` (0: all).

        With a `mask` of `PostKind` bits, only posts that have one of them.

        Raises:
            InvalidRequest: `limit` is out of bounds.
            Unavailable: the user's timeline does not answer.
        """
        user_id = identity.user_id
        in_store = False

        async def read(before: int, limit: int) -> Chunk:
            nonlocal in_store
            ids: list[int] = []
            while not in_store and len(ids) < limit:
                part = await self._timelines.read(user_id, before, limit - len(ids), mask)
                ids += part.ids
                in_store = part.from_store
                if not part.next_before and not in_store:
                    return Chunk(ids, 0)
                before = part.next_before or before
            if len(ids) >= limit:
                return Chunk(ids, before)
            rest = await self.store_home(user_id, before, limit - len(ids), mask)
            return Chunk(ids + rest.ids, rest.next_id)

        return await self._reading.page(user_id, read, before, limit)

    async def store_home(self, user_id: int, before: int, limit: int, mask: int = 0) -> Page:
        """As `home`, but from the store alone, for any `limit` and with one moment a read.

        The reference for what a timeline must hold. Shorter than `limit` with a next position
        only after `SCAN_ROWS` rows.
        """
        author_ids = await self._graph.home_authors(user_id)
        return await self._newest(author_ids, before, limit, mask)

    async def user(
        self, viewer_id: int | None, user_id: int, before: int, limit: int, mask: int = 0
    ) -> ShownPage:
        """A user's own posts, below id `before` (0: all); `mask` as for `home`.

        Raises:
            InvalidRequest: `limit` is out of bounds.
            NotFound: no such user, or not for this viewer.
            Protected: only those see them whom the user approved.
        """
        check_limit(limit)
        await self._reading.check_lists(viewer_id, user_id)

        async def read(before: int, limit: int) -> Chunk:
            return Chunk(*await self._newest([user_id], before, limit, mask))

        return await self._reading.page(viewer_id, read, before, limit, asked_for=(user_id,))

    async def user_page(
        self, viewer_id: int | None, user_id: int, page: int, limit: int
    ) -> ShownPage:
        """The page with this number (from 1 on) of a user's own posts, newest first.

        What is posted meanwhile moves everything on; the position that comes with it does not.

        Raises:
            InvalidRequest: `page` or `limit` is out of bounds.
            NotFound: no such user, or not for this viewer.
            Protected: only those see them whom the user approved.
        """
        check_limit(limit)
        if not 1 <= page <= MAX_PAGE:
            raise InvalidRequest(f"page must be between 1 and {MAX_PAGE}", "page")
        await self._reading.check_lists(viewer_id, user_id)
        before = await self._end_of(viewer_id, user_id, (page - 1) * limit)
        if before is None:
            return ShownPage([], 0)
        return await self.user(viewer_id, user_id, before, limit)

    async def _end_of(self, viewer_id: int | None, user_id: int, count: int) -> int | None:
        """The id of the `count`th post that the viewer is shown; 0 for none, None if there are not
        so many. Most are counted by their kind alone, which tells that everybody may see them."""
        viewer = await self._reading.viewer(viewer_id)
        before = 0
        while count > 0:
            wanted = min(count, COUNTED_AT_ONCE)
            posts = await self._tweets.posts(user_id, before, wanted)
            asked = [tweet_id for tweet_id, kind in posts if viewer.muted or kind & _LOOKED_AT]
            shown = await self._reading.tweets(viewer_id, asked, asked_for=(user_id,))
            hidden = set(asked) - {each.id for each in shown}
            counted = [tweet_id for tweet_id, _ in posts if tweet_id not in hidden]
            count -= len(counted)
            if count and len(posts) < wanted:
                return None
            before = posts[-1][0] if count else counted[-1]
        return before

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
