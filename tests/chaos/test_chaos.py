"""The chaos suite itself: it passes a server that is whole, and catches every broken one.

The long runs stand under ``make chaos``; these are short, with everything in one process.
"""

from pathlib import Path

import pytest

from rookery.actors import names
from tests.chaos.broken import BUILDS
from tests.chaos.checking import EXACT_WITHIN_S, STALE_WITHIN_S
from tests.chaos.faults import Sort
from tests.chaos.probing import Outcome, back_after_s
from tests.chaos.running import Result, run_seed
from tests.chaos.salon.broken import SOCIAL_BUILDS
from tests.chaos.salon.guests import SHARE
from tests.chaos.schedule import Card, Injection, schedule
from tests.chaos.sites import DECKS, SERVER

WORKER_DIES = [Injection(at_s, "interrupt", names.FANOUT_WORKER, 0.0) for at_s in (0.8, 1.6, 2.4)]
"""What it delivered and did not acknowledge is delivered again."""
SERVER_DIES = [Injection(2.0, "kill", SERVER, 0.1)]
PLANS = {"acknowledge-early": SERVER_DIES, "forget-delivered": WORKER_DIES}
CAUGHT_AS: dict[str, set[Sort]] = {
    "acknowledge-early": {Sort.LOST},
    "forget-delivered": {Sort.DOUBLED},
    "drop-pushes": {Sort.WRONG},
    "push-to-hidden": {Sort.LEAKED},
    "push-to-former": {Sort.LEAKED},
    "keep-retweets": {Sort.LEAKED},
    "retweet-twice": {Sort.DOUBLED},
    "miscount": {Sort.WRONG},
    "lose-blocks": {Sort.LOST},
    "trust-viewers": {Sort.STALE},
    "keep-cards": {Sort.STALE},
    "skip-filter": {Sort.LEAKED},
    "show-quoted": {Sort.LEAKED, Sort.STALE},
    "answer-early": {Sort.STALE},
    "forget-requests": {Sort.LOST},
    "leave-retweets": {Sort.WRONG},
}
SECONDS = 3.5


async def short(folder: Path, plan: list[Injection], build: str | None = None) -> Result:
    return await run_seed(
        1,
        "inline",
        folder,
        seconds=SECONDS,
        plan=plan,
        build=build,
        people=16,
        streams=6,
        salon_share=1.0 if build in SOCIAL_BUILDS else SHARE,
        exact_within_s=EXACT_WITHIN_S if build is None else 1.0,
        stale_within_s=STALE_WITHIN_S if build is None else 1.0,
    )


async def test_a_whole_server_passes(tmp_path: Path) -> None:
    """Killed and started again, its worker too, it has everything, once."""
    result = await short(tmp_path, [*WORKER_DIES[:1], *SERVER_DIES])
    assert [each.effect for each in result.injected if not each.took_effect] == []
    assert result.verdict.faults == []
    assert result.passed
    assert result.acknowledged > 50
    assert result.hiding > 20
    assert result.judged > 1_000


@pytest.mark.parametrize("build", BUILDS)
async def test_a_broken_build_is_caught(tmp_path: Path, build: str) -> None:
    """As what it is."""
    result = await short(tmp_path, PLANS.get(build, []), build)
    assert all(each.took_effect for each in result.injected)
    assert not result.passed
    assert CAUGHT_AS[build] & {fault.sort for fault in result.verdict.faults}


def test_twenty_seeds_do_everything() -> None:
    """At least once each, and every seed has a schedule of its own."""
    for deck in DECKS.values():
        plans = [schedule(seed, 30.0, deck) for seed in range(1, 21)]
        assert {(each.kind, each.target) for plan in plans for each in plan} == {
            (card.kind, card.target) for card in deck
        }
        assert len({tuple(plan) for plan in plans}) == 20


def test_a_seed_draws_the_same_again() -> None:
    """Whatever the order of the deck."""
    deck = [Card("kill", "a"), Card("pause", "b", 1.0, 2.0)]
    assert schedule(3, 30.0, deck) == schedule(3, 30.0, deck[::-1])


WORKED = Outcome(4.0, 4.1, True)
LATER = Outcome(12.0, 12.1, True)


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([WORKED, LATER], 3.1),
        ([WORKED, Outcome(5.0, 5.5, False), Outcome(6.0, 6.5, True), LATER], 5.5),
        # Under way when the next harm began: that one's.
        ([WORKED, Outcome(7.0, 11.0, False), LATER], 3.1),
        # Nothing worked in between: still this one's.
        ([Outcome(7.0, 11.0, False), LATER], 11.1),
        ([WORKED, Outcome(5.0, 5.5, False), Outcome(7.0, 11.0, False), LATER], 11.1),
        ([Outcome(2.0, 2.1, False)], float("inf")),
    ],
)
def test_a_failure_counts_for_the_harm_that_made_it(
    outcomes: list[Outcome], expected: float
) -> None:
    """Of one that is over at 1.0, before another one that begins at 8.0."""
    assert back_after_s(outcomes, 0.5, 1.0, 8.0) == pytest.approx(expected)
