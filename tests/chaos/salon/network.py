"""Holds lists of people to how they stand to each other, once calm has returned. Pure."""

from collections.abc import Mapping, Sequence

from tests.chaos.faults import doubled, leaked, stale, wrong
from tests.chaos.salon.history import NO, Maybe
from tests.chaos.salon.judging import Findings, View, judge_let_in, judge_there
from tests.chaos.salon.reading import Of, Seen
from tests.chaos.salon.seeing import Bond, are_apart
from tests.chaos.salon.standing import Calm


def judge_network(found: Findings, calm: Calm, view: View, seen: Seen) -> None:
    """All lists of people that a member is shown, and what is counted of them."""
    _judge_own(found, view, seen)
    for other, of in seen.others.items():
        _judge_follows(found, calm, view, other, of)
    at, viewer, profile = view.at, view.viewer, seen.profile
    others = [*seen.others]
    followers = sum(at.between("follows", each, viewer).must for each in others)
    following = sum(at.between("follows", viewer, each).must for each in others)
    for what, counted, count in (
        ("followers", profile.followers_count, followers),
        ("followees", profile.following_count, following),
    ):
        if counted != count:
            found.faults.append(wrong(f"{view.name} has {count} {what}, counted {counted}"))


def _judge_own(found: Findings, view: View, seen: Seen) -> None:
    at, viewer = view.at, view.viewer
    there = {each: ~at.between("blocks", each, viewer) for each in seen.others}
    lists: tuple[tuple[Sequence[int], Bond], ...] = (
        (seen.blocks, "blocks"),
        (seen.mutes, "mutes"),
        (seen.asks, "asks"),
    )
    for ids, bond in lists:
        due = {each: at.between(bond, viewer, each) & is_there for each, is_there in there.items()}
        _judge_ids(found, ids, due, f"in the list of whom {view.name} {bond}")
    due = {each: at.between("asks", each, viewer) & is_there for each, is_there in there.items()}
    _judge_ids(found, seen.asked_by, due, f"in the list of who asks {view.name}")
    if seen.asked_by and not seen.is_private:
        found.faults.append(stale(f"{view.name} is public, and {seen.asked_by} still ask"))


def _judge_follows(found: Findings, calm: Calm, view: View, other: int, of: Of) -> None:
    """Followers and followees of another one."""
    for shown, is_of_followers in ((of.followers, True), (of.following, False)):
        where = f"among the {'followers' if is_of_followers else 'followees'} of {other}"
        judge_there(found, view, other, shown != "gone", where)
        if shown == "gone":
            continue
        judge_let_in(found, view, other, shown != "protected", where)
        if shown == "protected":
            continue
        due = {}
        for each in calm.names:
            pair = (each, other) if is_of_followers else (other, each)
            is_apart = are_apart(view.at, view.viewer, each) if each != view.viewer else NO
            due[each] = view.at.between("follows", *pair) & ~is_apart
        _judge_ids(found, shown, due, f"{where}, to {view.name}")


def _judge_ids(found: Findings, shown: Sequence[int], due: Mapping[int, Maybe], where: str) -> None:
    found.judged += len(due)
    if len(shown) != len(set(shown)):
        found.faults.append(doubled(f"somebody {where}"))
    for each in {*shown} - {*due}:
        found.faults.append(leaked(f"{each} {where}"))
    for each, is_due in due.items():
        if each in shown and not is_due.may:
            found.faults.append(wrong(f"{each} {where}"))
        if each not in shown and is_due.must:
            found.faults.append(wrong(f"not {each} {where}"))
