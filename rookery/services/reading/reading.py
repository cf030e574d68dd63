"""One way for every list of tweets and for every single one.

A *source* gives ids. What is known of these tweets (*facts*, counts) and of the viewer (hidden ids,
*marks*) is looked up, mostly in caches, otherwise in a few batched reads. *Filters* leave out what
the viewer may not see, or does not want to. The rest are `Shown`, for a surface to render.

If the viewer hides nothing and no tweet is restricted, nothing is filtered: one look at each entry
tells.
"""

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet

from rookery.domain.visibility import ACTIVE, NOBODY, SUSPENDED, Viewer, may_see_lists
from rookery.errors import NotFound, Protected
from rookery.models import Tweet, User
from rookery.services.ports import Invalidation
from rookery.services.reading.authors import Authors
from rookery.services.reading.entries import Entries
from rookery.services.reading.filters import is_listed, is_visible
from rookery.services.reading.gathering import Gathered, Gathering
from rookery.services.reading.pages import Page, Scan, Source, check_limit
from rookery.services.reading.shown import (
    Entry,
    Place,
    Shown,
    ShownPage,
    Unavailable,
)
from rookery.services.reading.viewers import KnownViewer, Viewers
from rookery.store.engine import Store

ANYBODY = Viewer()
UserFilter = Callable[[Viewer, User], bool]


