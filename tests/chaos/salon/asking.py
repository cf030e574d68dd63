"""A member of a salon who asks for changes, and notes what came of them."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from typing import Any, TypeAlias, TypeVar

from rookery.actors.broadcast import BOUND_S
from rookery.client import (
    ApiError,
    Client,
    ClientError,
    Conflict,
    Forbidden,
    NotFound,
    Unauthorized,
)
from tests.chaos.faults import Fault, lost, wrong
from tests.chaos.salon.history import Change, History
from tests.chaos.salon.salon import Member, Salon, now_s
from tests.chaos.salon.seeing import Over

T = TypeVar("T")
Effect: TypeAlias = tuple[History[Any], tuple[Any, ...]]
"""What a change is of, and to which value, or to one of which."""

TOLD_WITHIN_S = BOUND_S
"""An answer that comes sooner waited for every process; later, some may have been given up."""
LET_GO = 0.15
"""How often a change that got no answer is not asked for again."""
REFUSED = (NotFound, Forbidden, Conflict)


class Asking(Member):
    """Makes one change after the other."""

    def __init__(
        self, salon: Salon, user_id: int, username: str, client: Client, chance: random.Random
    ) -> None:
        super().__init__(user_id, username, client)
        self.salon = salon
        self.seeing = salon.seeing
        self.chance = chance
        self.was_told = False
        """Of the last change: whether everybody knew of it when it was answered."""

    def now(self) -> Over:
        """How everybody stands at this moment."""
        at_s = now_s()
        return self.seeing.over(at_s, at_s)

    async def ask(
        self,
        act: Callable[[], Awaitable[T]],
        *effects: Effect,
        told_within_s: float = TOLD_WITHIN_S,
        outcome: Callable[[T], Sequence[object]] | None = None,
    ) -> T | None:
        """Ask for a change, mostly until there is an answer; None: there was none.

        `outcome` tells of an answer what the effects were, where that is open.

        Raises:
            NotFound, Forbidden, Conflict: it was refused, and had no effect.
        """
        began_s = now_s()
        begun = [(history, history.begin(began_s, *values)) for history, values in effects]
        for attempt in count():
            try:
                answer = await act()
            except REFUSED:
                if not attempt:  # or the first may have had an effect
                    for history, change in begun:
                        history.refused(change)
                raise
            except ClientError as error:
                self.complain(error)
                if self.salon.has_ended or self.chance.random() < LET_GO:
                    return None
                await asyncio.sleep(0.1)
            else:
                self._answered(begun, began_s, told_within_s, outcome and outcome(answer))
                return answer
        raise AssertionError("the attempts do not end")

    def _answered(
        self,
        begun: Sequence[tuple[History[Any], Change[Any]]],
        began_s: float,
        told_within_s: float,
        values: Sequence[object] | None,
    ) -> None:
        now = now_s()
        is_told = now - began_s < told_within_s and self.salon.was_calm(began_s, now)
        self.was_told = is_told
        for number, (history, change) in enumerate(begun):
            value = values[number] if values is not None else None
            history.answered(change, now, is_told=is_told, value=value)
        self.salon.changes += 1

    def complain(self, error: ClientError) -> None:
        if isinstance(error, Unauthorized):
            self.fault(lost(f"{self.username} was refused: {error}"))
        elif isinstance(error, ApiError) and error.status == 500:
            self.fault(wrong(f"{self.username} got an internal error: {error}"))

    def fault(self, fault: Fault) -> None:
        self.salon.found.faults.append(fault)
