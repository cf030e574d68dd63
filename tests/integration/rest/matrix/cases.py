"""What each endpoint must answer to whom, by what it is about. Derived from the rules alone.

`SEEN` in place of a status: whoever may see the subject gets one of these; whoever may not gets
the answer of a subject that is not there.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from tests.integration.rest.matrix.cast import (
    AUTHORS,
    FAN,
    FOLLOWING,
    Viewer,
    account,
    relation,
    sees_lists,
    sees_person,
)
from tests.integration.rest.matrix.script import RULES, TWEETS

Subject: TypeAlias = Literal["tweet", "person", "own"]
Statuses: TypeAlias = Callable[[Viewer, str], set[int]]
"""(viewer, label of a subject that the viewer may see) to the statuses that are right."""


@dataclass(frozen=True)
class Case:
    """An endpoint. `subject` is what its path names, or `body` does, given its id; `own` is about
    the viewer alone. `may_write`: it is the viewer's own to do or to end, though the subject is
    hidden, and the answer does not tell. `moderates`: moderators may do it with any subject."""

    subject: Subject
    statuses: Statuses
    body: Callable[[str], Any] | None = None
    may_write: bool = False
    moderates: bool = False

    @property
    def is_own_act(self) -> bool:
        """Whether it is done to anybody alike, be there such a person or not."""
        return self.subject == "person" and self.may_write


def _always(*statuses: int) -> Statuses:
    return lambda viewer, label: set(statuses)


def _of_author(*statuses: int) -> Statuses:
    """Only the author may; others are told that they may not."""

    def found(viewer: Viewer, label: str) -> set[int]:
        return set(statuses) if TWEETS[label].author == viewer else {403}

    return found


def _delete(viewer: Viewer, label: str) -> set[int]:
    """Moderators may as well."""
    return {200} if viewer in (TWEETS[label].author, "moderator") else {403}


def _text_of_author(viewer: Viewer, label: str) -> set[int]:
    """As `_of_author`; a retweet has no text."""
    return {400} if TWEETS[label].shows and TWEETS[label].author == viewer else _edit(viewer, label)


_edit = _of_author(200)


def _pin(viewer: Viewer, label: str) -> set[int]:
    return {400} if TWEETS[label].shows and TWEETS[label].author == viewer else _pins(viewer, label)


_pins = _of_author(200, 409)


def _retweet(viewer: Viewer, label: str) -> set[int]:
    return {200, 201} if RULES.may_retweet(viewer, label) else {403}


def _own_profile(viewer: Viewer, label: str) -> set[int]:
    return {200} if viewer == label else {403}


def _lists(viewer: Viewer, label: str) -> set[int]:
    return {200} if sees_lists(viewer, label) else {403}


def _likes(viewer: Viewer, label: str) -> set[int]:
    return {403} if label == FAN != viewer else _lists(viewer, label)


def _act(viewer: Viewer, label: str) -> set[int]:
    """What is done to a person is not done to oneself."""
    return {400} if viewer == label else {200}


def _follow(viewer: Viewer, label: str) -> set[int]:
    """Nobody follows who is suspended."""
    if account(label) == "gone":
        return {404}
    return {403} if relation(viewer, label) == "blocking" else _act(viewer, label)


def _approve(viewer: Viewer, label: str) -> set[int]:
    """Those who ask; again those who follow already; nobody else."""
    if viewer == label:
        return {400}
    follows = viewer in AUTHORS and relation(label, viewer) in {*FOLLOWING, "follower"}
    return {200} if follows or (viewer, label) == ("closed", "requested") else {404}


_ANY = _always(200)
_LIST = Case("person", _lists)
_OWN = Case("own", _ANY)
_OWN_ACT = Case("person", _act, may_write=True)

CASES: dict[str, Case] = {
    "GET /tweets/{id}": Case("tweet", _ANY),
    "GET /tweets/{id}/history": Case("tweet", _ANY),
    "GET /tweets/{id}/replies": Case("tweet", _ANY),
    "GET /tweets/{id}/conversation": Case("tweet", _ANY),
    "GET /tweets/{id}/context": Case("tweet", _ANY),
    "GET /tweets/{id}/likers": Case("tweet", _ANY),
    "GET /tweets/{id}/engagements": Case("tweet", _ANY),
    "GET /tweets/{id}/retweeters": Case("tweet", _ANY),
    "GET /tweets/{id}/quotes": Case("tweet", _ANY),
    "POST /tweets": Case(
        "tweet", _always(201), body=lambda each: {"text": "answer", "replyToTweetId": each}
    ),
    "POST /tweets (quote)": Case(
        "tweet", _retweet, body=lambda each: {"text": "quote", "quoteTweetId": each}
    ),
    "DELETE /tweets/{id}": Case("tweet", _delete, moderates=True),
    "PATCH /tweets/{id}": Case("tweet", _text_of_author, body=lambda _: {"text": "edited"}),
    "PUT /tweets/{id}": Case("tweet", _text_of_author, body=lambda _: {"text": "edited"}),
    "POST /tweets/{id}/like": Case("tweet", _ANY),
    "POST /tweets/{id}/unlike": Case("tweet", _ANY, may_write=True),
    "DELETE /tweets/{id}/like": Case("tweet", _ANY, may_write=True),
    "POST /tweets/{id}/retweet": Case("tweet", _retweet, body=lambda _: {}),
    "POST /tweets/{id}/retweet (quote)": Case("tweet", _retweet, body=lambda _: {"comment": "see"}),
    "DELETE /tweets/{id}/retweet": Case("tweet", _ANY, may_write=True),
    "POST /tweets/{id}/bookmark": Case("tweet", _ANY),
    "DELETE /tweets/{id}/bookmark": Case("tweet", _ANY, may_write=True),
    "POST /tweets/{id}/pin": Case("tweet", _pin),
    "DELETE /tweets/{id}/pin": Case("tweet", _ANY, may_write=True),
    "POST /tweets/{id}/mute": Case("tweet", _ANY),
    "DELETE /tweets/{id}/mute": Case("tweet", _ANY, may_write=True),
    "GET /users/{id}": Case("person", _ANY),
    "PATCH /users/{id}": Case("person", _own_profile, body=lambda _: {"bio": "new"}),
    "PUT /users/{id}": Case("person", _own_profile, body=lambda _: {"name": "new"}),
    "GET /timeline/user/{id}": _LIST,
    "GET /users/{username}/tweets": _LIST,
    "GET /users/{id}/likes": Case("person", _likes),
    "GET /users/{id}/pinned": _LIST,
    "GET /users/{id}/followers": _LIST,
    "GET /users/{id}/following": _LIST,
    "POST /users/{id}/follow": Case("person", _follow),
    "POST /users/{id}/unfollow": _OWN_ACT,
    "DELETE /users/{id}/follow": _OWN_ACT,
    "DELETE /users/{id}/follower": _OWN_ACT,
    "POST /users/{id}/block": _OWN_ACT,
    "POST /users/{id}/unblock": _OWN_ACT,
    "DELETE /users/{id}/block": _OWN_ACT,
    "POST /users/{id}/mute": _OWN_ACT,
    "POST /users/{id}/mute (for a time)": replace(_OWN_ACT, body=lambda _: {"durationS": 60}),
    "POST /users/{id}/unmute": _OWN_ACT,
    "DELETE /users/{id}/mute": _OWN_ACT,
    "POST /follow-requests/{userId}/approve": Case("person", _approve),
    "POST /follow-requests/{userId}/deny": _OWN_ACT,
    "PUT /account/privacy": replace(_OWN_ACT, body=lambda each: {"mutedUsers": [each]}),
    "PUT /account/privacy (blocks)": replace(_OWN_ACT, body=lambda each: {"blockedUsers": [each]}),
    "GET /users/me": _OWN,
    "GET /timeline/home": _OWN,
    "GET /bookmarks": _OWN,
    "GET /follow-requests": _OWN,
    "GET /follow-requests/sent": _OWN,
    "GET /blocks": _OWN,
    "GET /mutes": _OWN,
}
"""By method and path; further ways of asking the same endpoint in brackets."""

SHOWING_ONESELF = frozenset({"POST /signup", "POST /login"})
"""Endpoints that show whoever signs up or in, who is nobody before."""

SHOWING_NOTHING = frozenset(
    {
        "POST /token/refresh",
        "POST /logout",
        "GET /account/privacy",
        "GET /devices",
        "DELETE /devices",
        "DELETE /devices/{deviceId}",
        "GET /stream",
        "POST /stream/ticket",
        "GET /health",
        "GET /ready",
        "GET /docs",
        "GET /docs/{name}",
        "GET /openapi.json",
    }
)
"""Endpoints that are about the viewer's own account and devices, or the server, and show neither
tweets nor other people."""


def may_see(viewer: Viewer, case: Case, label: str) -> bool:
    """Whether a viewer may know of the subject of a case."""
    if case.moderates and viewer == "moderator":
        return True
    return RULES.sees(viewer, label) if case.subject == "tweet" else sees_person(viewer, label)