class Reading:
    """What viewers see. `viewer_id` is None for somebody who is not signed in.

    A change shows in the next read that begins after `invalidate` returned for it.
    """

    def __init__(
        self,
        store: Store,
        shown: Store,
        steady_ms: Callable[[], int],
        clock_ms: Callable[[], int],
        *,
        capacity: int,
        authors: Authors | None = None,
    ) -> None:
        """`shown` is where tweets and users are read from. It may be a little behind `store`.

        Caches live by `steady_ms`, which does not step; timed mutes end by `clock_ms`.
        """
        self.authors = authors or Authors(shown, steady_ms)
        self.entries = Entries(shown, steady_ms, self.authors, capacity=capacity)
        self.viewers = Viewers(store, steady_ms, clock_ms, self.authors)
        self._steady_ms = steady_ms
        self._gathering = Gathering(self.entries, self.viewers, steady_ms)

    def invalidate(self, change: Invalidation) -> None:
        """Forget what `change` names."""
        self.entries.invalidate(change)  # and, through it, authors
        for user_id in (*change.viewers, *change.users):  # A profile holds the role.
            self.viewers.forget(user_id)

    def add(self, tweet: Tweet, author: User) -> Shown | None:
        """Keep a tweet that was committed just now. The result is how its author sees it, who has
        not marked it; None where that takes more than the tweet."""
        shown = self.entries.add(tweet, author)
        return shown if shown.entry.is_plain else None

    # Tweets.

    async def tweets(
        self, viewer_id: int | None, ids: Sequence[int], *, asked_for: Iterable[int] = ()
    ) -> list[Shown]:
        """Those of `ids` that a list shows to the viewer, in their order.

        `asked_for`: users and conversations whose mute does not count in this list.

        Raises:
            StoreUnavailable: something that is not cached cannot be read.
        """
        if not ids:
            return []
        shown = self._gathering.plain(viewer_id, ids)
        if shown is not None:
            return shown
        gathered = await self._gathering.gather(viewer_id, ids)
        return _listed(gathered, ids, frozenset(asked_for))

    async def one(
        self, viewer_id: int | None, tweet_id: int, message: str = "Tweet not found"
    ) -> Shown:
        """A tweet that somebody asks for by its id. What the viewer muted is shown.

        Raises:
            NotFound: it is not there, or not for this viewer.
            StoreUnavailable: it is not cached, and cannot be read.
        """
        plain = self._gathering.plain(viewer_id, [tweet_id])
        if plain is not None:
            return plain[0]
        entries, known = await self._gathering.gather(viewer_id, [tweet_id])
        entry = entries.get(tweet_id)
        if entry is None:
            raise NotFound(message)
        if not is_visible(_viewer(known), entry, entries):
            await self.entries.ask_again(tweet_id)
            raise NotFound(message)
        return _shown(Gathered(entries, known), entry)

    async def seen_tweet(
        self, viewer_id: int | None, tweet_id: int, message: str = "Tweet not found"
    ) -> Tweet:
        """As `one`, for a use-case that is about the tweet."""
        return (await self.one(viewer_id, tweet_id, message)).entry.tweet

    async def places(self, viewer_id: int | None, ids: Sequence[int]) -> list[Place]:
        """Each of `ids` as it is shown, or what stands in its place. What is muted is shown."""
        if not ids:
            return []
        gathered = await self._gathering.gather(viewer_id, ids)
        entries, viewer = gathered.entries, _viewer(gathered.known)
        found: list[Place] = []
        for tweet_id in ids:
            entry = entries.get(tweet_id)
            if entry is None:
                found.append(Unavailable(tweet_id, "deleted"))
            elif is_visible(viewer, entry, entries):
                found.append(_shown(gathered, entry))
            else:
                found.append(Unavailable(tweet_id, "hidden"))
        return found

    async def page(
        self,
        viewer_id: int | None,
        source: Source,
        before: int,
        limit: int,
        *,
        asked_for: Iterable[int] = (),
        is_ascending: bool = False,
    ) -> ShownPage:
        """A page of the list that `source` reads, from position `before` (0: from its beginning).

        Full, unless the list ends; `Scan` says where it may end early.

        Raises:
            InvalidRequest: `limit` is out of bounds.
            StoreUnavailable: something that is not cached cannot be read.
        """
        # One more than the page shows whether there is a next one.
        chunk = await source(before, check_limit(limit) + 1)
        shown = self._gathering.plain(viewer_id, chunk.ids)
        if shown is not None and len(shown) > limit:  # Most pages: nothing is left out of them.
            last = chunk.ids if chunk.positions is None else chunk.positions
            return ShownPage(shown[:limit], last[limit - 1])
        exempt = frozenset(asked_for)
        scan = Scan[Shown](before, limit, is_ascending)
        while True:
            if shown is None:
                shown = await self.tweets(viewer_id, chunk.ids, asked_for=exempt)
            scan.take(chunk, shown, [each.id for each in shown])
            if not scan.is_on:
                return ShownPage(scan.found, scan.next_id)
            chunk, shown = await source(scan.position, scan.chunk), None

    async def may_watch(self, viewer_id: int | None, tweet_ids: Sequence[int]) -> set[int]:
        """Those of the tweets that the viewer may see, muted or not."""
        if not tweet_ids:
            return set()
        entries, known = await self._gathering.gather(viewer_id, tweet_ids)
        viewer = _viewer(known)
        return {
            tweet_id
            for tweet_id in tweet_ids
            if (entry := entries.get(tweet_id)) is not None and is_visible(viewer, entry, entries)
        }

    # Users.

    async def viewer(self, viewer_id: int | None) -> Viewer:
        """The viewer, as far as it is known: `followed` holds whom other reads looked up."""
        if viewer_id is None:
            return ANYBODY
        known = await self.viewers.get(viewer_id)
        await self.viewers.look_up_authors(known, ())
        return known.viewer

    async def check_profile(self, viewer_id: int | None, user_id: int) -> User:
        """The user, whose profile the viewer may see.

        Raises:
            NotFound: there is no such user, or it blocks the viewer.
        """
        # The viewer first: a user who is not there takes as long as one who is hidden.
        known = None if viewer_id is None else await self.viewers.get(viewer_id)
        user = await self.authors.get(user_id)
        if known is not None:
            await self.viewers.look_up_hidden(known, [user_id])
            if user.status != ACTIVE:
                await self.viewers.look_up_authors(known, ())
        if not _is_user_visible(known, user):
            await self.authors.ask_again(user_id)
            raise NotFound("User not found")
        return user

    async def check_lists(self, viewer_id: int | None, user_id: int) -> User:
        """The user, whose timeline, likes, followers and followees the viewer may see.

        Raises:
            NotFound: there is no such user, or it blocks the viewer.
            Protected: they are only for those whom the user approved.
        """
        user = await self.check_profile(viewer_id, user_id)
        if user.is_private and user_id != viewer_id:
            viewer = ANYBODY
            if viewer_id is not None:
                known = await self.viewers.get(viewer_id)
                await self.viewers.look_up_authors(known, [user_id])
                viewer = known.viewer
            if not may_see_lists(viewer, user_id, is_private=True):
                raise Protected()
        return user

    async def visible_users(
        self, viewer_id: int | None, user_ids: Sequence[int], keep: UserFilter | None = None
    ) -> list[int]:
        """Those of the users that a list shows to the viewer, in order.

        They have active accounts, are in no block with the viewer, and pass `keep` where it is
        given, which may look at whether the viewer follows private accounts.
        """
        if not user_ids:
            return []
        users = await self.authors.many(user_ids)
        viewer = ANYBODY
        if viewer_id is not None:
            known = await self.viewers.get(viewer_id)
            await self.viewers.look_up_hidden(known, user_ids)
            private = [each.id for each in users.values() if each.is_private]
            if private and keep is not None:
                await self.viewers.look_up_authors(known, private)
            viewer = known.viewer
        return [
            user_id
            for user_id in user_ids
            if (user := users.get(user_id)) is not None
            and user.status == ACTIVE
            and user_id not in viewer.blocked
            and (keep is None or keep(viewer, user))
        ]

    async def users_page(
        self,
        viewer_id: int | None,
        source: Source,
        before: int,
        limit: int,
        keep: UserFilter | None = None,
    ) -> Page:
        """A page of a list of users, as `page`, with the filter of `visible_users`."""
        scan = Scan[int](before, limit)
        while scan.is_on:
            chunk = await source(scan.position, scan.chunk)
            visible = await self.visible_users(viewer_id, chunk.ids, keep)
            scan.take(chunk, visible, visible)
        return Page(scan.found, scan.next_id)


