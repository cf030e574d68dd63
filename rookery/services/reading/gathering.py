"""Gathers what it takes to show tweets to a viewer, from the caches or in a few batched reads."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from rookery.domain.outage import Outage
from rookery.errors import StoreUnavailable
from rookery.services.reading.entries import Entries
from rookery.services.reading.filters import author_ids_of, needs_role, restricted, subject_ids_of
from rookery.services.reading.shown import Entry
from rookery.services.reading.viewers import ANY_AGE, KnownViewer, Viewers


class Gathered(NamedTuple):
    """The entries of some tweets and of all that they refer to, by id, without those that are
    gone; and what is known of the viewer, if somebody is signed in: all that decides about them."""

    entries: dict[int, Entry]
    known: KnownViewer | None


class Gathering:
    """Looks things up for `Reading`.

    While the store does not answer, cached values are used however old they are. If one is missing,
    that is `StoreUnavailable`.
    """

    def __init__(self, entries: Entries, viewers: Viewers, steady_ms: Callable[[], int]) -> None:
        self._entries = entries
        self._viewers = viewers
        self._steady_ms = steady_ms
        self._outage = Outage()

    async def gather(self, viewer_id: int | None, ids: Sequence[int]) -> Gathered:
        """Gather what it takes to show `ids` to a viewer.

        Raises:
            StoreUnavailable: something that is not cached cannot be read.
        """
        now_ms = self._steady_ms()
        found = self._at_hand(viewer_id, ids, now_ms)
        if found is not None:
            return found
        if not self._outage.may_ask(now_ms):
            found = self._at_hand(viewer_id, ids, ANY_AGE)
            if found is not None:
                return found
        try:
            found = await self._read(viewer_id, ids, now_ms)
        except StoreUnavailable:
            self._outage.failed(self._steady_ms())
            found = self._at_hand(viewer_id, ids, ANY_AGE)
            if found is None:
                raise
            return found
        self._outage.answered()
        return found

    def _at_hand(self, viewer_id: int | None, ids: Sequence[int], now_ms: int) -> Gathered | None:
        """What is cached, if nothing is missing."""
        known = None
        if viewer_id is not None:
            known = self._viewers.cached(viewer_id, now_ms)
            if known is None:
                return None
        # Of any age: what was joined before a change is not to be had.
        found = None if now_ms == ANY_AGE else self._entries.whole(ids, now_ms)
        if found is None:
            found = {}
            for level in _levels(ids, found):
                is_referred = level is not ids
                for tweet_id in level:
                    entry = self._entries.get(tweet_id, now_ms)
                    if entry is not None:
                        found[tweet_id] = entry
                    elif not (is_referred and self._entries.is_gone(tweet_id)):
                        return None
        if known is not None and not is_enough(known, found):
            return None
        return Gathered(found, known)

    async def _read(self, viewer_id: int | None, ids: Sequence[int], now_ms: int) -> Gathered:
        known = pending = None
        if viewer_id is not None:
            known = self._viewers.cached(viewer_id, now_ms)
            pending = None if known else self._viewers.request(viewer_id)
        found = self._entries.whole(ids, now_ms)
        if found is None:
            found = {}
            for level in _levels(ids, found):
                is_referred = level is not ids
                found |= await self._entries.read(level, now_ms, is_referred=is_referred)
        if viewer_id is None:
            return Gathered(found, None)
        if pending is not None:
            known = (await pending)[viewer_id]
        assert known is not None
        await self._viewers.look_up_marks(known, found)
        if not known.knows_all_hidden:
            await self._viewers.look_up_hidden(known, subject_ids_of(found.values()))
        narrow = restricted(found.values())
        if narrow:
            await self._viewers.look_up_follows(known, author_ids_of(narrow))
            if needs_role(narrow):
                await self._viewers.look_up_role(known)
        return Gathered(found, known)


def is_enough(known: KnownViewer, found: Mapping[int, Entry]) -> bool:
    """Whether everything that decides about these entries was looked up."""
    if known.missing_marks(found):
        return False
    if not known.knows_all_hidden and known.missing_hidden(subject_ids_of(found.values())):
        return False
    narrow = restricted(found.values())
    return not narrow or (
        not known.missing_follows(author_ids_of(narrow))
        and (known.knows_role or not needs_role(narrow))
    )


def _levels(ids: Sequence[int], found: Mapping[int, Entry]) -> Iterator[Sequence[int]]:
    """What has to be read, level by level; a level must be in `found` before the next is taken.

    First the tweets themselves, then what they retweet and quote, then what the originals of
    retweets quote. What is quoted is shown without what it quotes itself.
    """
    yield ids
    shown = [found[tweet_id] for tweet_id in ids if tweet_id in found]
    referred = _referred(shown, found)
    if not referred:
        return
    yield referred
    originals = [
        found[original_id]
        for each in shown
        if (original_id := each.tweet.retweet_of_id) is not None and original_id in found
    ]
    referred = _referred(originals, found)
    if referred:
        yield referred


def _referred(entries: Iterable[Entry], found: Mapping[int, Entry]) -> list[int]:
    referred = (each for entry in entries if entry.refers_to for each in entry.refers_to)
    return list(dict.fromkeys(each for each in referred if each not in found))
