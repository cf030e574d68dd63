"""Replays a network's posts through a running server, and checks every timeline afterwards.

Posts go the way of any other (write, queue, fan-out, rings); only HTTP is left out.
"""

import random
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field

from rookery.bulk.higgs import Event, Network, user_id, username
from rookery.control import Control

BATCH = 1_000
HOME_BATCH = 20

Post = tuple[int, str, int | None, int | None]
"""Author id, text, id of the tweet replied to, id of the tweet retweeted."""


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
    """(author's number, tweet id) in the order of posting."""
    _latest: dict[int, int] = field(default_factory=dict)

    async def run(self, events: Sequence[Event]) -> AsyncIterator[int]:
        """Post the events in order; yields how many are posted."""
        first = 0
        while first < len(events):
            batch = events[first : first + self.batch]
            ids = await self.control.call("post", posts=[self._post(event) for event in batch])
            for event, tweet_id in zip(batch, ids, strict=True):
                self.posted.append((event.actor, int(tweet_id)))
                if event.kind != "RT":
                    self._latest[event.actor] = int(tweet_id)
            first += len(batch)
            yield first

    def _post(self, event: Event) -> Post:
        """What an event is as a post: a retweet or reply of B's latest, else a text naming B."""
        author, target = user_id(event.actor), username(event.target)
        latest = self._latest.get(event.target)
        if event.kind == "RT":
            if latest is not None:
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
        self._ids = [tweet_id for _, tweet_id in posted]
        for index, (author, _) in enumerate(posted):
            self._posts[author].append(index)

    def home(self, reader: int) -> list[int]:
        """Tweet ids, the last in the file first."""
        authors = self._following[reader] | {reader}
        indices = sorted((i for author in authors for i in self._posts[author]), reverse=True)
        return [self._ids[index] for index in indices]

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
