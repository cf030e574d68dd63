"""What each address does when: drawn from the seed, the same each time."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

SLOTS = 3
"""So many behaviours of an address at a time."""


@dataclass(frozen=True)
class Round:
    """What each address does for a while; `together` says that all do the same."""

    together: bool
    behaviours: dict[str, list[str]]


def rounds(
    seed: int, count: int, addresses: Sequence[str], names: Sequence[str], slots: int = SLOTS
) -> list[Round]:
    """`count` rounds. Every third one all addresses do the same.

    Mixed rounds deal the names out like cards: when all are dealt, they are shuffled again, so
    that everything is done before anything is done again.
    """
    chance = random.Random(seed)
    mixed, common = _Deck(names, chance), _Deck(names, chance)
    found = []
    for number in range(count):
        if number % 3 == 2:
            same = common.deal(slots)
            found.append(Round(True, dict.fromkeys(addresses, same)))
        else:
            found.append(Round(False, {address: mixed.deal(slots) for address in addresses}))
    return found


class _Deck:
    def __init__(self, names: Sequence[str], chance: random.Random) -> None:
        self._names, self._chance = sorted(names), chance
        self._left: list[str] = []

    def deal(self, count: int) -> list[str]:
        dealt: list[str] = []
        while len(dealt) < count:
            if not self._left:
                self._left = self._chance.sample(self._names, len(self._names))
            card = self._left.pop()
            if card not in dealt:
                dealt.append(card)
        return dealt
