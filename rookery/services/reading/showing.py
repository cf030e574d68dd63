"""What a viewer is shown of tweets, of which everything is known. No I/O."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from rookery.domain.visibility import ACTIVE, NOBODY, Facts, Viewer, may_see
from rookery.services.reading.filters import is_listed, is_visible
from rookery.services.reading.gathering import Gathered, is_enough
from rookery.services.reading.shown import Common, Entry, Place, Shown, Unavailable
from rookery.services.reading.viewers import KnownViewer

ANYBODY = Viewer()


def viewer_of(known: KnownViewer | None) -> Viewer:
    """The viewer; anybody, where nobody is signed in."""
    return ANYBODY if known is None else known.viewer


def seen_by(
    known: KnownViewer, tweets: Sequence[Common], asked_for: AbstractSet[int] = NOBODY
) -> list[Shown] | None:
    """Those of `tweets` that a list shows to a viewer; None where something has to be looked up.

    `asked_for` as of `rookery.domain.visibility.is_muted`.
    """
    marks, hidden = known.marks, known.hidden
    is_marked = is_hidden = False
    if marks or known.marked_from:
        tweet_ids = [each for tweet in tweets for each in tweet.tweet_ids]
        if known.missing_marks(tweet_ids):
            return None
        is_marked = not marks.keys().isdisjoint(tweet_ids)
    if hidden or not known.knows_all_hidden:
        if known.hides_users_alone:
            subject_ids = [each for tweet in tweets for each in tweet.author_ids]
        else:
            subject_ids = [each for tweet in tweets for each in tweet.subject_ids]
            if known.missing_hidden(subject_ids):
                return None
        is_hidden = not hidden.isdisjoint(subject_ids)
    narrow = [tweet.narrow for tweet in tweets if tweet.narrow]
    if not is_marked and not is_hidden and all(_is_open(known.viewer, each) for each in narrow):
        return list(tweets)
    found: list[Shown] = []
    for tweet in tweets:
        if hidden.isdisjoint(tweet.subject_ids) and _is_open(known.viewer, tweet.narrow):
            found.append(_with_marks(tweet, marks) if is_marked else tweet)
            continue
        entries = {part.tweet.id: part for part in tweet.parts}
        if not is_enough(known, entries):
            return None
        found += listed(Gathered(entries, known), [tweet.id], asked_for)
    return found


def _is_open(viewer: Viewer, narrow: Sequence[Facts]) -> bool:
    """Whether a viewer may see what is not for everybody, by what was looked up already."""
    for facts in narrow:
        author_id = facts.author_id
        is_known = author_id in viewer.followed or author_id == viewer.user_id
        if not is_known or facts.author_status != ACTIVE or not may_see(viewer, facts):
            return False
    return True


def _with_marks(shown: Shown, marks: Mapping[int, int]) -> Shown:
    if isinstance(shown, Common) and marks.keys().isdisjoint(shown.tweet_ids):
        return shown
    original, quoted = shown.original, shown.quoted
    return Shown(
        shown.entry,
        marks.get(shown.id, 0),
        None if original is None else _with_marks(original, marks),
        _with_marks(quoted, marks) if isinstance(quoted, Shown) else quoted,
    )


def for_nobody(shown: Shown) -> Shown:
    """What is for everybody, for somebody who is not signed in."""
    original, quoted = shown.original, shown.quoted
    return Shown(
        shown.entry,
        None,
        None if original is None else for_nobody(original),
        for_nobody(quoted) if isinstance(quoted, Shown) else quoted,
    )


def listed(
    gathered: Gathered, ids: Sequence[int], asked_for: AbstractSet[int] = NOBODY
) -> list[Shown]:
    entries, known = gathered
    viewer = viewer_of(known)
    found = [entry for tweet_id in ids if (entry := entries.get(tweet_id)) is not None]
    if (known is None or known.hides_nothing) and not any(
        entry.is_restricted for entry in entries.values()
    ):
        # Only retweets whose originals are gone have to be left out.
        return [
            shown_of(gathered, entry)
            for entry in found
            if (original_id := entry.tweet.retweet_of_id) is None or original_id in entries
        ]
    return [
        shown_of(gathered, entry) for entry in found if is_listed(viewer, entry, entries, asked_for)
    ]


def shown_of(gathered: Gathered, entry: Entry, is_quoted: bool = False) -> Shown:
    """An entry that the viewer may see, with the viewer's marks and the tweets it refers to."""
    entries, known = gathered
    tweet = entry.tweet
    marks = None if known is None else known.marks.get(tweet.id, 0)
    if not entry.refers_to:
        return Shown(entry, marks) if marks != 0 or entry.common is None else entry.common
    if is_quoted:
        return Shown(entry, marks)
    original = None
    if tweet.retweet_of_id is not None:
        original = shown_of(gathered, entries[tweet.retweet_of_id])
    quoted: Place | None = None
    if tweet.quote_of_id is not None:
        quoted = _quoted(gathered, tweet.quote_of_id)
    return Shown(entry, marks, original, quoted)


def _quoted(gathered: Gathered, tweet_id: int) -> Place:
    entries, known = gathered
    entry = entries.get(tweet_id)
    if entry is None:
        return Unavailable(tweet_id, "deleted")
    if not is_visible(viewer_of(known), entry, entries):
        return Unavailable(tweet_id, "hidden")
    return shown_of(gathered, entry, is_quoted=True)
