"""Loads a network's accounts and follows straight into a store that no server is using.

Resumable: each chunk and the note of how far the load has come are one atomic write. The accounts
have no password (`rookery admin token USER` lets one in).
"""

from collections import Counter
from collections.abc import Callable, Iterator
from functools import cached_property

import msgspec

from rookery.bulk.higgs import Follow, Network, user_id, username
from rookery.errors import Conflict
from rookery.models import User
from rookery.store.engine import Document, Insert, Operation, Put, Store, WriteBatch
from rookery.store.schema import FOLLOWEES, FOLLOWERS, JOBS, USER_COUNTS, USERNAMES, USERS

CHUNK = 500

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
            ("accounts", len(self._network.users)),
            ("names", len(self._network.users)),
            ("followees", len(self._network.follows)),
            ("followers", len(self._network.follows)),
        ):
            for first in range(0, total, CHUNK):
                yield stage, first, min(first + CHUNK, total), total

    async def _write(self, stage: str, first: int, last: int, note: Document) -> None:
        make = getattr(self, f"_{stage}")
        operations: list[Operation] = [Put(JOBS.name, note), *make(first, last)]
        await self._store.writer.write(WriteBatch(tuple(operations)))

    # Each stage fills one collection in the order of its keys: a tenth of the pages are written.

    def _accounts(self, first: int, last: int) -> Iterator[Operation]:
        followers, followees = self._counts
        for number in self._numbers[first:last]:
            name = username(number)
            user = User(id=user_id(number), username=name, name=name)
            yield Insert(USERS.name, msgspec.structs.asdict(user))
            yield Insert(
                USER_COUNTS.name,
                {
                    "user_id": user.id,
                    "followers": followers[number],
                    "followees": followees[number],
                    "tweets": 0,
                    "likes": 0,
                },
            )

    def _names(self, first: int, last: int) -> Iterator[Operation]:
        for number in self._by_name[first:last]:
            document = {"username_key": username(number), "user_id": user_id(number)}
            yield Insert(USERNAMES.name, document)

    def _followees(self, first: int, last: int) -> Iterator[Operation]:
        for follow in self._by_follower[first:last]:
            yield Insert(FOLLOWEES.name, _edge(follow))

    def _followers(self, first: int, last: int) -> Iterator[Operation]:
        for follow in self._by_followee[first:last]:
            yield Insert(FOLLOWERS.name, _edge(follow))

    @cached_property
    def _counts(self) -> tuple[Counter[int], Counter[int]]:
        follows = self._network.follows
        return (
            Counter(follow.followee for follow in follows),
            Counter(follow.follower for follow in follows),
        )

    @cached_property
    def _numbers(self) -> list[int]:
        return sorted(self._network.users)

    @cached_property
    def _by_name(self) -> list[int]:
        return sorted(self._network.users, key=username)

    @cached_property
    def _by_follower(self) -> list[Follow]:
        return sorted(self._network.follows, key=lambda each: (each.follower, each.followee))

    @cached_property
    def _by_followee(self) -> list[Follow]:
        return sorted(self._network.follows, key=lambda each: (each.followee, each.follower))


def _edge(follow: Follow) -> Document:
    return {
        "follower_id": user_id(follow.follower),
        "followee_id": user_id(follow.followee),
        "follow_id": follow.follow_id,
    }
