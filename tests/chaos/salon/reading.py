"""Everything that members of a salon are shown, read over the API once calm has returned."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, TypeVar

from rookery.client import Forbidden, NotFound, Tweet, User
from rookery.client.pages import Pages
from tests.chaos.citizens import whole_home
from tests.chaos.salon.salon import Member, Salon
from tests.chaos.salon.seeing import Said

AT_ONCE = 16
LAST = 30
"""So many of the newest tweets are asked for one by one."""
LAST_SHOWN = 8
"""Of so many of the newest ones that are retweeted or quoted it is asked by whom."""

T = TypeVar("T")
Refusal: TypeAlias = Literal["gone", "protected"]


@dataclass
class Of:
    """What one member is shown of another one."""

    profile: User | None
    timeline: list[Tweet] | Refusal
    followers: list[int] | Refusal
    following: list[int] | Refusal


@dataclass
class Passed:
    """Who retweeted a tweet, and its quotes, as one member is shown; None: it is not there."""

    retweeters: list[int] | None
    quotes: list[Tweet] | None


@dataclass
class Seen:
    """What one member is shown."""

    is_private: bool
    profile: User
    home: list[Tweet]
    timeline: list[Tweet]
    blocks: list[int]
    mutes: list[int]
    asked_by: list[int]
    asks: list[int]
    others: dict[int, Of] = field(default_factory=dict)
    singly: list[tuple[Said, Tweet | None]] = field(default_factory=list)
    passed: list[tuple[Said, Passed]] = field(default_factory=list)


async def take(salon: Salon) -> dict[int, Seen]:
    """What each member is shown. Raises as the client does."""
    slots = asyncio.Semaphore(AT_ONCE)
    tweets = [*salon.seeing.tweets.values()]
    shown = dict.fromkeys(each.original or each.quoted for each in tweets)
    passed = [each for each in shown if each is not None][-LAST_SHOWN:]

    async def slotted(ask: Callable[[], Awaitable[T]]) -> T:
        async with slots:
            return await ask()

    async def all_of(asks: Iterable[Callable[[], Awaitable[T]]]) -> list[T]:
        return await asyncio.gather(*map(slotted, asks))

    async def one(member: Member) -> Seen:
        seen = await slotted(lambda: _own(member))
        others = [each for each in salon.members if each is not member]
        found = await all_of([lambda o=each: _of(member, o) for each in others])  # type: ignore[misc]
        seen.others = {each.id: of for each, of in zip(others, found, strict=True)}
        last = tweets[-LAST:]
        answers = await all_of([lambda t=each: _tweet(member, t) for each in last])  # type: ignore[misc]
        seen.singly = [*zip(last, answers, strict=True)]
        answered = await all_of([lambda t=each: _passed(member, t) for each in passed])  # type: ignore[misc]
        seen.passed = [*zip(passed, answered, strict=True)]
        return seen

    found = await asyncio.gather(*map(one, salon.members))
    return {member.id: each for member, each in zip(salon.members, found, strict=True)}


async def _own(member: Member) -> Seen:
    client = member.client
    return Seen(
        is_private=(await client.privacy()).is_private,
        profile=await client.user(member.id),
        home=await whole_home(client),
        timeline=[each async for each in client.user_timeline(member.id, limit=100)],
        blocks=await _ids(client.blocks()),
        mutes=await _ids(client.mutes()),
        asked_by=await _ids(client.follow_requests()),
        asks=await _ids(client.sent_follow_requests()),
    )


async def _of(member: Member, other: Member) -> Of:
    client = member.client
    return Of(
        profile=await _if_there(client.user(other.id)),
        timeline=await _unless_refused(_all(client.user_timeline(other.id, limit=100))),
        followers=await _unless_refused(_ids(client.followers(other.id))),
        following=await _unless_refused(_ids(client.following(other.id))),
    )


async def _tweet(member: Member, said: Said) -> Tweet | None:
    return await _if_there(member.client.tweet(said.id))


async def _passed(member: Member, said: Said) -> Passed:
    return Passed(
        await _if_there(_ids(member.client.retweeters(said.id))),
        await _if_there(_all(member.client.quotes(said.id))),
    )


async def _all(pages: Pages[T]) -> list[T]:
    return [each async for each in pages]


async def _ids(pages: Pages[User]) -> list[int]:
    return [int(each.id) async for each in pages]


async def _if_there(ask: Awaitable[T]) -> T | None:
    try:
        return await ask
    except NotFound:
        return None


async def _unless_refused(ask: Awaitable[T]) -> T | Refusal:
    try:
        return await ask
    except NotFound:
        return "gone"
    except Forbidden:
        return "protected"
