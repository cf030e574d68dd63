"""What is injected when: drawn from a seed, the same for the same seed. Pure."""

import random
from collections.abc import Sequence

import msgspec

FIRST_S = 2.0
"""The load runs so long before the first injection."""
CALMING_S = 5.0
"""No injection begins in the last seconds of a schedule."""
EVERY_S = 5.0
TOGETHER = 0.3
"""How often an injection begins while the one before it has just begun."""


class Card(msgspec.Struct, frozen=True):
    """Something that can be done to a deployment, and how long it lasts; 0: a moment."""

    kind: str
    target: str
    shortest_s: float = 0.0
    longest_s: float = 0.0

    def __str__(self) -> str:
        return f"{self.kind} {self.target}"


class Injection(msgspec.Struct, frozen=True):
    """`kind` is done to `target`, `at_s` after the load began, for `lasts_s`."""

    at_s: float
    kind: str
    target: str
    lasts_s: float

    def __str__(self) -> str:
        lasting = f" for {self.lasts_s:.1f} s" if self.lasts_s else ""
        return f"{self.kind} {self.target}{lasting}"


def deal(seed: int, deck: Sequence[Card], count: int) -> list[Card]:
    """The cards of seed `seed` (from 1 on): seeds that follow each other share out whole decks.

    So any run of seeds long enough does everything that can be done.
    """
    first = (seed - 1) * count
    cards: list[Card] = []
    for number in range(first, first + count):
        lap, place = divmod(number, len(deck))
        shuffled = sorted(deck, key=str)
        random.Random(lap).shuffle(shuffled)
        cards.append(shuffled[place])
    return cards


def schedule(seed: int, seconds: float, deck: Sequence[Card]) -> list[Injection]:
    """The injections of a seed in the order of their time."""
    chance = random.Random(seed)
    room_s = max(0.0, seconds - FIRST_S - CALMING_S)
    count = max(1, round(room_s / EVERY_S))
    at_s = FIRST_S
    found: list[Injection] = []
    for card in deal(seed, deck, count):
        lasts_s = round(chance.uniform(card.shortest_s, card.longest_s), 2)
        found.append(Injection(round(at_s, 2), card.kind, card.target, lasts_s))
        if chance.random() < TOGETHER:
            at_s += chance.uniform(0.0, 0.5)
        else:
            at_s += chance.uniform(0.8, 1.2) * EVERY_S
        at_s = min(at_s, FIRST_S + room_s)
    return found
