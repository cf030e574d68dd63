"""Replacing a whole list of users, as of those whom one blocks or mutes, by another one."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

from rookery.errors import InvalidRequest, NotFound
from rookery.services.graph.people import People

MAX_LISTED = 1_000
"""So many users a list that replaces another one may name."""
AT_ONCE = 20


class Replacement(NamedTuple):
    """Who comes to a list and who goes, by id."""

    added: list[int]
    removed: list[int]


NO_REPLACEMENT = Replacement([], [])


async def replacement_of(
    people: People, user_id: int, present: Sequence[int], wanted: Sequence[int], field: str
) -> Replacement:
    """What makes the list `wanted` of `present`, both of other users of `user_id`.

    Raises:
        InvalidRequest: `wanted` names too many, oneself, or somebody who is not there for
            `user_id`; `field` is what it is called in requests.
    """
    if len(wanted) > MAX_LISTED:
        raise InvalidRequest(f"{field} may name {MAX_LISTED} users", field)
    if user_id in wanted:
        raise InvalidRequest(f"{field} may not name oneself", field)
    former = set(present)
    added = sorted({*wanted} - former)
    there = await people.not_blocking(user_id, added)
    missing = [each for each in added if each not in there]
    if missing:
        raise InvalidRequest(f"{field} names {missing[0]}, and there is no such user", field)
    return Replacement(added, sorted(former - {*wanted}))


async def for_all(act: Callable[[int], Awaitable[object]], user_ids: Sequence[int]) -> None:
    """Do `act` for all of these users, some at a time; who is gone meanwhile is passed over."""

    async def try_to(user_id: int) -> None:
        with suppress(NotFound):
            await act(user_id)

    for begin in range(0, len(user_ids), AT_ONCE):
        await asyncio.gather(*map(try_to, user_ids[begin : begin + AT_ONCE]))
