"""Holds what the people of a salon are shown to who may see what."""

import asyncio
from collections.abc import Iterator

from rookery.client import ClientError, NotFound
from tests.chaos.citizens import until_answered, whole_home
from tests.chaos.faults import Fault, leaked, lost
from tests.chaos.salon import Guest, Salon
from tests.chaos.seeing import Said

AT_ONCE = 16
LAST = 40
"""So many of the newest tweets are asked for one by one."""


async def last_words(salon: Salon) -> list[Said]:
    """Everybody posts once more and then retweets: whom to tell of it is known."""
    said = [await guest.post() for guest in salon.guests]
    said += [await guest.retweet() for guest in salon.guests]
    return [each for each in said if each is not None]


async def look(salon: Salon, words: list[Said]) -> list[Fault]:
    """Everything that is shown and must not be, or the other way round."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(guest: Guest) -> list[Fault]:
        async with slots:
            return [
                *await _home(salon, guest),
                *await _singly(salon, guest),
                *_told(salon, guest, words),
            ]

    return [fault for found in await asyncio.gather(*map(one, salon.guests)) for fault in found]


async def _home(salon: Salon, guest: Guest) -> list[Fault]:
    seeing, name = salon.seeing, guest.username
    shown = {int(tweet.id) for tweet in await until_answered(lambda: whole_home(guest.client))}
    found = []
    for tweet in seeing.tweets.values():
        must, may = seeing.in_home(guest.id, tweet)
        if tweet.id in shown and not may:
            found.append(leaked(f"the home of {name} shows {tweet.id} by {tweet.author_id}"))
        elif must and tweet.id not in shown:
            found.append(lost(f"the home of {name} lacks {tweet.id} by {tweet.author_id}"))
    return found


async def _singly(salon: Salon, guest: Guest) -> list[Fault]:
    found = []
    for tweet in [*salon.seeing.tweets.values()][-LAST:]:
        must, may = salon.seeing.sees(guest.id, tweet)
        try:
            await guest.client.tweet(tweet.id)
        except NotFound:
            if must:
                found.append(lost(f"{guest.username} cannot read {tweet.id}"))
        except ClientError as error:
            found.append(lost(f"reading does not work although calm has returned: {error!r}"))
        else:
            if not may:
                found.append(leaked(f"{guest.username} can read {tweet.id} by {tweet.author_id}"))
    return found


def _told(salon: Salon, guest: Guest, words: list[Said]) -> Iterator[Fault]:
    """The stream tells of what home shows, and of nothing else."""
    name, watcher = guest.username, guest.watcher
    yield from watcher.faults(name)
    told = set(watcher.told)
    for tweet in words:
        must, may = salon.seeing.in_home(guest.id, tweet)
        if must and tweet.id not in watcher.shown:
            yield lost(f"the stream of {name} did not tell of the last {tweet.id}")
        if tweet.id in told and not may:
            yield leaked(f"the stream of {name} told of {tweet.id} by {tweet.author_id}")
