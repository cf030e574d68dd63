"""A populated store, made offline by bulk writes, and what every home timeline in it must show."""

import heapq
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from bench import social
from bench.social import NOBODY, Social
from rookery.ids import first_id_at
from rookery.models import Identity, PostKind, Tweet, User
from rookery.services.accounts.tokens import KeyRing
from rookery.services.tweets.composing import stored_entities
from rookery.store import SQLITE_FILE, clock_ms
from rookery.store.engine import Increment, Operation, Put, WriteBatch
from rookery.store.records.devices import Devices, StoredDevice
from rookery.store.records.tweets import creating
from rookery.store.records.users import Users
from rookery.store.schema import COLLECTIONS, FOLLOWEES, FOLLOWERS, USER_COUNTS
from rookery.store.sqlite.store import SqliteStore
from rookery.text import Entities, parse

DEVICE_ID = "bench"
DAY_MS = 86_400_000
TOKEN_LIFE_S = 7 * 86_400
BATCH_OPERATIONS = 5_000
TEXTS = (
    "Good morning from the harbour, the ferries are late again and nobody seems to mind at all",
    "@bench1 have you seen the new timetable? #ferries are every ten minutes from Monday on",
    "Reading about ring buffers tonight. They are simpler than they look and faster than lists",
    "The rooks are back in the elms. Eleven nests this year, two more than last spring #birds",
)


@dataclass(frozen=True)
class Plan:
    """What to build: `follows[i]` are the users whom user *i* follows, by number, and `authors`
    who posts, oldest post first; `social` is what else they do."""

    follows: Sequence[Sequence[int]]
    authors: Sequence[int] = ()
    social: Social | None = None


@dataclass(frozen=True)
class World:
    """What was built. Users are known by their number, from 0."""

    data_dir: Path
    plan: Plan
    user_ids: list[int]
    tokens: list[str]
    posts: Mapping[int, list[int]]
    originals: Mapping[int, int]
    """The author, by number, of what each retweet shows."""

    def home(self, user: int, limit: int) -> list[int]:
        """The tweet ids that the first page of a user's home timeline must show."""
        hidden = NOBODY if self.plan.social is None else self.plan.social.hidden(user)
        own = self.posts.get(user, ())
        found = (
            tweet_id
            for author in {*self.plan.follows[user]} - hidden - {user}
            for tweet_id in self.posts.get(author, ())
            if self.originals.get(tweet_id, user) not in hidden
        )
        return heapq.nlargest(limit, (*own, *found))

    def request(self, method: str, path: str, user: int, body: Any = None) -> bytes:
        """A whole HTTP request by a user, as bytes."""
        raw = b"" if body is None else msgspec.json.encode(body)
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: bench\r\n"
            f"Authorization: Bearer {self.tokens[user]}\r\n"
        )
        if body is not None:
            head += f"Content-Type: application/json\r\nContent-Length: {len(raw)}\r\n"
        return head.encode() + b"\r\n" + raw


def username(user: int) -> str:
    return f"bench{user}"


def regular_follows(users: int, followees: int) -> list[list[int]]:
    """A graph in which each user follows, and is followed by, exactly `followees` others.

    Like a real one it has no order: neighbours are spread over all users.
    """
    rng = random.Random(users * followees)
    order = rng.sample(range(users), users)
    place = {user: at for at, user in enumerate(order)}
    steps = rng.sample(range(1, users), followees)
    return [[order[(place[user] + step) % users] for step in steps] for user in range(users)]


def random_authors(users: int, tweets: int) -> list[int]:
    """The authors of so many tweets, everyone equally often on average."""
    rng = random.Random(tweets)
    return [rng.randrange(users) for _ in range(tweets)]


async def build(data_dir: Path, plan: Plan) -> World:
    """Write a store with the plan's users, follows and tweets, a device of each user, and a key.

    The tweets are of the last day. Everything that a running server relies on is there: both
    directions of each follow, counts, reserved names, the lists a tweet stands in.
    """
    users = len(plan.follows)
    store = SqliteStore(data_dir / SQLITE_FILE, COLLECTIONS, clock_ms=clock_ms)
    try:
        now_ms = clock_ms()
        user_ids = [first_id_at(now_ms - 30 * DAY_MS) + (number << 12) for number in range(users)]
        tweets = list(_tweets(plan, user_ids, now_ms))
        for operations in (
            _accounts(plan, user_ids, now_ms),
            _follows(plan, user_ids, now_ms),
            _social(plan, user_ids, now_ms),
            *_posting(tweets),
        ):
            await _write(store, operations)
        keys = KeyRing(store, clock_ms, life_s=TOKEN_LIFE_S)
        await keys.load()
        tokens = [
            keys.sign(Identity(user_id, username(number), DEVICE_ID), now_ms)
            for number, user_id in enumerate(user_ids)
        ]
    finally:
        await store.close()
    posts: dict[int, list[int]] = {}
    for author, tweet in zip(plan.authors, tweets, strict=True):
        posts.setdefault(author, []).append(tweet.id)
    retweets = {} if plan.social is None else plan.social.retweets
    originals = {tweets[number].id: plan.authors[shown] for number, shown in retweets.items()}
    return World(data_dir, plan, user_ids, tokens, posts, originals)


