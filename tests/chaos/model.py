"""What was acknowledged, and what may be the case: the checker's own model of the server. Pure.

Each thing (a tweet, an edge of the graph, a like, a device) is changed by one person only, one
change after the other. An acknowledged change sets what must be the case. One without an answer
may take effect at any time, or never; so what it would have led to stays possible as well.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


class Value(Generic[T]):
    """A thing's state: the acknowledged one, and those that unanswered changes may lead to."""

    def __init__(self, acknowledged: T) -> None:
        self.acknowledged = acknowledged
        self.doubted: list[T] = []

    def set(self, value: T) -> None:
        """A change was acknowledged."""
        self.acknowledged = value

    def doubt(self, value: T) -> None:
        """A change to `value` got no answer."""
        self.doubted.append(value)

    @property
    def possible(self) -> list[T]:
        return [self.acknowledged, *self.doubted]

    def may_be(self, value: T) -> bool:
        return value in self.possible

    def must_be(self, value: T) -> bool:
        return all(each == value for each in self.possible)


@dataclass
class Posted:
    """A tweet that exists, or did; `id` is 0 while nobody has told it."""

    id: int
    author_id: int
    text: Value[str]
    key: str
    first_text: str
    parent_id: int | None = None
    alive: Value[bool] = field(default_factory=lambda: Value(True))

    @property
    def must_exist(self) -> bool:
        return self.alive.must_be(True)

    @property
    def may_exist(self) -> bool:
        return self.alive.may_be(True)


class Model:
    """Everything that was done, over all people."""

    def __init__(self) -> None:
        self.tweets: dict[int, Posted] = {}
        """Acknowledged ones by their ids."""
        self.unanswered: dict[str, Posted] = {}
        """By their texts, which are unique."""
        self.follows: dict[tuple[int, int], Value[bool]] = {}
        self.likes: dict[tuple[int, int], Value[bool]] = {}
        """By (user, tweet)."""
        self.acknowledged = 0
        self.doubted = 0

    def edge(self, follower_id: int, followee_id: int) -> Value[bool]:
        return self.follows.setdefault((follower_id, followee_id), Value(False))

    def like(self, user_id: int, tweet_id: int) -> Value[bool]:
        return self.likes.setdefault((user_id, tweet_id), Value(False))

    def of_author(self, author_id: int) -> Iterator[Posted]:
        """Acknowledged tweets of an author."""
        return (each for each in self.tweets.values() if each.author_id == author_id)

    def find(self, tweet_id: int, text: str) -> Posted | None:
        """What somebody tried to post and the server has; None if nobody did.

        One that was not acknowledged gets the id that it is first found with.
        """
        found = self.tweets.get(tweet_id) or self.unanswered.get(text)
        if found is not None and not found.id:
            found.id = tweet_id
        return found
