"""Who asks to follow a private account: both directions of each request.

Lists come newest first by `request_id`, the Snowflake of the moment of asking, which is also their
cursor. Nobody who follows a user asks to, and nobody asks across a block: whatever makes a follow
or a block removes the request in the same batch.

Beside them stand the notes about accounts that were made public, whose requests are all to be
approved: one document of `JOBS` each, which stays until no request is left.
"""

import msgspec

from rookery.models import User
from rookery.store.engine import Delete, Expect, Insert, Operation, Put, Reader
from rookery.store.records.graph import USER_UNCHANGED, user_unchanged
from rookery.store.schema import FOLLOW_REQUESTS, JOBS, SENT_REQUESTS, USERS

NOT_REQUESTED = "not requested"
REQUESTED = "requested"
_OPENINGS, _BEHIND_OPENINGS = "opening ", "opening!"
"""The names of all notes are between these two: a blank is followed by an exclamation mark."""

Request = tuple[int, int]
"""(user id, request id)."""


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """An account that was made public; `token` is a Snowflake of the moment."""

    user_id: int
    token: int


def not_requested(follower_id: int, followee_id: int) -> Expect:
    """The condition `NOT_REQUESTED`."""
    return Expect(SENT_REQUESTS.name, (follower_id, followee_id), False, label=NOT_REQUESTED)


def request_operations(
    follower_id: int, followee_id: int, request_id: int
) -> tuple[Operation, ...]:
    """Operations that make a request, on the condition `NOT_REQUESTED`."""
    request = {"follower_id": follower_id, "followee_id": followee_id, "request_id": request_id}
    return (
        not_requested(follower_id, followee_id),
        Insert(FOLLOW_REQUESTS.name, request),
        Insert(SENT_REQUESTS.name, request),
    )


def end_request_operations(
    follower_id: int, followee_id: int, request_id: int
) -> tuple[Operation, ...]:
    """Operations that remove the request made as `request_id`, on the condition `REQUESTED`."""
    key = (follower_id, followee_id)
    return (
        Expect(SENT_REQUESTS.name, key, True, {"request_id": request_id}, REQUESTED),
        Delete(SENT_REQUESTS.name, key),
        Delete(FOLLOW_REQUESTS.name, (followee_id, follower_id)),
    )


def opening_operation(user_id: int, token: int) -> Operation:
    """What notes that an account was made public, in the batch that does it."""
    return Put(JOBS.name, {"name": _name(user_id), "user_id": user_id, "token": token})


def end_opening_operations(user_id: int, user: User | None) -> tuple[Operation, ...]:
    """What removes the note about an account, on condition that `user` is what it is (None: gone).

    Read the user first and the requests then: of a public account there can be no new ones.
    """
    if user is None:
        found = Expect(USERS.name, (user_id,), False, label=USER_UNCHANGED)
    else:
        found = user_unchanged(user)
    return (found, Delete(JOBS.name, (_name(user_id),)))


def _name(user_id: int) -> str:
    return f"{_OPENINGS}{user_id:019}"


class RequestRepository:
    """Reads of requests."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def incoming(self, user_id: int, before: int, limit: int) -> list[Request]:
        """Who asks to follow `user_id`, newest first, below request id `before` (0: all)."""
        rows = await self._reader.select(
            FOLLOW_REQUESTS,
            ("follower_id", "request_id"),
            (user_id,),
            index="by_time",
            before=(before,) if before else None,
            limit=limit,
            reverse=True,
        )
        return [(follower_id, request_id) for follower_id, request_id in rows]

    async def sent(self, user_id: int, before: int, limit: int) -> list[Request]:
        """Whom `user_id` asks to follow; as `incoming`."""
        rows = await self._reader.select(
            SENT_REQUESTS,
            ("followee_id", "request_id"),
            (user_id,),
            index="by_time",
            before=(before,) if before else None,
            limit=limit,
            reverse=True,
        )
        return [(followee_id, request_id) for followee_id, request_id in rows]

    async def opening(self, user_id: int) -> Opening | None:
        """The note about an account, if there is one."""
        document = await self._reader.get(JOBS, (_name(user_id),))
        return None if document is None else msgspec.convert(document, Opening)

    async def openings(self, after_id: int, limit: int) -> list[Opening]:
        """The notes about accounts with greater ids than `after_id`, by id."""
        documents = await self._reader.range(
            JOBS,
            after=(_name(after_id) if after_id else _OPENINGS,),
            before=(_BEHIND_OPENINGS,),
            limit=limit,
        )
        return [msgspec.convert(document, Opening) for document in documents]
