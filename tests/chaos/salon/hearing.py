"""Holds what a member's stream told to who may see what.

What a push tells was decided at some time between the moment that its change was asked for and the
moment that it came. What must be told is what belonged to the member's home all that time and ever
since. Pure.
"""

from collections.abc import Mapping, Sequence

from rookery.client import TweetDeleted, TweetEdited, TweetEvent
from tests.chaos.faults import leaked, lost
from tests.chaos.salon.judging import Findings, View, described, judge_tweet
from tests.chaos.salon.seeing import Over, Said, Seeing, hears, in_home, is_there
from tests.chaos.watching import Heard, Note

NAMES = {TweetEvent: "posted", TweetEdited: "edited", TweetDeleted: "deleted"}


def judge_heard(
    found: Findings, seeing: Seeing, member: int, name: str, heard: Sequence[Note]
) -> None:
    """All that the stream of a member told."""
    for note in heard:
        said = _said_of(seeing, note.event)
        if said is None:
            if not isinstance(note.event, TweetDeleted):
                found.faults.append(leaked(f"told {name}, but nobody said it: {note.event}"))
            continue
        where = f"as {NAMES[type(note.event)]}, by the stream"
        over = seeing.over(_began_s(said, note.event), note.at_s)
        view = View(member, name, over, over)
        if isinstance(note.event, TweetDeleted):
            view.judge(found, True, hears, said, where)
        else:
            view.judge(found, True, in_home, said, where)
            judge_tweet(found, view, said, note.event.tweet, where)


def _said_of(seeing: Seeing, event: Heard) -> Said | None:
    tweet_id = int(event.tweet_id)
    if isinstance(event, TweetDeleted):
        return seeing.tweets.get(tweet_id)
    raw = event.raw
    original_id = int(raw["retweetOfId"] or 0)
    return seeing.find(tweet_id, int(raw["author"]["id"]), raw["text"], original_id)


def _began_s(said: Said, event: Heard) -> float:
    """When that was asked for which a push tells."""
    began_s: list[float] = []
    if isinstance(event, TweetDeleted):
        for each in (said, said.original):
            if each is not None:
                began_s += [one.began_s for one in each.alive.changes if False in one.values]
    elif isinstance(event, TweetEdited):
        text = event.raw["text"]
        began_s = [one.began_s for one in said.text.changes if text in one.values]
    return min(began_s, default=said.began_s)


def judge_told(
    found: Findings, seeing: Seeing, member: int, name: str, shown: Mapping[int, str], now_s: float
) -> None:
    """All that the stream of a member must have told by now; `shown` are texts by their tweets."""
    now = seeing.over(now_s, now_s)
    for said in seeing.tweets.values():
        if not hears(seeing.over(said.began_s, now_s), member, said).must:
            continue
        is_here = is_there(now, said)
        if is_here.must:
            _judge_told(found, name, said, shown.get(said.id), now)
        elif said.id in shown and not is_here.may:
            found.faults.append(leaked(f"{described(said)} still shown to {name} by the stream"))


def _judge_told(found: Findings, name: str, said: Said, text: str | None, now: Over) -> None:
    found.judged += 1
    if text is None:
        found.faults.append(lost(f"not told {name}: {described(said)}"))
    elif text not in now.texts(said):
        found.faults.append(lost(f"told {name} no edit of {described(said)}: it is {text!r}"))
