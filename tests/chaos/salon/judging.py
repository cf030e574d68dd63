"""Holds what somebody was shown to what they must and may see. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from rookery.client import MissingTweet, PushedTweet, Tweet, User
from tests.chaos.faults import Fault, doubled, leaked, lost, stale, wrong
from tests.chaos.salon.history import Maybe
from tests.chaos.salon.seeing import Bond, Over, Quoted, Said, Standing, is_let_in, quoted_as

Rule = Callable[[Standing, int, Said], Maybe]


@dataclass
class Findings:
    """What was found; `judged` counts what it was sure of that it must be shown, or must not."""

    faults: list[Fault] = field(default_factory=list)
    judged: int = 0

    def judge(self, was_shown: bool, due: Maybe, ever: Callable[[], Maybe], what: str) -> None:
        """Note a fault if something was shown that must not be, or the other way round.

        What was right at an earlier time is stale, which `ever` tells.
        """
        self.judged += due.must or not due.may
        if was_shown and not due.may:
            self.faults.append((stale if ever().may else leaked)(f"shown: {what}"))
        elif not was_shown and due.must:
            self.faults.append((lost if ever().must else stale)(f"not shown: {what}"))


@dataclass
class View:
    """What is to be shown to a viewer: `at` decides, `over` is the time in which it was read.

    Unless `may_be_late`, what is shown of people is not that of an earlier time.
    """

    viewer: int
    name: str
    at: Standing
    over: Over
    may_be_late: bool = True

    def judge(self, found: Findings, was_shown: bool, rule: Rule, said: Said, where: str) -> None:
        """Whether a tweet must, or may, be where it was, or was not."""

        def due(at: Standing) -> Maybe:
            return rule(at, self.viewer, said)

        what = f"{described(said)} to {self.name} {where}"
        found.judge(was_shown, due(self.at), lambda: due(self.over.since(said.since_s)), what)

    def judge_that(
        self, found: Findings, was_so: bool, due: Callable[[Standing], Maybe], what: str
    ) -> None:
        """Whether something else was shown to be so."""
        ever = self.over.since() if self.may_be_late else self.at
        found.judge(was_so, due(self.at), lambda: due(ever), f"{what}, to {self.name}")


def described(said: Said) -> str:
    """A tweet in the text of a fault."""
    if said.original is not None:
        return f"retweet {said.id} by {said.author_id} of {said.original.id}"
    if said.quoted is not None:
        return f"quote {said.id} by {said.author_id} of {said.quoted.id}"
    return f"tweet {said.id} by {said.author_id}"


def judge_list(
    found: Findings,
    view: View,
    listed: Sequence[tuple[Said, Tweet]],
    due: Iterable[Said],
    rule: Rule,
    where: str,
) -> None:
    """A list of tweets: each once, newest first, whole; those of `due` that it must have."""
    ids = [said.id for said, _ in listed]
    if len(ids) != len(set(ids)):
        found.faults.append(doubled(f"a tweet shown twice to {view.name} {where}"))
    elif ids != sorted(ids, reverse=True):
        found.faults.append(wrong(f"out of order, what {view.name} is shown {where}"))
    for said, tweet in listed:
        view.judge(found, True, rule, said, where)
        judge_tweet(found, view, said, tweet, where)
    for said in due:
        if said.id not in ids:
            view.judge(found, False, rule, said, where)


def judge_tweet(
    found: Findings, view: View, said: Said, tweet: Tweet | PushedTweet, where: str
) -> None:
    """A tweet by itself: its author and text, and what it retweets or quotes."""
    what = f"{described(said)} to {view.name} {where}"
    if int(tweet.author.id) != said.author_id:
        found.faults.append(wrong(f"as by {tweet.author.id}: {what}"))
    _judge_text(found, view, said, tweet.text, what)
    original, quoted = tweet.retweet_of, tweet.quote_of
    if isinstance(tweet, Tweet):
        _judge_mark(found, view, said, tweet, what)
        if said.original is not None and isinstance(original, Tweet):
            _judge_mark(found, view, said.original, original, what)
    if said.original is None:
        if original is not None or tweet.retweet_of_id is not None:
            found.faults.append(wrong(f"as a retweet of {tweet.retweet_of_id}: {what}"))
    elif original is None or int(original.id) != said.original.id:
        found.faults.append(wrong(f"as a retweet of {tweet.retweet_of_id}: {what}"))
    else:
        _judge_text(found, view, said.original, original.text, what)
    if said.quoted is None:
        if quoted is not None or tweet.quote_of_id is not None:
            found.faults.append(wrong(f"as a quote of {tweet.quote_of_id}: {what}"))
    elif quoted is None or int(quoted.id) != said.quoted.id:
        found.faults.append(wrong(f"as a quote of {tweet.quote_of_id}: {what}"))
    elif isinstance(quoted, MissingTweet):
        _judge_quoted(found, view, said, quoted.unavailable, what)
    else:
        _judge_quoted(found, view, said, "whole", what)
        _judge_text(found, view, said.quoted, quoted.text, what)


def _judge_text(found: Findings, view: View, said: Said, text: str, what: str) -> None:
    if text in view.over.texts(said):
        return
    was_so = text in view.over.since().texts(said)
    found.faults.append((stale if was_so else wrong)(f"text {text!r} of {said.id} in {what}"))


def _judge_mark(found: Findings, view: View, said: Said, tweet: Tweet, what: str) -> None:
    """Whether the viewer is told to retweet a tweet; the mark of a retweet itself is not used."""
    if said.original is None and tweet.retweeted is not None:
        due = view.over.retweets(view.viewer, said)
        ever = partial(view.over.since().retweets, view.viewer, said)
        found.judge(tweet.retweeted, due, ever, f"{said.id} as retweeted, in {what}")


def _judge_quoted(found: Findings, view: View, said: Said, as_: Quoted, what: str) -> None:
    """What is quoted is shown, or is not, for the right reason."""
    due = quoted_as(view.at, view.viewer, said)
    found.judged += len(due) == 1
    if as_ in due:
        return
    if as_ in quoted_as(view.over.since(said.since_s), view.viewer, said):
        found.faults.append(stale(f"what is quoted {as_} in {what}"))
    else:
        found.faults.append((leaked if as_ == "whole" else lost)(f"what is quoted {as_} in {what}"))


def judge_there(found: Findings, view: View, other: int, was_there: bool, where: str) -> None:
    """Who blocks the viewer is not there, and nobody else."""

    def due(at: Standing) -> Maybe:
        return ~at.between("blocks", other, view.viewer)

    view.judge_that(found, was_there, due, f"{other} {where}")


def judge_let_in(found: Findings, view: View, other: int, was_let_in: bool, where: str) -> None:
    """A private account's lists are for those whom it let follow it."""
    what = f"what is private of {other} {where}"
    view.judge_that(found, was_let_in, lambda at: is_let_in(at, view.viewer, other), what)


def judge_private(found: Findings, view: View, whom: int, was_private: bool) -> None:
    view.judge_that(found, was_private, lambda at: at.is_private(whom), f"{whom} as private")


def judge_profile(found: Findings, view: View, other: int, user: User) -> None:
    """What a profile says of how the viewer and its user stand to each other."""
    one, two = view.viewer, other
    judge_bond(found, view, bool(user.following), "follows", one, two)
    judge_bond(found, view, bool(user.followed_by), "follows", two, one)
    judge_bond(found, view, bool(user.requested), "asks", one, two)
    judge_bond(found, view, bool(user.blocking), "blocks", one, two)
    judge_bond(found, view, bool(user.muting), "mutes", one, two)
    judge_private(found, view, other, user.is_private)


def judge_bond(found: Findings, view: View, was_so: bool, bond: Bond, who: int, whom: int) -> None:
    """Whether one was said to follow, ask, block or mute another one."""
    what = f"that {who} {bond} {whom}"
    view.judge_that(found, was_so, lambda at: at.between(bond, who, whom), what)
