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
from rookery.services.reading.filters import is_visible
from rookery.services.reading.gathering import Gathered, Gathering
from rookery.services.reading.pages import Page, Scan, Source, check_limit
from rookery.services.reading.showing import (
    ANYBODY,
    for_nobody,
    listed,
    seen_by,
    shown_of,
    viewer_of,
)
from rookery.services.reading.shown import (
    Place,
    Shown,
    ShownPage,
    Unavailable,
)
from rookery.services.reading.viewers import KnownViewer, Viewers
from rookery.store.engine import Store

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
        entry = shown.entry
        return None if entry.is_restricted or entry.refers_to else shown

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
        exempt = frozenset(asked_for)
        shown = self._at_once(viewer_id, ids, exempt)
        return await self._filtered(viewer_id, ids, exempt) if shown is None else shown

    def _at_once(
        self, viewer_id: int | None, ids: Sequence[int], exempt: AbstractSet[int]
    ) -> list[Shown] | None:
        """As `tweets`; None unless all that it takes is at hand."""
        if not ids:
            return []
        now_ms = self._steady_ms()
        if viewer_id is None:
            plain = self.entries.plain(ids, now_ms)
            return None if plain is None else [for_nobody(each) for each in plain]
        known = self.viewers.cached(viewer_id, now_ms)
        if known is None:
            return None
        if known.hides_nothing and not known.marks:
            plain = self.entries.plain(ids, now_ms)
            if plain is not None:
                return plain
        common = self.entries.common(ids, now_ms)
        return None if common is None else seen_by(known, common, exempt)

    async def _filtered(
        self, viewer_id: int | None, ids: Sequence[int], exempt: AbstractSet[int]
    ) -> list[Shown]:
        gathered = await self._gathering.gather(viewer_id, ids)
        # By now it is mostly at hand; what changed meanwhile is not.
        shown = self._at_once(viewer_id, ids, exempt)
        return listed(gathered, ids, exempt) if shown is None else shown

    async def one(
        self, viewer_id: int | None, tweet_id: int, message: str = "Tweet not found"
    ) -> Shown:
        """A tweet that somebody asks for by its id. What the viewer muted is shown.

        Raises:
            NotFound: it is not there, or not for this viewer.
            StoreUnavailable: it is not cached, and cannot be read.
        """
        if at_once := self._at_once(viewer_id, [tweet_id], NOBODY):
            return at_once[0]
        entries, known = await self._gathering.gather(viewer_id, [tweet_id])
        entry = entries.get(tweet_id)
        if entry is None:
            raise NotFound(message)
        if not is_visible(viewer_of(known), entry, entries):
            await self.entries.ask_again(tweet_id)
            raise NotFound(message)
        return shown_of(Gathered(entries, known), entry)

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
        entries, viewer = gathered.entries, viewer_of(gathered.known)
        found: list[Place] = []
        for tweet_id in ids:
            entry = entries.get(tweet_id)
            if entry is None:
                found.append(Unavailable(tweet_id, "deleted"))
            elif is_visible(viewer, entry, entries):
                found.append(shown_of(gathered, entry))
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
        exempt = frozenset(asked_for)
        shown = self._at_once(viewer_id, chunk.ids, exempt)
        if shown is not None and limit < len(shown) == len(chunk.ids):
            # Most pages: nothing is left out of them.
            last = chunk.ids if chunk.positions is None else chunk.positions
            return ShownPage(shown[:limit], last[limit - 1])
        if shown is None:
            shown = await self._filtered(viewer_id, chunk.ids, exempt)
        scan = Scan[Shown](before, limit, is_ascending)
        while True:
            scan.take(chunk, shown, [each.id for each in shown])
            if not scan.is_on:
                return ShownPage(scan.found, scan.next_id)
            chunk = await source(scan.position, scan.chunk)
            shown = await self.tweets(viewer_id, chunk.ids, asked_for=exempt)

    async def may_watch(self, viewer_id: int | None, tweet_ids: Sequence[int]) -> set[int]:
        """Those of the tweets that the viewer may see, muted or not."""
        if not tweet_ids:
            return set()
        entries, known = await self._gathering.gather(viewer_id, tweet_ids)
        viewer = viewer_of(known)
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
        await self.viewers.look_up_role(known)
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
                await self.viewers.look_up_role(known)
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
                await self.viewers.look_up_follows(known, [user_id])
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
                await self.viewers.look_up_follows(known, private)
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


def _is_user_visible(known: KnownViewer | None, user: User) -> bool:
    if user.status != ACTIVE:
        return known is not None and known.viewer.is_moderator and user.status == SUSPENDED
    return known is None or user.id not in known.blocked_by
