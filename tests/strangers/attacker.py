"""``python -m tests.strangers.attacker``: one address that is hostile for a while.

Takes an `Order` as JSON from its only argument, writes a `Report` as JSON to standard output at
the end, and lets its connections be cut with itself.
"""

import asyncio
import os
import random
import sys
import time

import msgspec

from tests.strangers.behaviours import accounts, bodies, crowds, heads, members, slow, sockets
from tests.strangers.ground import Budget, Ground, Record
from tests.strangers.hostile import Behaviour

_ROOMS = (heads, bodies, slow, crowds, sockets, accounts, members)
BEHAVIOURS: dict[str, type[Behaviour]] = {
    each.name: each for room in _ROOMS for each in room.BEHAVIOURS
}
NICENESS = 10


class Order(msgspec.Struct, frozen=True):
    """What an attacker is to do: one list of behaviours a round."""

    address: str
    http_port: int
    live_port: int
    seed: int
    rounds: list[list[str]]
    round_s: float
    share: float
    """Of one core."""
    victim_name: str
    crowd: int = 1_000
    """How many a crowd is."""


class Outcome(msgspec.Struct, frozen=True):
    behaviour: str
    outcome: str
    count: int


class Report(msgspec.Struct, frozen=True):
    """What an attacker has seen."""

    address: str
    outcomes: list[Outcome]
    examples: dict[str, str]
    used_s: float
    posts: int
    failures: list[str]
    """Of the attacker itself."""


async def attack(order: Order) -> Report:
    """Carry out an order."""
    ground = Ground(
        order.address,
        order.http_port,
        order.live_port,
        Budget(order.share),
        Record(),
        random.Random(f"{order.seed} {order.address}"),
        order.victim_name,
    )
    watching = asyncio.create_task(ground.budget.watch())
    failures: list[str] = []
    began_s = time.monotonic()
    await members.Insider(ground).enlist()
    for number, names in enumerate(order.rounds):
        tasks = [asyncio.create_task(_prepared(name, ground, order).run()) for name in names]
        left_s = began_s + (number + 1) * order.round_s - time.monotonic()
        done, _ = await asyncio.wait(tasks, timeout=max(0.1, left_s))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        failures += [repr(task.exception()) for task in done if not task.cancelled()]
        left_s = began_s + (number + 1) * order.round_s - time.monotonic()
        await asyncio.sleep(max(0.0, left_s))  # Some end early, by a fault of their own.
    watching.cancel()
    counted = sorted(ground.record.outcomes.items())
    outcomes = [Outcome(name, outcome, count) for (name, outcome), count in counted]
    examples, used_s = ground.record.examples, ground.budget.used_s
    return Report(order.address, outcomes, examples, used_s, ground.posts, failures)


def _prepared(name: str, ground: Ground, order: Order) -> Behaviour:
    behaviour = BEHAVIOURS[name](ground)
    if isinstance(behaviour, crowds.Crowd):
        behaviour.at_once = min(behaviour.at_once, order.crowd)
    return behaviour


def main() -> None:
    order = msgspec.json.decode(sys.argv[1], type=Order)
    os.nice(NICENESS)
    report = asyncio.run(attack(order))
    sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n")
    sys.stdout.flush()
    os._exit(0)  # Thousands of connections end with the process.


if __name__ == "__main__":
    main()
