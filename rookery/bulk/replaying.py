"""Replays a network's posts through a running server, and checks every timeline afterwards.

Posts go the way of any other (write, queue, fan-out, rings); only HTTP is left out.

Run again, also after it was interrupted, it posts what is missing: what an event is as a post
follows from the file alone, so what was posted before is recognised among its author's posts.
"""

import random
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field

from rookery.bulk.higgs import Event, Network, user_id, username
from rookery.control import Control
from rookery.errors import RookeryError
from rookery.store.engine import Reader
from rookery.store.records.tweets import TweetRepository

BATCH = 1_000
AUTHORS_BATCH = 500
POSTS_A_READ = 1_000
HOME_BATCH = 20

Post = tuple[int, str, int | None, int | None]
"""Author id, text, id of the tweet replied to, id of the tweet retweeted."""

Posted = tuple[int, Post]
"""The id of a tweet, and what it is."""


async def posted_by(reader: Reader, author_ids: Sequence[int]) -> list[Posted]:
    """All tweets of these authors, each one's in the order of their ids."""
    tweets = TweetRepository(reader)
    found: list[Posted] = []
    for author_id in author_ids:
        before, ids = 0, list[int]()
        while len(page := await tweets.posts(author_id, before, POSTS_A_READ)) == POSTS_A_READ:
            ids += [tweet_id for tweet_id, _ in page]
            before = ids[-1]
        ids += [tweet_id for tweet_id, _ in page]
        ids.reverse()
        for tweet in await tweets.get_many(ids):
            if tweet is not None:
                post = (author_id, tweet.text, tweet.reply_to_id, tweet.retweet_of_id)
                found.append((tweet.id, post))
    return found


def chosen_readers(network: Network, count: int, seed: int = 1) -> list[int]:
    """Readers to keep warm (numbers of the data set): half of them followers of the most-followed
    user, the other half drawn from all."""
    followers: dict[int, list[int]] = defaultdict(list)
    for follow in network.follows:
        followers[follow.followee].append(follow.follower)
    draw = random.Random(seed)
    fans = max(followers.values(), key=len, default=[])
    chosen = draw.sample(fans, min(count // 2, len(fans)))
    others = [number for number in network.users if number not in set(chosen)]
    return chosen + draw.sample(others, min(count - len(chosen), len(others)))


@dataclass
class Replay:
    """One run over events; remembers what was posted, by whom."""

    control: Control
    batch: int = BATCH
    """Events posted at a time, all of whose writes wait at once."""
    posted: list[tuple[int, int]] = field(default_factory=list)
    """(author's number, tweet id) in the order of the file."""
    found: int = 0
    """So many of them were there already."""
    _latest: dict[int, int] = field(default_factory=dict)
    _retweeted: set[tuple[int, int]] = field(default_factory=set)
    """(author id, tweet id): nobody retweets a tweet twice."""
    _there: dict[Post, deque[int]] = field(default_factory=lambda: defaultdict(deque))

    async def look(self, events: Sequence[Event]) -> AsyncIterator[int]:
        """Find what was posted before; yields how many authors were looked at."""
        authors = list({user_id(event.actor): None for event in events})
        for first in range(0, len(authors), AUTHORS_BATCH):
            batch = authors[first : first + AUTHORS_BATCH]
            for tweet_id, (author, text, reply_to, retweet_of) in await self.control.call(
                "posted-by", author_ids=batch
            ):
                self._there[author, text, reply_to, retweet_of].append(tweet_id)
            yield first + len(batch)

    async def run(self, events: Sequence[Event]) -> AsyncIterator[int]:
        """Post the events in order, but for those that `look` found; yields how many are there."""
        first = 0
        while first < len(events):
            batch = events[first : first + self.batch]
            for event, tweet_id in zip(batch, await self._ids(batch), strict=True):
                self.posted.append((event.actor, tweet_id))
                if event.kind != "RT":
                    self._latest[event.actor] = tweet_id
            first += len(batch)
            yield first

    async def _ids(self, batch: Sequence[Event]) -> list[int]:
        """The ids of a batch's events, of which those that are missing are posted now.

        Raises:
            RookeryError: the server made their ids in another order.
        """
        posts = [self._post(event) for event in batch]
        there = [self._there[post].popleft() if self._there.get(post) else None for post in posts]
        missing = [post for post, tweet_id in zip(posts, there, strict=True) if tweet_id is None]
        self.found += len(posts) - len(missing)
        made: list[int] = await self.control.call("post", posts=missing) if missing else []
        if made != sorted(made):
            raise RookeryError("the server did not make ids in the order of posting")
        fresh = iter(made)
        return [next(fresh) if tweet_id is None else tweet_id for tweet_id in there]

    def _post(self, event: Event) -> Post:
        """What an event is as a post: a retweet or reply of B's latest, else a text naming B.

        So is the second retweet of one tweet by one user, which would be no new post.
        """
        author, target = user_id(event.actor), username(event.target)
        latest = self._latest.get(event.target)
        if event.kind == "RT":
            if latest is not None and (author, latest) not in self._retweeted:
                self._retweeted.add((author, latest))
                return author, "", None, latest
            return author, f"RT @{target}: at {event.time_s}", None, None
        if event.kind == "RE" and latest is not None:
            return author, f"@{target} yes, at {event.time_s}", latest, None
        return author, f"news for @{target} at {event.time_s}", None, None


@dataclass(frozen=True)
class Difference:
    """A home timeline that is not what it should be."""

    reader: int
    missing: int
    foreign: int
    doubled: int
    disordered: bool


class BruteForce:
    """What each home must be, from the data alone: all posts of followees and of oneself."""

    def __init__(self, network: Network, posted: Sequence[tuple[int, int]]) -> None:
        self._following: dict[int, set[int]] = defaultdict(set)
        for follow in network.follows:
            self._following[follow.follower].add(follow.followee)
        self._posts: dict[int, list[int]] = defaultdict(list)
        for author, tweet_id in posted:
            self._posts[author].append(tweet_id)

    def home(self, reader: int) -> list[int]:
        """Tweet ids, the last posted first: what an interrupted run left out came later."""
        authors = self._following[reader] | {reader}
        return sorted((each for author in authors for each in self._posts[author]), reverse=True)

    def compare(self, reader: int, home: Sequence[int]) -> Difference | None:
        expected = self.home(reader)
        if list(home) == expected:
            return None
        return Difference(
            reader=reader,
            missing=len(set(expected) - set(home)),
            foreign=len(set(home) - set(expected)),
            doubled=len(home) - len(set(home)),
            disordered=[i for i in home if i in set(expected)]
            != [i for i in expected if i in set(home)],
        )


async def differences(
    control: Control, truth: BruteForce, readers: Sequence[int]
) -> AsyncIterator[tuple[int, list[Difference]]]:
    """Read the readers' whole homes and compare; yields (readers checked, differences found)."""
    for first in range(0, len(readers), HOME_BATCH):
        batch = readers[first : first + HOME_BATCH]
        homes = await control.call("home", user_ids=[user_id(number) for number in batch])
        found = [
            difference
            for reader, home in zip(batch, homes, strict=True)
            if (difference := truth.compare(reader, home)) is not None
        ]
        yield first + len(batch), found


def chunks(items: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for first in range(0, len(items), size):
        yield items[first : first + size]
