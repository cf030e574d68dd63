"""Waits for calm, and holds the server to everything it has acknowledged."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator

import aiohttp
import msgspec

from rookery.client import ClientError, Unauthorized
from rookery.errors import RookeryError
from tests.chaos.citizens import Citizen, LoggedOut, Town
from tests.chaos.comparing import compare
from tests.chaos.faults import Fault, Sort, doubled, leaked, lost, wrong
from tests.chaos.model import Posted
from tests.chaos.salon.checking import last_words, look
from tests.chaos.salon.history import LATE_S
from tests.chaos.salon.salon import Salon
from tests.chaos.snapshot import take
from tests.integration.server.world import settled

EXACT_WITHIN_S = 15.0
"""So long after the load everything is right, and nobody is shown anything else."""
STALE_WITHIN_S = LATE_S
REFUSED = (4401, 4403)
"""Close codes of a logged-out device: it was revoked; or its connection broke just when it logged
out, and it came again without the token, which it had forgotten."""
REPEATED = 10
"""So many posts are repeated with their keys."""
TOKEN_ATTEMPTS = 6
LOOK_AGAIN_S = 0.25


class Verdict(msgspec.Struct):
    """What the checker found; `exact_after_s` is when there was nothing to find any more."""

    faults: list[Fault]
    exact_after_s: float | None

    def count(self, sort: Sort) -> int:
        return Counter(fault.sort for fault in self.faults)[sort]


async def check(
    town: Town,
    salon: Salon,
    *,
    within_s: float = EXACT_WITHIN_S,
    stale_within_s: float = STALE_WITHIN_S,
) -> Verdict:
    """To be called when the load and all injections have ended.

    What is late is looked at again until `within_s`; what was seen to be wrong on the way stays.
    """
    began_s = time.monotonic()
    farewells = await _farewells(town)
    await last_words(salon)
    exact_after_s = None
    while True:
        faults = await _look(town, farewells)
        looked = await look(salon)
        faults += looked.faults
        now_s = time.monotonic()
        if not faults:
            exact_after_s = now_s - began_s
            break
        is_stale = all(fault.sort is Sort.STALE for fault in faults)
        if now_s - began_s > (stale_within_s if is_stale else within_s):
            break
        await asyncio.sleep(LOOK_AGAIN_S)
    salon.found.judged += looked.judged
    faults += [fault async for fault in _repetitions(town)]
    return Verdict([*town.faults, *salon.found.faults, *faults], exact_after_s)


async def _farewells(town: Town) -> dict[int, int]:
    """Everybody posts once more: who follows them now is told, nobody else."""

    async def farewell(citizen: Citizen) -> tuple[int, Posted | None]:
        return citizen.id, await citizen.post()

    found = await asyncio.gather(*map(farewell, town.citizens))
    for citizen_id, posted in found:
        if posted is None:
            town.faults.append(lost(f"{citizen_id} cannot post although calm has returned"))
    return {author_id: posted.id for author_id, posted in found if posted is not None}


async def _look(town: Town, farewells: dict[int, int]) -> list[Fault]:
    try:
        await settled(town.world)
        seen = await take(town)
        faults = compare(town, seen)
        for citizen in town.citizens:
            following = seen.people[citizen.id].following
            faults += _told_of(citizen, {*following, citizen.id}, farewells)
            for gone in citizen.logged_out:
                faults += [fault async for fault in _let_in(citizen, gone)]
        for found in await town.world.faults():
            parts = {name: value for name, value in found.items() if value}
            faults.append(wrong(f"fsck: {parts}"))
    except (ClientError, RookeryError, AssertionError) as error:
        return [lost(f"reading does not work although calm has returned: {error!r}")]
    return faults


def _told_of(citizen: Citizen, due: set[int], farewells: dict[int, int]) -> list[Fault]:
    """The stream tells of those who are followed now, and of nobody else."""
    if citizen.watcher is None:
        return []
    name, watcher = citizen.username, citizen.watcher
    told = set(watcher.told)
    found = []
    for author_id, tweet_id in farewells.items():
        if author_id in due and tweet_id not in watcher.shown:
            found.append(lost(f"the stream of {name} did not tell of the last tweet {tweet_id}"))
        if author_id not in due and tweet_id in told:
            found.append(leaked(f"the stream of {name} told of {tweet_id} by who is not followed"))
    return found


async def _let_in(citizen: Citizen, gone: LoggedOut) -> AsyncIterator[Fault]:
    """Nobody accepts what a logged-out device has."""
    world, name = citizen.town.world, citizen.username
    answers = await world.statuses("/users/me", gone.token, TOKEN_ATTEMPTS)
    if answers != {401}:
        yield leaked(f"a logged-out device of {name} was answered {sorted(answers)}")
    async with await world.client(refresh_token=gone.refresh_token) as client:
        try:
            await client.refresh()
            yield leaked(f"a logged-out device of {name} refreshed its token")
        except Unauthorized:
            pass
    if gone.watcher is not None and (
        gone.watcher.closed is None or gone.watcher.closed.code not in REFUSED
    ):
        yield leaked(f"the stream of a logged-out device of {name}: {gone.watcher.closed}")


async def _repetitions(town: Town) -> AsyncIterator[Fault]:
    """A post that is repeated with its key is not posted again, answered before or not."""
    there = [each for each in town.model.tweets.values() if each.must_exist]
    posts = there[-20 * REPEATED :: 20]
    posts += [each for each in town.model.unanswered.values() if each.id][:REPEATED]
    authors = {citizen.id: citizen for citizen in town.citizens}
    for posted in posts:
        client = authors[posted.author_id].client
        try:
            again = await client.post(
                posted.first_text, reply_to=posted.parent_id, idempotency_key=posted.key
            )
        except (ClientError, aiohttp.ClientError) as error:
            yield wrong(f"post {posted.id} could not be repeated: {error}")
            continue
        if int(again.id) != posted.id:
            yield doubled(f"post {posted.id} was repeated and made {again.id}")
