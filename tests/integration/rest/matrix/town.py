"""A world in which the script was played, and its answers in words that any such world shares."""

import base64
import binascii
import json
import struct
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from rookery.http.protocol.message import Request
from rookery.services.ports import Invalidation
from rookery.store.engine import Delete, Put, WriteBatch
from rookery.store.schema import COLLECTIONS, USERS
from tests.integration.http_world import PASSWORD, World, http_world
from tests.integration.rest.matrix.cast import Tweet, Viewer
from tests.integration.rest.matrix.script import Row, Step
from tests.unit.memory_store import MemoryStore

ABSENT = "absent"
"""The name, and the label, of what is not there: neither a tweet nor a person."""
PREFIX = "/api/v1"
COUNTS = frozenset(
    {
        "likeCount",
        "retweetCount",
        "replyCount",
        "quoteCount",
        "followersCount",
        "followingCount",
        "tweetsCount",
        "likesCount",
        "pinnedCount",
    }
)
MAX_PAGES = 100
_TIMES = frozenset({"createdAt", "editedAt", "mutedUntil"})
_OF_A_REQUEST = frozenset({"X-Request-Id"})


class Clock:
    """Stands still but for the steps of the script, so that nothing cached is ever too old."""

    def __init__(self) -> None:
        self.now_ms = 1_700_000_000_000

    def __call__(self) -> int:
        return self.now_ms


class Answer(NamedTuple):
    """What a request got, without what is different every time."""

    status: int
    body: Any
    headers: Mapping[str, str]


class Person(NamedTuple):
    """Somebody signed in."""

    user_id: str
    token: str


class Town:
    """People, and the ids of people and tweets, by label."""

    def __init__(self, world: World, store: MemoryStore, clock: Clock) -> None:
        self.world = world
        self.store = store
        self.clock = clock
        self.people: dict[str, Person] = {}
        self.ids: dict[str, str] = {}

    # Playing.

    async def play(self, step: Step) -> None:
        """Make one step happen, mostly as people do it."""
        self.clock.now_ms += 1
        if step.act == "sign up":
            await self._sign_up(step.who)
        elif step.tweet is not None:
            await self._post(step.tweet)
        elif step.act in ("like", "bookmark", "pin"):
            await self.ok(step.who, "POST", f"/tweets/{self.ids[step.what]}/{step.act}")
        elif step.act in ("follow", "block", "mute"):
            await self.ok(step.who, "POST", f"/users/{self.ids[step.what]}/{step.act}")
        elif step.act == "approve":
            await self.ok(step.who, "POST", f"/follow-requests/{self.ids[step.what]}/approve")
        elif step.act == "close":
            await self.ok(step.who, "PUT", "/account/privacy", {"isPrivate": True})
        elif step.act == "hide likes":
            await self.ok(step.who, "PUT", "/account/privacy", {"hideLikes": True})
        elif step.act == "appoint":
            await self._change(step.who, role="moderator")
        else:
            assert step.act == "suspend"
            await self.world.services.suspensions.suspend(step.who)

    async def _sign_up(self, name: str) -> None:
        email = f"{name}@example.org"
        body = {"email": email, "username": name, "password": PASSWORD, "name": f"[{name}]"}
        made = await self.ok(None, "POST", "/signup", body)
        self.people[name] = Person(made["userId"], made["token"])
        self.ids[name] = made["userId"]

    async def _post(self, tweet: Tweet) -> None:
        if tweet.shows:
            path = f"/tweets/{self.ids[tweet.shows]}/retweet"
            made = await self.ok(tweet.author, "POST", path, {})
            self.ids[tweet.label] = made["retweetId"]
            return
        body = {"text": f"[{tweet.label}]", "visibility": tweet.visibility}
        if tweet.mentions:
            body["text"] += " @mentioned"
        if tweet.replies_to:
            body["replyToTweetId"] = self.ids[tweet.replies_to]
        if tweet.quotes:
            body["quoteTweetId"] = self.ids[tweet.quotes]
        made = await self.ok(tweet.author, "POST", "/tweets", body)
        self.ids[tweet.label] = made["tweetId"]

    async def _change(self, name: str, **fields: str) -> None:
        """What nobody can do over this surface."""
        user_id = int(self.ids[name])
        (found,) = [each for each in self.store.documents(USERS) if each["id"] == user_id]
        await self.store.write(WriteBatch((Put(USERS.name, {**found, **fields}),)))
        self.world.services.invalidate(Invalidation(users=[user_id]))

    async def unlist(self, row: Row) -> None:
        """Take somebody out of one list, and leave everything else."""
        first, second = int(self.ids[row.first]), int(self.ids[row.second])
        await self.store.write(WriteBatch((Delete(row.collection, (first, second)),)))

    def id_of(self, label: str) -> str:
        """The id of a tweet or a person; of what is not there, one that might be."""
        return str(int(self.ids["host.root"]) + 4000) if label == ABSENT else self.ids[label]

    def forget(self) -> None:
        """Empty the caches."""
        ids = [int(each) for each in self.ids.values()]
        self.world.services.invalidate(Invalidation(tweets=ids, counts=ids, users=ids, viewers=ids))

    # Asking.

    async def ask(self, viewer: Viewer, method: str, path: str, body: Any = None) -> Answer:
        """The answer to a request of a viewer, as a connection would write it."""
        request = Request("127.0.0.1")
        request.method = method
        path, _, request.query = path.partition("?")
        request.path = PREFIX + path
        if viewer is not None:
            request.headers[b"authorization"] = b"Bearer " + self.people[viewer].token.encode()
        if body is not None:
            request.headers[b"content-type"] = b"application/json"
            request.body = json.dumps(body).encode()
        answer = await self.world.respond(request)
        kept = {each: value for each, value in answer.headers.items() if each not in _OF_A_REQUEST}
        return Answer(answer.status, json.loads(answer.body), kept)

    async def ok(self, viewer: Viewer, method: str, path: str, body: Any = None) -> Any:
        """The body of an answer that must be a success."""
        answer = await self.ask(viewer, method, path, body)
        assert answer.status < 300, (viewer, method, path, answer)
        return answer.body

    async def pages(self, viewer: Viewer, path: str) -> AsyncIterator[Any]:
        """Status and body of the pages of a list, one by one; of what is no list, its only one."""
        following = path
        for _ in range(MAX_PAGES):
            answer = await self.ask(viewer, "GET", following)
            yield [answer.status, answer.body]
            cursor = answer.body.get("nextCursor")
            if cursor is None or "page=" in path:  # Either of the two counts the pages.
                return
            following = f"{path}&cursor={cursor}"
        raise AssertionError(f"{path}: the pages do not end")

    # Words.

    def words(self, counted: Counter[tuple[str, str]]) -> "Words":
        """Puts answers into words; takes off from counts what is `counted` by (label, field)."""
        labels = {each: label for label, each in self.ids.items()}
        return Words(labels, self._rows(labels), counted)

    def _rows(self, labels: Mapping[str, str]) -> dict[int, str]:
        """What positions in lists stand for: the rows that have these ids."""
        found: dict[int, str] = {int(each): label for each, label in labels.items()}
        for collection in COLLECTIONS:
            for document in self.store.documents(collection):
                named = [labels[str(value)] for value in document.values() if str(value) in labels]
                for column, value in document.items():
                    if column.endswith("_id") and isinstance(value, int) and value not in found:
                        found[value] = f"{column}({','.join(sorted(named))})"
        return found


