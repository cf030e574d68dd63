"""What a server without a fault shows to members of a salon, for tests of the checker. Pure."""

from collections.abc import Callable
from typing import Any

import msgspec

from rookery.client import PushedTweet, Tweet, User
from tests.chaos.salon.history import Maybe
from tests.chaos.salon.reading import Of, Passed, Refusal, Seen
from tests.chaos.salon.seeing import (
    Over,
    Said,
    Seeing,
    Standing,
    among_quotes,
    among_retweeters,
    are_apart,
    in_home,
    in_timeline,
    is_let_in,
    is_there,
    quoted_as,
    sees,
)

AT = "2026-01-01T00:00:00Z"


def _author(user_id: int) -> dict[str, Any]:
    return {"id": str(user_id), "username": f"u{user_id}", "name": "", "avatarUrl": ""}


def card_of(at: Over, viewer: int, said: Said, *, is_quoted: bool = False) -> dict[str, Any]:
    """A tweet as it is pushed to `viewer`."""
    [text] = at.texts(said)
    card: dict[str, Any] = {
        "id": str(said.id),
        "text": text,
        "createdAt": AT,
        "editedAt": None,
        "version": 1,
        "author": _author(said.author_id),
        "entities": {"mentions": [], "hashtags": [], "cashtags": [], "urls": []},
        "inReplyToId": None,
        "inReplyToUserId": None,
        "conversationId": str(said.id),
        "retweetOfId": None,
        "quoteOfId": None,
        "media": [],
        "sensitive": False,
        "lang": None,
        "visibility": "public",
    }
    if said.original is not None:
        card["retweetOfId"] = str(said.original.id)
        card["retweetOf"] = card_of(at, viewer, said.original)
    if said.quoted is not None:
        card["quoteOfId"] = str(said.quoted.id)
        if not is_quoted:
            card["quoteOf"] = _quoted(at, viewer, said, card_of)
    return card


def raw_of(at: Over, viewer: int, said: Said, *, is_quoted: bool = False) -> dict[str, Any]:
    """The same with counts and marks, as it is read."""
    raw = card_of(at, viewer, said, is_quoted=is_quoted)
    every = [*at.seeing.tweets.values()]
    retweets = [each for each in every if each.original is said and is_there(at, each).must]
    quotes = [each for each in every if each.quoted is said and is_there(at, each).must]
    raw |= {"likeCount": 0, "replyCount": 0, "retweetCount": len(retweets)}
    raw |= {"quoteCount": len(quotes), "retweeted": at.retweets(viewer, said).must}
    if said.original is not None:
        raw["retweetOf"] = raw_of(at, viewer, said.original)
    if said.quoted is not None and not is_quoted:
        raw["quoteOf"] = _quoted(at, viewer, said, raw_of)
    return raw


def _quoted(at: Over, viewer: int, said: Said, shown: Callable[..., dict[str, Any]]) -> Any:
    assert said.quoted is not None
    [as_] = quoted_as(at, viewer, said)
    if as_ == "whole":
        return shown(at, viewer, said.quoted, is_quoted=True)
    return {"id": str(said.quoted.id), "unavailable": as_}


def tweet_of(at: Over, viewer: int, said: Said) -> Tweet:
    return msgspec.convert(raw_of(at, viewer, said), Tweet)


def pushed_of(at: Over, viewer: int, said: Said) -> PushedTweet:
    return msgspec.convert(card_of(at, viewer, said), PushedTweet)


def honest(seeing: Seeing, members: list[int], at: Over) -> dict[int, Seen]:
    """What each of the members is shown; nothing may be open at that time."""
    return {viewer: _seen(seeing, members, at, viewer) for viewer in members}


def _seen(seeing: Seeing, members: list[int], at: Over, viewer: int) -> Seen:
    others = [each for each in members if each != viewer]
    every = [*seeing.tweets.values()]

    def listed(rule: Callable[[Standing, int, Said], Maybe], among: list[Said]) -> list[Tweet]:
        found = [each for each in among if rule(at, viewer, each).must]
        found.sort(key=lambda each: each.id, reverse=True)
        return [tweet_of(at, viewer, each) for each in found]

    def those(bond: Any, *, is_theirs: bool = False) -> list[int]:
        return [
            each
            for each in others
            if at.between(bond, *((each, viewer) if is_theirs else (viewer, each))).must
            and not at.between("blocks", each, viewer).must
        ]

    def passed(said: Said) -> Passed:
        if not sees(at, viewer, said).must:
            return Passed(None, None)
        retweets = [each for each in every if each.original is said]
        who = [each.author_id for each in retweets if among_retweeters(at, viewer, each).must]
        return Passed(who, listed(among_quotes, [each for each in every if each.quoted is said]))

    def is_named(who: int, follower: int, followee: int) -> bool:
        is_apart = who != viewer and are_apart(at, viewer, who).must
        return at.between("follows", follower, followee).must and not is_apart

    def of(other: int) -> Of:
        if at.between("blocks", other, viewer).must:
            return Of(None, "gone", "gone", "gone")
        lists: list[list[int] | Refusal] = ["protected", "protected"]
        timeline: list[Tweet] | Refusal = "protected"
        if is_let_in(at, viewer, other).must:
            timeline = listed(in_timeline, [each for each in every if each.author_id == other])
            lists = [
                [each for each in members if is_named(each, each, other)],
                [each for each in members if is_named(each, other, each)],
            ]
        return Of(_profile(at, viewer, other, members, every), timeline, *lists)

    return Seen(
        is_private=at.is_private(viewer).must,
        profile=_profile(at, viewer, viewer, members, every),
        home=listed(in_home, every),
        timeline=listed(in_timeline, [each for each in every if each.author_id == viewer]),
        blocks=those("blocks"),
        mutes=those("mutes"),
        asked_by=those("asks", is_theirs=True),
        asks=those("asks"),
        others={each: of(each) for each in others},
        singly=[
            (each, tweet_of(at, viewer, each) if sees(at, viewer, each).must else None)
            for each in every
        ],
        passed=[(each, passed(each)) for each in every if each.original is None],
    )


def _profile(at: Over, viewer: int, user_id: int, members: list[int], every: list[Said]) -> User:
    def follows(one: int, two: int) -> bool:
        return at.between("follows", one, two).must

    raw: dict[str, Any] = {
        **_author(user_id),
        "bio": "",
        "location": "",
        "website": "",
        "bannerUrl": "",
        "isPrivate": at.is_private(user_id).must,
        "createdAt": AT,
        "followersCount": sum(follows(each, user_id) for each in members),
        "followingCount": sum(follows(user_id, each) for each in members),
        "tweetsCount": sum(each.author_id == user_id and is_there(at, each).must for each in every),
        "likesCount": 0,
        "pinnedCount": 0,
    }
    if user_id != viewer:
        raw |= {
            "following": follows(viewer, user_id),
            "followedBy": follows(user_id, viewer),
            "requested": at.between("asks", viewer, user_id).must,
            "blocking": at.between("blocks", viewer, user_id).must,
            "muting": at.between("mutes", viewer, user_id).must,
        }
    return msgspec.convert(raw, User)
