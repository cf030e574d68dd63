"""Which tweets of a list a viewer is shown. No I/O: everything it takes was looked up before."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

import msgspec

from rookery.domain.visibility import NOBODY, Facts, Viewer, is_muted, may_see
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
    facts = whole_facts(entry, entries)
    return facts is not None and may_see(viewer, facts)


def is_listed(
    viewer: Viewer, entry: Entry, entries: Entries, asked_for: AbstractSet[int] = NOBODY
) -> bool:
    """Whether a list shows the tweet to the viewer; `asked_for` as of `is_muted`."""
    facts = whole_facts(entry, entries)
    return facts is not None and may_see(viewer, facts) and not is_muted(viewer, facts, asked_for)


def restricted_authors(entries: Iterable[Entry]) -> list[int]:
    """The authors of tweets that are not for everybody."""
    return [entry.facts.author_id for entry in entries if entry.is_restricted]


def subject_ids_of(entries: Iterable[Entry]) -> list[int]:
    """The users and conversations that hide tweets if a viewer hides them."""
    return [each for entry in entries for each in entry.subject_ids]
