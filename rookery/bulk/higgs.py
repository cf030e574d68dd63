"""The Higgs data set (SNAP ``higgs-activity_time.txt.gz``) read as a social network.

Each line is ``userA userB unix_time kind``, kind ``RT`` (A retweets B), ``MT`` (A mentions B) or
``RE`` (A replies to B). Each distinct pair is a follow (A follows B); each line is a post by A.
Source: De Domenico, Lima, Mougel, Musolesi: The Anatomy of a Scientific Rumor, Scientific Reports
3, 2980 (2013).
"""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rookery.errors import InvalidRequest
from rookery.ids import first_id_at

MAX_LINE_CHARS = 200
MAX_USER = 2**31
MAX_TIME_S = 2**32
KINDS = ("RT", "MT", "RE")
FIRST_MS = 1_341_100_972_000
"""The time of the first event; accounts are dated from here, so that they are older than posts."""


@dataclass(frozen=True)
class Event:
    """One line: what A did to B's posts, at a time in seconds since 1970."""

    actor: int
    target: int
    time_s: int
    kind: str


@dataclass(frozen=True)
class Follow:
    """The first line of a distinct pair; `follow_id` orders follows by time."""

    follower: int
    followee: int
    follow_id: int


@dataclass(frozen=True)
class Network:
    """The whole data set."""

    events: list[Event]
    users: list[int]
    follows: list[Follow]


def user_id(number: int) -> int:
    """The account id of a user of the data set: the same in every load."""
    return first_id_at(FIRST_MS + number)


def username(number: int) -> str:
    return f"higgs{number}"


def _lines(path: Path) -> Iterator[str]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="ascii") as file:
        while line := file.readline(MAX_LINE_CHARS + 1):
            if len(line) > MAX_LINE_CHARS:
                raise ValueError(f"longer than {MAX_LINE_CHARS} characters")
            yield line


def _event(line: str) -> Event:
    words = line.split()
    if len(words) != 4:
        raise ValueError("a line has four words: userA userB time kind")
    actor, target, time_s = (_number(word) for word in words[:3])
    if max(actor, target) > MAX_USER:
        raise ValueError(f"users are numbered up to {MAX_USER}")
    if time_s > MAX_TIME_S:
        raise ValueError(f"{time_s} is no time in seconds since 1970")
    if words[3] not in KINDS:
        raise ValueError(f"kind {words[3]!r} is none of {', '.join(KINDS)}")
    return Event(actor, target, time_s, words[3])


def _number(word: str) -> int:
    if not word.isdecimal():
        raise ValueError(f"{word!r} is not a number")
    return int(word)


def read(path: Path) -> Network:
    """Read the data set, events in the file's order.

    Raises:
        InvalidRequest: the file is missing, or a line (named by its number) is malformed.
    """
    events: list[Event] = []
    try:
        for line in _lines(path):
            events.append(_event(line))
    except OSError as error:
        raise InvalidRequest(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, EOFError, zlib.error) as error:
        raise InvalidRequest(f"{path}, line {len(events) + 1}: {error}") from error
    if not events:
        raise InvalidRequest(f"{path} is empty: it holds no event")
    return network(events)


def network(events: list[Event]) -> Network:
    """Users and follows, in the order in which the events first name them.

    Some users act on themselves; such a pair is loaded like the others, as the data has it. It
    changes no timeline, since one's own posts are in one's home anyway.
    """
    users: dict[int, None] = {}
    pairs: dict[tuple[int, int], None] = {}
    follows: list[Follow] = []
    for event in events:
        users[event.actor] = None
        users[event.target] = None
        pair = (event.actor, event.target)
        if pair not in pairs:
            pairs[pair] = None
            follow_id = first_id_at(event.time_s * 1000) + len(follows) % (1 << 22)
            follows.append(Follow(event.actor, event.target, follow_id))
    return Network(events, list(users), follows)