class Words:
    """Answers without ids, times and positions."""

    def __init__(
        self,
        labels: Mapping[str, str],
        rows: Mapping[int, str],
        counted: Counter[tuple[str, str]],
    ) -> None:
        self.labels = labels
        self._rows = rows
        self._counted = counted

    def of(self, value: Any, subject: str = "") -> Any:
        """`value` in words; `subject` is what counts without an id belong to."""
        if isinstance(value, list):
            return [self.of(each, subject) for each in value]
        if isinstance(value, str):
            return self.labels.get(value, value)
        if not isinstance(value, dict):
            return value
        subject = self.labels.get(value.get("id") or "", subject)
        return {name: self._field(name, each, subject) for name, each in value.items()}

    def _field(self, name: str, value: Any, subject: str) -> Any:
        if name in _TIMES and value is not None:
            return "a time"
        if name == "nextCursor" and value is not None:
            return self._position(value)
        if name in COUNTS:
            return value - self._counted[subject, name]
        return self.of(value, subject)

    def _position(self, cursor: str) -> str:
        try:
            (position, _) = struct.unpack(">QI", base64.urlsafe_b64decode(cursor))
        except (binascii.Error, struct.error):
            return cursor
        return self._rows.get(position, str(position))


@asynccontextmanager
async def town(
    steps: Iterable[Step], unlisted: Callable[[Step], Iterable[Row]] = lambda _: ()
) -> AsyncIterator[Town]:
    """A world of its own, in which these steps were made, and these rows taken out."""
    store, clock = MemoryStore(), Clock()
    async with http_world(store=store, clock_ms=clock, life_s=1e6) as world:
        made = Town(world, store, clock)
        rows: list[Row] = []
        for step in steps:
            await made.play(step)
            rows += unlisted(step)
        for row in rows:
            await made.unlist(row)
        made.forget()
        yield made