def _viewer(known: KnownViewer | None) -> Viewer:
    return ANYBODY if known is None else known.viewer


def _is_user_visible(known: KnownViewer | None, user: User) -> bool:
    if user.status != ACTIVE:
        return known is not None and known.viewer.is_moderator and user.status == SUSPENDED
    return known is None or user.id not in known.blocked_by


def _listed(
    gathered: Gathered, ids: Sequence[int], asked_for: AbstractSet[int] = NOBODY
) -> list[Shown]:
    entries, known = gathered
    viewer = _viewer(known)
    found = [entry for tweet_id in ids if (entry := entries.get(tweet_id)) is not None]
    if (known is None or known.hides_nothing) and not any(
        entry.is_restricted for entry in entries.values()
    ):
        # Only retweets whose originals are gone have to be left out.
        return [
            _shown(gathered, entry)
            for entry in found
            if (original_id := entry.tweet.retweet_of_id) is None or original_id in entries
        ]
    return [
        _shown(gathered, entry) for entry in found if is_listed(viewer, entry, entries, asked_for)
    ]


def _shown(gathered: Gathered, entry: Entry, is_quoted: bool = False) -> Shown:
    """An entry that the viewer may see, with the viewer's marks and the tweets it refers to."""
    entries, known = gathered
    tweet = entry.tweet
    marks = None if known is None else known.marks.get(tweet.id, 0)
    if is_quoted or not entry.refers_to:
        return Shown(entry, marks)
    original = None
    if tweet.retweet_of_id is not None:
        original = _shown(gathered, entries[tweet.retweet_of_id])
    quoted: Place | None = None
    if tweet.quote_of_id is not None:
        quoted = _quoted(gathered, tweet.quote_of_id)
    return Shown(entry, marks, original, quoted)


def _quoted(gathered: Gathered, tweet_id: int) -> Place:
    entries, known = gathered
    entry = entries.get(tweet_id)
    if entry is None:
        return Unavailable(tweet_id, "deleted")
    if not is_visible(_viewer(known), entry, entries):
        return Unavailable(tweet_id, "hidden")
    return _shown(gathered, entry, is_quoted=True)
