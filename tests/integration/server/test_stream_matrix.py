"""Every kind of event against every kind of viewer: pushed, resumed and watched.

What is pushed is compared with the rules of the matrix over HTTP; so is what a stream shows that
comes back after the relations changed.
"""

import typing
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from rookery.connection import rendering
from rookery.domain.timelines import WarmTimelines
from rookery.events import kinds
from rookery.services.reading import filters, reading
from rookery.views import PushedTweet
from tests.integration.rest.matrix.cast import Relation, Rules, Viewer, relation
from tests.integration.server.stream_cast import (
    DELETED,
    EDITED,
    LISTENERS,
    TWEETS,
    Stage,
    Told,
    gets,
)
from tests.integration.server.world import World

TOLD = {
    kinds.TweetPosted: "TweetEvent",
    kinds.TweetEdited: "TweetEdited",
    kinds.TweetDeleted: "TweetDeleted",
}
"""What streams tell of a change."""
TELL_NOTHING = {kinds.FollowChanged, kinds.HiddenChanged, kinds.PrivacyChanged}
RULES = Rules(TWEETS)


def later(viewer: Viewer, person: str) -> Relation:
    """How people stand after `change`."""
    changed = {
        ("follower", "open"): "blocked",
        ("approved", "closed"): "stranger",
        ("follower", "closed"): "muting",
    }
    return changed.get((viewer or "", person)) or relation(viewer, person)


async def change(stage: Stage) -> None:
    """Change how some stand to the authors, after everything was pushed."""
    await stage.act("open", "block", "follower")
    approved = stage.people["approved"].id
    await stage.ask("closed", "DELETE", f"/users/{approved}/follower")
    await stage.act("follower", "mute", "closed")


@pytest_asyncio.fixture
async def stage(inline_world: World) -> AsyncIterator[Stage]:
    async with aiohttp.ClientSession() as http:
        made = Stage(inline_world, http)
        await made.prepare()
        yield made


async def faults(stage: Stage) -> list[str]:
    """What is wrong with what each listener is told."""
    await stage.play()
    found = [each for name in LISTENERS for each in _of_pushes(stage, name)]
    pushed = {name: stage.told(name) for name in LISTENERS}
    await stage.watch()
    found += [each for name in LISTENERS for each in _of_watching(stage, name)]
    await change(stage)
    await stage.come_back()
    for name in LISTENERS:
        found += _of_coming_back(stage, name, pushed[name])
    return found


def _of_pushes(stage: Stage, name: str) -> Iterator[str]:
    """Each event whose tweet comes into the viewer's home, in order, and no others."""
    expected = [
        Told(kind, label)
        for kind, labels in zip(TOLD.values(), (TWEETS, EDITED, DELETED), strict=True)
        for label in labels
        if gets(relation, name, label)
    ]
    if stage.told(name) != expected:
        yield f"{name} was told {stage.told(name)}, not {expected}"
    if not stage.has_no_gaps(name):
        yield f"{name} can tell by offsets that something was left out"
    yield from _of_shown(stage, name, RULES)


def _of_watching(stage: Stage, name: str) -> Iterator[str]:
    """Counts of whatever the viewer may see, and of nothing else."""
    expected = {"marker"} | {
        label for label in TWEETS if label not in DELETED and RULES.sees(name, label)
    }
    if stage.watched(name) != expected:
        yield f"{name} was told counts of {stage.watched(name)}, not of {expected}"


def _of_coming_back(stage: Stage, name: str, pushed: list[Told]) -> Iterator[str]:
    """As pushed, but that what is deleted or hidden by now is not there."""
    expected = [
        Told("TweetUnavailable", label)
        if kind != "TweetDeleted" and (label in DELETED or not gets(later, name, label))
        else Told(kind, label)
        for kind, label in pushed
    ]
    if stage.told(name) != expected:
        yield f"{name} came back to {stage.told(name)}, not to {expected}"
    yield from _of_shown(stage, name, Rules(TWEETS, later))


def _of_shown(stage: Stage, name: str, rules: Rules) -> Iterator[str]:
    """A tweet is shown with what it refers to, as far as the viewer may see that."""
    labels = {str(each): label for label, each in stage.ids.items()}
    for raw in stage.shown(name):
        label = labels[raw["id"]]
        texts = {part.partition("]")[0] for part in str(raw).split("[")[1:]}
        hidden = [each for each in texts & TWEETS.keys() if not rules.sees(name, each)]
        if hidden:
            yield f"{name} reads {hidden} in {label}"
        quoted = raw["quoteOf"]
        if quoted is not None and ("text" in quoted) is not rules.sees(name, "open.public"):
            yield f"{name} gets {quoted} in {label}"


def test_no_kind_of_event_is_forgotten() -> None:
    """Each is told here in some way, or known to tell nothing."""
    assert set(typing.get_args(kinds.Event)) == TOLD.keys() | TELL_NOTHING


async def test_nobody_hears_what_is_not_for_them(stage: Stage) -> None:
    """Pushed, watched, and resumed after people came to stand otherwise."""
    assert await faults(stage) == []


def _pushes_ask_nobody(patch: pytest.MonkeyPatch) -> None:
    def notify(self: Any, rows: Any, delivery: Any) -> Any:
        return self.presence.notify(rows, delivery.event_kind, delivery.tweet_id)

    patch.setattr(WarmTimelines, "_notify_entitled", notify)


def _quotes_come_whole(patch: pytest.MonkeyPatch) -> None:
    original = rendering.pushed_record

    def pushed_record(record: Any, *, hides_quote: bool = False) -> PushedTweet:
        return original(record)

    patch.setattr(rendering, "pushed_record", pushed_record)


def _resuming_hides_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(filters, "may_see", lambda viewer, facts: True)


def _resuming_mutes_nobody(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(filters, "is_muted", lambda viewer, facts, asked_for=frozenset(): False)


def _everything_can_be_watched(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(reading, "is_visible", lambda viewer, entry, entries: True)


@pytest.mark.parametrize(
    "fault",
    [
        _pushes_ask_nobody,
        _quotes_come_whole,
        _resuming_hides_nothing,
        _resuming_mutes_nobody,
        _everything_can_be_watched,
    ],
    ids=lambda each: each.__name__.strip("_"),
)
async def test_a_stream_without_a_filter_is_found(
    fault: Any, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever it is, with all others in their places."""
    fault(monkeypatch)
    assert await faults(stage) != []
