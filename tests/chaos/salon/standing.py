"""How members of a salon stand to each other, as they are shown it in calm. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rookery.client import Tweet
from tests.chaos.faults import leaked, wrong
from tests.chaos.salon.history import NO, YES
from tests.chaos.salon.judging import (
    Findings,
    View,
    judge_list,
    judge_private,
    judge_profile,
    judge_there,
)
from tests.chaos.salon.reading import Seen
from tests.chaos.salon.seeing import (
    BONDS,
    Bond,
    Over,
    Pair,
    Said,
    Seeing,
    Shown,
    in_timeline,
    sees,
)


@dataclass
class Calm:
    """What was seen while nothing changed any more, and what may be shown then.

    `over` is by what was acknowledged.
    """

    seeing: Seeing
    seen: Mapping[int, Seen]
    names: Mapping[int, str]
    over: Over

    def known(self, found: Findings, tweets: Iterable[Tweet]) -> list[tuple[Said, Tweet]]:
        """Tweets with what they are; one that nobody said is a fault."""
        known = []
        for tweet in tweets:
            original_id = int(tweet.retweet_of_id or 0)
            said = self.seeing.find(int(tweet.id), int(tweet.author.id), tweet.text, original_id)
            if said is None:
                found.faults.append(leaked(f"nobody said {tweet.id}: {tweet.text!r}"))
            else:
                known.append((said, tweet))
        return known

    def by(self, author: int) -> list[Said]:
        return [each for each in self.seeing.tweets.values() if each.author_id == author]

    def view(self, viewer: int, at: Shown | None = None) -> View:
        """`at` as it is shown to them; otherwise by what was acknowledged, which is kept."""
        return View(viewer, self.names[viewer], at or self.over, self.over, may_be_late=bool(at))


def judge_standing(found: Findings, calm: Calm) -> Shown:
    """How they stand to each other as it is shown to them; it must be so, or may."""
    for viewer, seen in calm.seen.items():
        view = calm.view(viewer)
        for is_private in (seen.is_private, seen.profile.is_private):
            judge_private(found, view, viewer, is_private)
        if seen.profile.is_private is not seen.is_private:
            found.faults.append(wrong(f"{viewer} is private and is not"))
        for other, of in seen.others.items():
            judge_there(found, view, other, of.profile is not None, "as a profile")
            if of.profile is not None:
                judge_profile(found, view, other, of.profile)
        own = calm.known(found, seen.timeline)
        judge_list(found, view, own, calm.by(viewer), in_timeline, "in one's own timeline")
    return _shown(calm)


def _shown(calm: Calm) -> Shown:
    bonds: dict[Bond, set[Pair]] = {bond: set() for bond in BONDS}
    for viewer, seen in calm.seen.items():
        for other, of in seen.others.items():
            pair, there = (viewer, other), of.profile
            back = calm.seen[other].others[viewer].profile
            if back is None:
                bonds["blocks"].add(pair)
            if there.following if there is not None else back is not None and back.followed_by:
                bonds["follows"].add(pair)
            if there is not None and there.requested:
                bonds["asks"].add(pair)
            if there is not None and there.muting:
                bonds["mutes"].add(pair)
    private = {who for who, seen in calm.seen.items() if seen.is_private}
    shown = Shown(bonds, private, {})
    _set_alive(calm, shown)
    return shown


def _set_alive(calm: Calm, shown: Shown) -> None:
    """Their authors are shown which tweets there are, but for retweets of what is hidden."""
    own = {int(each.id) for seen in calm.seen.values() for each in seen.timeline}
    tweets = sorted(calm.seeing.tweets.values(), key=lambda each: each.original is not None)
    for said in tweets:  # retweets last
        is_for_author = YES if said.original is None else sees(shown, said.author_id, said.original)
        if said.id in own:
            shown.alive[said.id] = YES
        else:
            shown.alive[said.id] = NO if is_for_author.must else calm.over.is_alive(said)
