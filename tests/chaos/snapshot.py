"""What the server shows to everybody, read over its API once calm has returned."""

import asyncio
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from rookery.client import NotFound, Tweet, User
from tests.chaos.citizens import Citizen, Town, whole_home

AT_ONCE = 16
T = TypeVar("T")


@dataclass
class Shown:
    """What one person's pages show."""

    profile: User
    timeline: list[Tweet]
    home: list[Tweet]
    following: list[int]
    followers: list[int]


@dataclass
class Snapshot:
    """All of it; `likers` by tweet, `revived` are deleted tweets that can be read."""

    people: dict[int, Shown] = field(default_factory=dict)
    likers: dict[int, list[int]] = field(default_factory=dict)
    revived: list[int] = field(default_factory=list)


async def take(town: Town) -> Snapshot:
    """Read everything. Raises as the client does."""
    found = Snapshot()
    slots = asyncio.Semaphore(AT_ONCE)

    async def slotted(work: Awaitable[T]) -> T:
        async with slots:
            return await work

    async def all_of(works: Iterable[Awaitable[T]]) -> list[T]:
        return await asyncio.gather(*map(slotted, works))

    shown = await all_of(_shown(citizen) for citizen in town.citizens)
    found.people = {citizen.id: each for citizen, each in zip(town.citizens, shown, strict=True)}
    existing = {int(tweet.id) for each in shown for tweet in each.timeline}
    reader = town.citizens[0].client
    liked = sorted(existing & {tweet_id for _, tweet_id in town.model.likes})

    async def likers(tweet_id: int) -> list[int]:
        return [int(user.id) async for user in reader.likers(tweet_id)]

    found.likers = dict(zip(liked, await all_of(map(likers, liked)), strict=True))
    gone = [each.id for each in town.model.tweets.values() if not each.may_exist]

    async def is_there(tweet_id: int) -> bool:
        try:
            await reader.tweet(tweet_id)
        except NotFound:
            return False
        return True

    there = await all_of(map(is_there, gone))
    found.revived = [each for each, is_found in zip(gone, there, strict=True) if is_found]
    return found


async def _shown(citizen: Citizen) -> Shown:
    client = citizen.client
    return Shown(
        profile=await client.user(citizen.id),
        timeline=[tweet async for tweet in client.user_timeline(citizen.id, limit=100)],
        home=await whole_home(client),
        following=[int(user.id) async for user in client.following(citizen.id)],
        followers=[int(user.id) async for user in client.followers(citizen.id)],
    )
