"""One seed: a server, a load, injections, calm, a verdict."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from tests.chaos.checking import EXACT_WITHIN_S, STALE_WITHIN_S, Verdict, check
from tests.chaos.citizens import Citizen, Town
from tests.chaos.faults import Sort
from tests.chaos.injecting import Injector, Outcome
from tests.chaos.probing import Probe
from tests.chaos.salon.guests import SHARE, Evening, open_salon
from tests.chaos.salon.salon import Salon
from tests.chaos.schedule import Injection, schedule
from tests.chaos.sites import ACTIONS_PER_S, DECKS, SITES
from tests.chaos.town import PEOPLE, STREAMS, Load, prober, settle_in
from tests.integration.server.world import World, until

RECOVERY_S = 10.0
"""Reads and posts work again within so long after any injection."""
CALM_S = 1.0
CALM_WITHIN_S = 40.0
PROBERS = 5
NO_ROOM = "store_unavailable"

Tell = Callable[[str], object]


class Injected(msgspec.Struct):
    """An injection as it went; times in seconds since the load began."""

    what: str
    at_s: float
    effect: str
    took_effect: bool
    reads_back_s: float
    """How long after the end of the harm reads worked again."""
    posts_back_s: float
    is_alone: bool
    """Whether it was over, and all was well again, before the next one began."""
    replaced_after_s: float | None


class Result(msgspec.Struct):
    """What one seed came to."""

    seed: int
    deployment: str
    build: str
    seconds: float
    injected: list[Injected]
    verdict: Verdict
    writes: int
    acknowledged: int
    unanswered: int
    tweets: int
    hiding: int
    """Changes that people of the salon made and were acknowledged."""
    judged: int
    """What was shown to them, or not, of which it was sure that it had to be so."""
    streams: int
    stream_cuts: int
    resets: int
    refusals: dict[str, int]
    """Of those who ask all the time and repeat nothing, by the server's code."""
    failures: list[str]
    """Why it did not pass, besides the verdict's faults."""

    @property
    def passed(self) -> bool:
        return not self.failures and not self.verdict.faults


async def run_seed(
    seed: int,
    deployment: str,
    folder: Path,
    *,
    seconds: float = 30.0,
    build: str | None = None,
    plan: Sequence[Injection] | None = None,
    people: int = PEOPLE,
    streams: int = STREAMS,
    salon_share: float = SHARE,
    exact_within_s: float = EXACT_WITHIN_S,
    stale_within_s: float = STALE_WITHIN_S,
    tell: Tell = lambda _: None,
) -> Result:
    """Run one seed in an empty folder; `plan` instead of what the seed draws.

    People of the salon do `salon_share` of what those of the town do.
    """
    if plan is None:
        plan = schedule(seed, seconds, DECKS[deployment])
    tell("starting")
    async with SITES[deployment](folder, build) as site, World(site.server) as world:
        town = await settle_in(world, seed, people, streams)
        salon = await open_salon(world, random.Random(seed))
        busy = list(town.citizens)
        probers = [await prober(town) for _ in range(PROBERS)]
        reads, posts = Probe(lambda: _read(probers)), Probe(lambda: _post(probers[0]))
        load = Load(busy, ACTIONS_PER_S[deployment])
        evening = Evening(salon, salon_share * ACTIONS_PER_S[deployment])
        injector = Injector(site, lambda: posts.refusals[NO_ROOM])
        salon.was_calm = injector.was_calm
        failures: list[str] = []
        try:
            outcomes = await _inject(plan, injector, load.began_s, tell)
            left_s = load.began_s + seconds - time.monotonic()
            await asyncio.sleep(max(0.0, left_s))
            tell("waiting for calm")
            await _calm(town, salon, reads, posts)
        except AssertionError as error:
            failures.append(str(error))
        finally:
            await load.end()
            await evening.end()
            await reads.end()
            await posts.end()
        tell("checking")
        verdict = await check(town, salon, within_s=exact_within_s, stale_within_s=stale_within_s)
        injected = _recoveries(outcomes, load.began_s, reads, posts)
        failures += _complaints(injected)
        return Result(
            seed=seed,
            deployment=deployment,
            build=build or "",
            seconds=seconds,
            injected=injected,
            verdict=verdict,
            writes=town.writes,
            acknowledged=town.model.acknowledged,
            unanswered=town.model.doubted,
            tweets=len(town.model.tweets),
            hiding=salon.changes,
            judged=salon.found.judged,
            streams=sum(each.watcher is not None for each in town.citizens),
            stream_cuts=sum(each.watcher.cuts for each in town.citizens if each.watcher),
            resets=sum(each.watcher.promise.resets for each in town.citizens if each.watcher),
            refusals=dict(reads.refusals + posts.refusals),
            failures=failures,
        )