def _posting(tweets: Sequence[Tweet]) -> Iterator[Iterator[Operation]]:
    """Operations that post all of it, each tweet after what it retweets or quotes."""
    waiting, there = list(tweets), set[int | None]([None])
    while waiting:
        ready = [each for each in waiting if (each.retweet_of_id or each.quote_of_id) in there]
        assert ready, "a tweet refers to one that is never posted"
        yield (operation for tweet in ready for operation in creating(tweet))
        there.update(each.id for each in ready)
        waiting = [each for each in waiting if each.id not in there]


async def _write(store: SqliteStore, operations: Iterable[Operation]) -> None:
    remaining = iter(operations)
    while batch := tuple(islice(remaining, BATCH_OPERATIONS)):
        await store.writer.write(WriteBatch(batch))


def _accounts(plan: Plan, user_ids: Sequence[int], now_ms: int) -> Iterator[Operation]:
    for number, user_id in enumerate(user_ids):
        name = username(number)
        is_private = plan.social is not None and number in plan.social.private
        user = User(id=user_id, username=name, name=f"Bench {number}", is_private=is_private)
        yield from Users.add(user)
        yield Devices.add(
            StoredDevice(
                user_id=user_id,
                device_id=DEVICE_ID,
                name="benchmark",
                created_ms=now_ms,
                last_seen_ms=now_ms,
                refresh_hash="",
                expires_ms=now_ms + TOKEN_LIFE_S * 1000,
            )
        )
    followers = [0] * len(user_ids)
    for followees in plan.follows:
        for followee in followees:
            followers[followee] += 1
    for number, user_id in enumerate(user_ids):
        deltas = {"followers": followers[number], "followees": len(plan.follows[number])}
        yield Increment(USER_COUNTS.name, (user_id,), deltas)


def _follows(plan: Plan, user_ids: Sequence[int], now_ms: int) -> Iterator[Operation]:
    follow_id = first_id_at(now_ms - 20 * DAY_MS)
    for follower, followees in enumerate(plan.follows):
        # Ascending, as the key is: what the tree appends to it need not search for.
        for followee in sorted(followees):
            follow_id += 1
            yield Put(FOLLOWEES.name, _edge(user_ids[follower], user_ids[followee], follow_id))
    by_followee: list[list[tuple[int, int]]] = [[] for _ in user_ids]
    follow_id = first_id_at(now_ms - 20 * DAY_MS)
    for follower, followees in enumerate(plan.follows):
        for followee in sorted(followees):
            follow_id += 1
            by_followee[followee].append((follower, follow_id))
    for followee, followers in enumerate(by_followee):
        for follower, follow_id in followers:
            yield Put(FOLLOWERS.name, _edge(user_ids[follower], user_ids[followee], follow_id))


def _edge(follower_id: int, followee_id: int, follow_id: int) -> dict[str, int]:
    return {"follower_id": follower_id, "followee_id": followee_id, "follow_id": follow_id}


def _social(plan: Plan, user_ids: Sequence[int], now_ms: int) -> Iterator[Operation]:
    if plan.social is not None:
        yield from social.operations(plan.social, user_ids, first_id_at(now_ms - 10 * DAY_MS))


def _tweets(plan: Plan, user_ids: Sequence[int], now_ms: int) -> Iterator[Tweet]:
    mentioned = {username(1): user_ids[1]} if len(user_ids) > 1 else {}
    entities = [stored_entities(parse(text, 280).entities, mentioned) for text in TEXTS]
    step_ms = max(1, DAY_MS // max(1, len(plan.authors)))
    ids: list[int] = []
    for number, author in enumerate(plan.authors):
        tweet_id = first_id_at(now_ms - DAY_MS + number * step_ms) + number % 4096
        ids.append(tweet_id)
        text = number % len(TEXTS)
        tweet = Tweet(
            id=tweet_id,
            author_id=user_ids[author],
            text=f"{TEXTS[text]} {number}",
            entities=entities[text],
            conversation_id=tweet_id,
        )
        yield tweet if plan.social is None else _showing(tweet, number, author, plan.social, ids)


def _showing(tweet: Tweet, number: int, author: int, made: Social, ids: Sequence[int]) -> Tweet:
    """The tweet, made a retweet or a quote where it is one, and marked where it is restricted."""
    kind, fields = PostKind(0), dict[str, Any]()
    if number in made.retweets:
        kind |= PostKind.RETWEET
        nothing = stored_entities(Entities(), {})
        fields = {"text": "", "entities": nothing, "retweet_of_id": ids[made.retweets[number]]}
    elif number in made.quotes:
        kind |= PostKind.QUOTE
        fields = {"quote_of_id": ids[made.quotes[number]]}
    if author in made.private:
        kind |= PostKind.RESTRICTED
        fields["is_counted"] = number in made.retweets
    return msgspec.structs.replace(tweet, kind=int(kind), **fields)
