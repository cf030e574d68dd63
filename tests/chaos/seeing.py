"""Who may see what, written from the rules in words and not from the server's code. Pure.

- A public account's tweet is for everybody but those in a block with its author.
- A private account's tweet is for its followers only, whom it has let follow it.
- A retweet is for those who may see both it and its original.
- Lists and pushes leave out who is muted, and retweets of who is muted; never one's own tweets.

Unanswered changes may have taken effect or not, so there are two questions of each thing: whether
it must be seen, and whether it may be.
"""

from dataclasses import dataclass, field

from tests.chaos.model import Value

Pair = tuple[int, int]


@dataclass
class Said:
    """A tweet of the salon: `original` is what it retweets."""

    id: int
    author_id: int
    original: "Said | None" = None
    alive: Value[bool] = field(default_factory=lambda: Value(True))


class Seeing:
    """How the people of a salon stand to each other, by (who, whom)."""

    def __init__(self) -> None:
        self.private: set[int] = set()
        self.tweets: dict[int, Said] = {}
        self._of: dict[str, dict[Pair, Value[bool]]] = {
            what: {} for what in ("follows", "asks", "blocks", "mutes")
        }

    def value(self, what: str, who: int, whom: int) -> Value[bool]:
        """`what` is one of `follows`, `asks`, `blocks`, `mutes`."""
        return self._of[what].setdefault((who, whom), Value(False))

    def those(self, what: str) -> dict[Pair, Value[bool]]:
        return self._of[what]

    def is_apart(self, one: int, other: int) -> tuple[bool, bool]:
        """Whether there must be, and may be, a block between two."""
        values = self.value("blocks", one, other), self.value("blocks", other, one)
        return (
            any(each.must_be(True) for each in values),
            any(each.may_be(True) for each in values),
        )

    def sees(self, viewer: int, tweet: Said) -> tuple[bool, bool]:
        """Whether `viewer` must see a tweet that is asked for, and may."""
        must, may = tweet.alive.must_be(True), tweet.alive.may_be(True)
        if tweet.original is not None:
            first = self.sees(viewer, tweet.original)
            must, may = must and first[0], may and first[1]
        if tweet.author_id == viewer:
            return must, may
        surely_apart, perhaps_apart = self.is_apart(viewer, tweet.author_id)
        must, may = must and not perhaps_apart, may and not surely_apart
        if tweet.author_id in self.private:
            follows = self.value("follows", viewer, tweet.author_id)
            must, may = must and follows.must_be(True), may and follows.may_be(True)
        return must, may

    def in_home(self, viewer: int, tweet: Said) -> tuple[bool, bool]:
        """Whether the tweet must be in the home of `viewer`, and may be."""
        must, may = self.sees(viewer, tweet)
        if tweet.author_id == viewer:
            return must, may
        follows = self.value("follows", viewer, tweet.author_id)
        must, may = must and follows.must_be(True), may and follows.may_be(True)
        authors = {tweet.author_id}
        if tweet.original is not None:
            authors.add(tweet.original.author_id)
        for author in authors - {viewer}:
            muted = self.value("mutes", viewer, author)
            must, may = must and muted.must_be(False), may and muted.may_be(False)
        return must, may
