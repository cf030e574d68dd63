"""Which tweets of a list a viewer is shown. No I/O: everything it takes was looked up before."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

import msgspec

from rookery.domain.visibility import ACTIVE, NOBODY, Facts, Viewer, is_muted, may_see
from rookery.services.reading.shown import Entry

Entries = Mapping[int, Entry]


def whole_facts(entry: Entry, entries: Entries) -> Facts | None:
    """The facts of an entry and its original; None for a retweet whose original is gone."""
    original_id = entry.tweet.retweet_of_id
    if original_id is None:
        return entry.facts
    original = entries.get(original_id)
    return None if original is None else _joined_facts(entry, original)


def _joined_facts(entry: Entry, original: Entry) -> Facts:
    """The facts of a retweet and its original together, made once for as long as both stay."""
    joined = entry.joined
    if joined is None or joined[0] is not original.facts:
        whole = msgspec.structs.replace(entry.facts, original=original.facts)
        joined = entry.joined = (original.facts, whole)
    return joined[1]


def is_visible(viewer: Viewer, entry: Entry, entries: Entries) -> bool:
    """Whether the viewer may see the tweet at all."""
    if _is_open(viewer, entry, entries):
        return True
    facts = whole_facts(entry, entries)
    return facts is not None and may_see(viewer, facts)


def is_listed(
    viewer: Viewer, entry: Entry, entries: Entries, asked_for: AbstractSet[int] = NOBODY
) -> bool:
    """Whether a list shows the tweet to the viewer; `asked_for` as of `is_muted`."""
    if _is_open(viewer, entry, entries):
        return True
    facts = whole_facts(entry, entries)
    return facts is not None and may_see(viewer, facts) and not is_muted(viewer, facts, asked_for)


def _is_open(viewer: Viewer, entry: Entry, entries: Entries) -> bool:
    """Whether the tweet is for everybody, and the viewer hides nothing that has to do with it."""
    original_id = entry.tweet.retweet_of_id
    if original_id is None:
        return not entry.is_restricted and _hides_none(viewer, entry)
    original = entries.get(original_id)
    return (
        original is not None
        and not entry.is_restricted
        and not original.is_restricted
        and _hides_none(viewer, entry)
        and _hides_none(viewer, original)
    )


def _hides_none(viewer: Viewer, entry: Entry) -> bool:
    subject_ids = entry.subject_ids
    return viewer.blocked.isdisjoint(subject_ids) and viewer.muted.isdisjoint(subject_ids)


def restricted(entries: Iterable[Entry]) -> list[Entry]:
    """Those that are not for everybody."""
    return [entry for entry in entries if entry.is_restricted]


def author_ids_of(entries: Iterable[Entry]) -> list[int]:
    """Who wrote them."""
    return [entry.author.id for entry in entries]


def needs_role(entries: Iterable[Entry]) -> bool:
    """Whether the viewer's role decides about any of them."""
    return any(entry.author.status != ACTIVE for entry in entries)


def subject_ids_of(entries: Iterable[Entry]) -> list[int]:
    """The users and conversations that hide tweets if a viewer hides them."""
    return [each for entry in entries for each in entry.subject_ids]
