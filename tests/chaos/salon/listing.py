"""Holds tweets and lists of them to who may see what, once calm has returned. Pure."""

from collections import Counter
from collections.abc import Sequence

from tests.chaos.faults import doubled, leaked, lost, wrong
from tests.chaos.salon.history import NO, PERHAPS, Maybe
from tests.chaos.salon.judging import (
    Findings,
    View,
    judge_let_in,
    judge_list,
    judge_there,
    judge_tweet,
)
from tests.chaos.salon.reading import Passed, Seen
from tests.chaos.salon.seeing import (
    Said,
    among_quotes,
    among_retweeters,
    in_home,
    in_timeline,
    is_there,
    sees,
)
from tests.chaos.salon.standing import Calm


def judge_tweets(found: Findings, calm: Calm, view: View, seen: Seen) -> None:
    """All tweets and lists of them that a member is shown, and what is counted of them."""
    every = calm.seeing.tweets.values()
    judge_list(found, view, calm.known(found, seen.home), every, in_home, "at home")
    for other, of in seen.others.items():
        where = f"in the timeline of {other}"
        judge_there(found, view, other, of.timeline != "gone", where)
        if of.timeline == "gone":
            continue
        judge_let_in(found, view, other, of.timeline != "protected", where)
        if of.timeline == "protected":
            continue
        listed = calm.known(found, of.timeline)
        judge_list(found, view, listed, calm.by(other), in_timeline, where)
    for said, tweet in seen.singly:
        view.judge(found, tweet is not None, sees, said, "by its id")
        if tweet is not None:
            judge_tweet(found, view, said, tweet, "by its id")
    for said, passed in seen.passed:
        _judge_passed(found, calm, view, said, passed)
    _judge_counts(found, calm, view, seen)


def _judge_passed(found: Findings, calm: Calm, view: View, said: Said, passed: Passed) -> None:
    """Who retweeted a tweet and how it was quoted."""
    every = calm.seeing.tweets.values()
    retweeters, quotes = passed.retweeters, passed.quotes
    view.judge(found, retweeters is not None, sees, said, "for who retweeted it")
    view.judge(found, quotes is not None, sees, said, "for its quotes")
    if quotes is not None:
        due = [each for each in every if each.quoted is said]
        listed = calm.known(found, quotes)
        where = f"among the quotes of {said.id}"
        for each, _ in listed:
            if each.quoted is not said:
                found.faults.append(wrong(f"{each.id} {where}"))
        judge_list(found, view, listed, due, among_quotes, where)
    if retweeters is None:
        return
    where = f"among who retweeted {said.id}, to {view.name}"
    if len(retweeters) != len(set(retweeters)):
        found.faults.append(doubled(f"somebody {where}"))
    due_by: dict[int, Maybe] = {}
    for each in every:
        if each.original is said:
            is_due = among_retweeters(view.at, view.viewer, each)
            due_by[each.author_id] = due_by.get(each.author_id, NO) | is_due
    for author in retweeters:
        if not due_by.get(author, NO).may:
            found.faults.append(leaked(f"{author} {where}"))
    for author, is_due in due_by.items():
        if is_due.must and author not in retweeters:
            found.faults.append(lost(f"{author} {where}"))


def _judge_counts(found: Findings, calm: Calm, view: View, seen: Seen) -> None:
    """Counts of a member's own tweets, and of the tweets; nobody retweets a tweet twice."""
    every = calm.seeing.tweets.values()
    hidden = _hidden(calm, view)
    for said, tweet in calm.known(found, seen.timeline):
        if said.original is None:
            retweets = [is_there(view.at, each) for each in every if each.original is said]
            retweets += [PERHAPS for each in hidden if each.original is said]
            quotes = [
                is_there(view.at, each) & each.is_counted for each in every if each.quoted is said
            ]
            _judge_count(found, tweet.retweet_count, retweets, f"retweets of {said.id}")
            _judge_count(found, tweet.quote_count, quotes, f"quotes of {said.id}")
    own = [each for each in every if each.author_id == view.viewer]
    there = [is_there(view.at, each) for each in own]
    there += [PERHAPS for each in hidden if each.author_id == view.viewer]
    _judge_count(found, seen.profile.tweets_count, there, f"tweets of {view.name}")
    retweeted = Counter(
        each.original.id
        for each in own
        if each.original is not None and is_there(view.at, each).must
    )
    for original_id, count in retweeted.items():
        if count > 1:
            found.faults.append(doubled(f"{view.name} retweets {original_id} {count} times"))


def _hidden(calm: Calm, view: View) -> list[Said]:
    """Retweets that got no answer and are shown to nobody, if they are there."""
    return [
        each
        for each in calm.seeing.unanswered
        if each.original is not None and not sees(view.at, each.author_id, each.original).must
    ]


def _judge_count(found: Findings, counted: int, each: Sequence[Maybe], what: str) -> None:
    least, most = sum(one.must for one in each), sum(one.may for one in each)
    found.judged += 1
    if not least <= counted <= most:
        found.faults.append(wrong(f"{least} to {most} {what}, counted {counted}"))
