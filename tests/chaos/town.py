"""Makes the people, whom they follow and their streams, and keeps them busy."""

import asyncio
import random
import time
from collections.abc import Sequence

from rookery.client import Retries
from tests.chaos.citizens import TIMEOUT_S, Citizen, Town, until_answered
from tests.integration.server.world import World, until

PEOPLE = 40
STREAMS = 10
STARS = 2
"""So many are followed by everybody, and fanned out as celebrities."""
CELEBRITY_THRESHOLD = 20
SETTLING_AT_ONCE = 8
STEADY = 6
LOOSE = 4


async def settle_in(world: World, seed: int, people: int = PEOPLE, streams: int = STREAMS) -> Town:
    """Everybody signed up, following, and the first of them with a live stream.

    One more, behind the stars, has about as many followers as make a celebrity.
    """
    chance = random.Random(seed)
    town = Town(world)
    # Or aiohttp itself would repeat requests, and an unanswered one would count as acknowledged.
    world._http._retry_connection = False
    for person in await world.people(people, "citizen"):
        client = await world.client(token=person.session.token, timeout_s=TIMEOUT_S)
        town.citizens.append(Citizen(town, person, client, random.Random(chance.random())))
    ids = [each.id for each in town.citizens]
    for number, citizen in enumerate(town.citizens):
        others = [other for other in ids[STARS + 1 :] if other != citizen.id]
        chosen = chance.sample(others, min(STEADY + LOOSE, len(others)))
        steady, citizen.loose = chosen[:STEADY], chosen[STEADY:]
        steady += [star for star in ids[:STARS] if star != citizen.id]
        rising = ids[STARS]
        if number % 2 == 0 and citizen.id != rising:
            citizen.loose.append(rising)
        citizen.steady = set(steady)
    slots = asyncio.Semaphore(SETTLING_AT_ONCE)

    async def follow_all(citizen: Citizen) -> None:
        async with slots:
            await _follow_all(citizen)

    await asyncio.gather(*map(follow_all, town.citizens))
    for citizen in town.citizens[-streams:] if streams else []:
        citizen.watcher = await citizen.watch()
    for citizen in town.citizens:
        if citizen.watcher is not None:
            stream = citizen.watcher.stream
            await until(lambda s=stream: asyncio.sleep(0, s.connected), what="a live stream")  # type: ignore[misc]
    return town


async def _follow_all(citizen: Citizen) -> None:
    for other in [*citizen.steady, *citizen.loose]:
        await until_answered(lambda other=other: citizen.person.client.follow(other))  # type: ignore[misc]
        citizen.model.edge(citizen.id, other).set(True)


class Load:
    """These people are busy from when this is made until `end`."""

    def __init__(self, busy: Sequence[Citizen], actions_per_s: float) -> None:
        self._ended = False
        self.began_s = time.monotonic()
        pace_s = len(busy) / actions_per_s
        self._tasks = [asyncio.create_task(each.live(lambda: self._ended, pace_s)) for each in busy]

    async def end(self) -> None:
        """Let everybody finish what they do."""
        self._ended = True
        await asyncio.gather(*self._tasks)


async def prober(town: Town) -> Citizen:
    """One more person, who follows some and waits for 2 s at the most, repeating nothing."""
    person = await town.world.person("prober")
    client = await town.world.client(
        token=person.session.token, timeout_s=2.0, retries=Retries(max_attempts=1)
    )
    found = Citizen(town, person, client, random.Random(0))
    found.steady = {each.id for each in town.citizens[: STARS + STEADY]}
    await _follow_all(found)
    town.citizens.append(found)
    return found
