"""Replacing a whole list of users, as of those whom one blocks or mutes, by another one."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from rookery.errors import InvalidRequest

MAX_LISTED = 1_000
"""So many users a list that replaces another one may name."""
AT_ONCE = 20


class Replacement(NamedTuple):
    """Who comes to a list and who goes, by id."""

    added: list[int]
    removed: list[int]


NO_REPLACEMENT = Replacement([], [])


def replacement_of(
    user_id: int, present: Sequence[int], wanted: Sequence[int], field: str
) -> Replacement:
    """What makes the list `wanted` of `present`, both of other users than `user_id`.

    Raises:
        InvalidRequest: `wanted` names too many, or oneself; `field` is what it is called in
            requests.
    """
    if len(wanted) > MAX_LISTED:
        raise InvalidRequest(f"{field} may name {MAX_LISTED} users", field)
    if user_id in wanted:
        raise InvalidRequest(f"{field} may not name oneself", field)
    former = set(present)
    return Replacement(sorted({*wanted} - former), sorted(former - {*wanted}))


async def for_all(act: Callable[[int], Awaitable[object]], user_ids: Sequence[int]) -> None:
    """Do `act` for all of these users, some at a time."""
    for begin in range(0, len(user_ids), AT_ONCE):
        await asyncio.gather(*map(act, user_ids[begin : begin + AT_ONCE]))
