"""Makes what the cache keeps of tweets: each as most people see it. No I/O."""

from rookery.services.reading.shown import Common, Entry, Shown, Unavailable

MAX_SHOWN_BY = 1000
"""So many tweets that show the same one are kept joined with it."""


def single(entry: Entry) -> Common:
    """An entry by itself. Where it refers to others, that may not be used."""
    common = Common(
        entry,
        marks=0,
        parts=(entry,),
        author_ids=(entry.tweet.author_id,),
        subject_ids=entry.subject_ids,
        tweet_ids=(entry.tweet.id,),
        narrow=(entry.facts,) if entry.is_restricted else (),
    )
    if not entry.refers_to:
        common.use_until(entry.counts_until_ms)
    return common


def joined(entry: Entry, original: Common | None, quoted: Entry | Unavailable | None) -> Common:
    """An entry with the original that it retweets, or with what it quotes.

    All of them have to be in the cache; a change of one ends the use of what is returned.
    """
    parts = {entry.tweet.id: entry}
    if original is not None:
        parts.update((each.tweet.id, each) for each in original.parts)
    if isinstance(quoted, Entry):
        parts[quoted.tweet.id] = quoted
    subject_ids = {subject for each in parts.values() for subject in each.subject_ids}
    common = Common(
        entry,
        marks=0,
        original=original,
        quoted=Shown(quoted, 0) if isinstance(quoted, Entry) else quoted,
        parts=tuple(parts.values()),
        author_ids=tuple({each.tweet.author_id for each in parts.values()}),
        subject_ids=tuple(subject_ids),
        tweet_ids=tuple(parts),
        narrow=tuple(each.facts for each in parts.values() if each.is_restricted),
    )
    common.use_until(min(each.counts_until_ms for each in parts.values()))
    for each in parts.values():
        if each is not entry:
            _note(entry, each)
    return common


def _note(entry: Entry, part: Entry) -> None:
    """Have `entry` hear of changes of `part`."""
    if part.shown_by is not None and len(part.shown_by) >= MAX_SHOWN_BY:
        part.part()
    if part.shown_by is None:
        part.shown_by = set()
    part.shown_by.add(entry)