async def _read(probers: Sequence[Citizen]) -> None:
    await asyncio.gather(*(each.client.home().page() for each in probers))


async def _post(who: Citizen) -> None:
    if await who.post() is None:
        assert who.last_error is not None
        raise who.last_error


async def _inject(
    plan: Sequence[Injection], injector: Injector, began_s: float, tell: Tell
) -> list[Outcome]:
    """Carry out each at its time, side by side."""

    async def carry_out(injection: Injection) -> Outcome:
        await asyncio.sleep(max(0.0, began_s + injection.at_s - time.monotonic()))
        tell(str(injection))
        return await injector.carry_out(injection)

    return await asyncio.gather(*map(carry_out, plan))


async def _calm(town: Town, salon: Salon, reads: Probe, posts: Probe) -> None:
    """Reads and posts have worked for a while, and all streams are live."""

    async def is_calm() -> bool:
        since_s = time.monotonic() - CALM_S
        watchers = [each.watcher for each in town.citizens]
        watchers += [each.watcher for each in salon.members]
        return all(probe.works_since(since_s) for probe in (reads, posts)) and all(
            watcher.stream.connected for watcher in watchers if watcher is not None
        )

    await asyncio.sleep(CALM_S)
    await until(is_calm, within_s=CALM_WITHIN_S, what="calm")


def _recoveries(
    outcomes: Sequence[Outcome], load_began_s: float, reads: Probe, posts: Probe
) -> list[Injected]:
    found = []
    ordered = sorted(outcomes, key=lambda outcome: outcome.began_s)
    starts_s = [outcome.began_s for outcome in ordered]
    for number, outcome in enumerate(ordered):
        next_s = starts_s[number + 1] if number + 1 < len(ordered) else float("inf")
        over_s = outcome.ended_s
        former = [each.replaced_s or each.ended_s for each in ordered[:number]]
        back_s = [probe.back_after_s(outcome.began_s, over_s, next_s) for probe in (reads, posts)]
        replaced_s = outcome.replaced_s
        found.append(
            Injected(
                what=str(outcome.injection),
                at_s=round(outcome.began_s - load_began_s, 2),
                effect=outcome.effect,
                took_effect=outcome.took_effect,
                reads_back_s=round(back_s[0], 2),
                posts_back_s=round(back_s[1], 2),
                is_alone=(replaced_s or over_s) < next_s
                and all(each < outcome.began_s for each in former),
                replaced_after_s=None if replaced_s is None else round(replaced_s - over_s, 2),
            )
        )
    return found


def _complaints(injected: Sequence[Injected]) -> list[str]:
    found = [
        f"{each.what} took no effect: {each.effect}" for each in injected if not each.took_effect
    ]
    for each in injected:
        slow_s = max(each.reads_back_s, each.posts_back_s)
        if slow_s > RECOVERY_S:
            found.append(f"reads or posts worked again {slow_s:.1f} s after {each.what}")
    return found


def counts(result: Result) -> dict[str, int]:
    """Faults by their sort."""
    return {sort.value: result.verdict.count(sort) for sort in Sort}
