"""Loads a network's accounts and follows straight into a store that no server is using.

Resumable: each chunk and the note of how far the load has come are one atomic write. The accounts
have no password (`rookery admin token USER` lets one in).
"""

from collections import Counter
from collections.abc import Callable, Iterator
from functools import cached_property

import msgspec

from rookery.bulk.higgs import Network, user_id, username
from rookery.errors import Conflict
from rookery.models import User
from rookery.store.engine import Document, Operation, Put, Store, WriteBatch
from rookery.store.schema import FOLLOWEES, FOLLOWERS, JOBS, USER_COUNTS, USERNAMES, USERS

CHUNK = 2_000

Progress = Callable[[str, int, int], None]
"""Called with (stage, done, total)."""


class Loader:
    """Loads one network under a job name; running it again goes on where it stopped."""

    def __init__(self, store: Store, network: Network, job: str) -> None:
        self._store = store
        self._network = network
        self._job = job

    async def run(self, progress: Progress) -> bool:
        """Load all; False if it was loaded already.

        Raises:
            Conflict: the store holds another file's load under this name.
            StoreUnavailable: the disk is full or fails; run it again to go on.
        """
        chunks = list(self._chunks())
        size = [len(self._network.users), len(self._network.follows)]
        note = await self._store.reader.get(JOBS, (self._job,)) or {}
        if note and note["size"] != size:
            raise Conflict(
                f"the store holds a load named {self._job} of a file of another size;"
                " use another data folder"
            )
        done = int(note.get("done", 0))
        if done == len(chunks):
            return False
        for number, (stage, first, last, total) in enumerate(chunks):
            if number >= done:
                await self._write(stage, first, last, self._note(number + 1, size))
            progress(stage, last, total)
        return True

    def _note(self, done: int, size: list[int]) -> Document:
        return {"name": self._job, "done": done, "size": size}

    def _chunks(self) -> Iterator[tuple[str, int, int, int]]:
        for stage, total in (
            ("users", len(self._network.users)),
            ("follows", len(self._network.follows)),
        ):
            for first in range(0, total, CHUNK):
                yield stage, first, min(first + CHUNK, total), total

    async def _write(self, stage: str, first: int, last: int, note: Document) -> None:
        make = self._users if stage == "users" else self._follows
        operations: list[Operation] = [Put(JOBS.name, note), *make(first, last)]
        await self._store.writer.write(WriteBatch(tuple(operations)))

    def _users(self, first: int, last: int) -> Iterator[Operation]:
        followers, followees = self._counts
        for number in self._network.users[first:last]:
            identity, name = user_id(number), username(number)
            user = User(id=identity, username=name, name=name)
            yield Put(USERS.name, msgspec.structs.asdict(user))
            yield Put(USERNAMES.name, {"username_key": name, "user_id": identity})
            yield Put(
                USER_COUNTS.name,
                {
                    "user_id": identity,
                    "followers": followers[number],
                    "followees": followees[number],
                    "tweets": 0,
                    "likes": 0,
                },
            )

    @cached_property
    def _counts(self) -> tuple[Counter[int], Counter[int]]:
        follows = self._network.follows
        return (
            Counter(follow.followee for follow in follows),
            Counter(follow.follower for follow in follows),
        )

    def _follows(self, first: int, last: int) -> Iterator[Operation]:
        for follow in self._network.follows[first:last]:
            edge = {
                "follower_id": user_id(follow.follower),
                "followee_id": user_id(follow.followee),
                "follow_id": follow.follow_id,
            }
            yield Put(FOLLOWEES.name, edge)
            yield Put(FOLLOWERS.name, edge)
