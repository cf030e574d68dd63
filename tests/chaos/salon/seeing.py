"""Who may see what, written from the rules in words and not from the server's code. Pure.

- A public account's tweet is for everybody but those in a block with its author.
- A private account's tweet is for its followers only, whom it has let follow it.
- A retweet is for those who may see both it and its original, and goes with its original.
- A quote is for those who may see it, whatever has become of what it quotes: that is shown whole,
  or is said to be hidden or deleted.
- Lists and pushes leave out who is muted, and retweets of who is muted; never one's own tweets. A
  user's own timeline shows that user, muted or not.
- A user is there for everybody but those whom the user blocks; lists of users leave out who is in a
  block with the reader. A private account's lists are for itself and its followers.

Of each thing there are two questions: whether it must be so, and whether it may be.
"""

from dataclasses import dataclass, field
from math import inf
from typing import Literal, Protocol

from tests.chaos.salon.history import NO, YES, History, Maybe, holds, surely

ALWAYS = float("-inf")
Pair = tuple[int, int]
Bond = Literal["follows", "asks", "blocks", "mutes"]
BONDS: tuple[Bond, ...] = ("follows", "asks", "blocks", "mutes")
Quoted = Literal["whole", "hidden", "deleted"]


@dataclass(eq=False)
class Said:
    """A tweet of the salon: `original` is what it retweets, `quoted` what it quotes.

    It was asked for at `began_s` and acknowledged at `answered_s`. `is_counted`: whether it was for
    everybody then, so that what it quotes counts it. `id` is 0 while nobody has told it.
    """

    id: int
    author_id: int
    text: History[str] = field(default_factory=lambda: History(""))
    original: "Said | None" = None
    quoted: "Said | None" = None
    began_s: float = 0.0
    answered_s: float = inf
    alive: History[bool] = field(default_factory=lambda: History(True))
    is_counted: Maybe = YES

    @property
    def since_s(self) -> float:
        """From when on everybody can know of it."""
        return self.began_s if self.answered_s == inf else self.answered_s


class Standing(Protocol):
    """How people stand to each other, and which tweets there are, at some time."""

    def between(self, bond: Bond, who: int, whom: int) -> Maybe: ...

    def is_private(self, who: int) -> Maybe: ...

    def is_alive(self, said: Said) -> Maybe: ...


def are_apart(at: Standing, one: int, other: int) -> Maybe:
    """Whether there is a block between two."""
    return at.between("blocks", one, other) | at.between("blocks", other, one)


def is_let_in(at: Standing, viewer: int, author: int) -> Maybe:
    """Whether what `author` says, and whom they know, is for `viewer`, as far as privacy goes."""
    if viewer == author:
        return YES
    return ~at.is_private(author) | at.between("follows", viewer, author)


def is_entitled(at: Standing, viewer: int, said: Said) -> Maybe:
    """Whether a tweet, if it is there, is for `viewer` who asks for it."""
    found = YES
    if said.original is not None:
        found = is_entitled(at, viewer, said.original)
    if said.author_id == viewer:
        return found
    return found & ~are_apart(at, viewer, said.author_id) & is_let_in(at, viewer, said.author_id)


def is_there(at: Standing, said: Said) -> Maybe:
    """Whether the tweet is; a retweet goes with its original."""
    found = at.is_alive(said)
    return found if said.original is None else found & at.is_alive(said.original)


def sees(at: Standing, viewer: int, said: Said) -> Maybe:
    """Whether `viewer` is shown a tweet that they ask for."""
    return is_there(at, said) & is_entitled(at, viewer, said)


def is_muted(at: Standing, viewer: int, said: Said, in_timeline_of: int = 0) -> Maybe:
    """Whether lists and pushes leave the tweet out for `viewer`."""
    if said.author_id == viewer:
        return NO
    authors = {said.author_id} | ({said.original.author_id} if said.original else set())
    found = NO
    for author in authors - {viewer, in_timeline_of}:
        found |= at.between("mutes", viewer, author)
    return found


def hears(at: Standing, viewer: int, said: Said) -> Maybe:
    """Whether the tweet, if it is there, belongs to the home of `viewer`."""
    found = is_entitled(at, viewer, said) & ~is_muted(at, viewer, said)
    if said.author_id == viewer:
        return found
    return found & at.between("follows", viewer, said.author_id)


def in_home(at: Standing, viewer: int, said: Said) -> Maybe:
    return is_there(at, said) & hears(at, viewer, said)


def in_timeline(at: Standing, viewer: int, said: Said) -> Maybe:
    """Whether the timeline of its author shows the tweet to `viewer`, if it shows anything."""
    return sees(at, viewer, said) & ~is_muted(at, viewer, said, in_timeline_of=said.author_id)


def among_quotes(at: Standing, viewer: int, said: Said) -> Maybe:
    """Whether the list of quotes shows the tweet to `viewer`, if it shows anything."""
    return sees(at, viewer, said) & ~is_muted(at, viewer, said)


def among_retweeters(at: Standing, viewer: int, said: Said) -> Maybe:
    """Whether the list of those who retweeted names its author to `viewer`."""
    author = said.author_id
    found = is_there(at, said)
    if author == viewer:
        return found
    return found & ~are_apart(at, viewer, author) & is_let_in(at, viewer, author)


def quoted_as(at: Standing, viewer: int, said: Said) -> set[Quoted]:
    """How what the tweet quotes may be shown to `viewer`."""
    assert said.quoted is not None
    found: set[Quoted] = set()
    is_alive = at.is_alive(said.quoted)
    is_for_viewer = is_entitled(at, viewer, said.quoted)
    if not is_alive.must:
        found.add("deleted")
    if is_alive.may and is_for_viewer.may:
        found.add("whole")
    if is_alive.may and not is_for_viewer.must:
        found.add("hidden")
    return found


class Seeing:
    """How the people of a salon stand to each other, by (who, whom), and what they said."""

    def __init__(self) -> None:
        self.tweets: dict[int, Said] = {}
        """By their ids."""
        self.unanswered: list[Said] = []
        """What nobody has told the id of."""
        self._private: dict[int, History[bool]] = {}
        self._bonds: dict[Bond, dict[Pair, History[bool]]] = {bond: {} for bond in BONDS}

    def bond(self, bond: Bond, who: int, whom: int) -> History[bool]:
        return self._bonds[bond].setdefault((who, whom), History(False))

    def bonds(self, bond: Bond) -> dict[Pair, History[bool]]:
        """Those of a kind that there ever were, or were to be."""
        return self._bonds[bond]

    def private(self, who: int) -> History[bool]:
        return self._private.setdefault(who, History(False))

    def over(self, from_s: float, to_s: float) -> "Over":
        return Over(self, from_s, to_s)

    def add(self, said: Said) -> Said:
        """Take in a tweet whose id is known; the one that is known by it already."""
        return self.tweets.setdefault(said.id, said)

    def find(self, tweet_id: int, author_id: int, text: str, original_id: int) -> Said | None:
        """The tweet with this id, or what somebody tried to post and it is; None: nobody did.

        `original_id` is of what it retweets, or 0. What was not acknowledged gets the id that it is
        first found with.
        """
        known = self.tweets.get(tweet_id)
        if known is not None:
            return known
        for said in self.unanswered:
            of_id = said.original.id if said.original is not None else 0
            if said.author_id == author_id and of_id == original_id and said.text.first == text:
                self.unanswered.remove(said)
                said.id = tweet_id
                return self.add(said)
        return None


class Over:
    """`Standing` over some time, in which things may change."""

    def __init__(self, seeing: Seeing, from_s: float, to_s: float) -> None:
        self.seeing = seeing
        self._over = from_s, to_s

    def since(self, from_s: float = ALWAYS) -> "Over":
        """From another moment until the same."""
        return Over(self.seeing, from_s, self._over[1])

    def between(self, bond: Bond, who: int, whom: int) -> Maybe:
        history = self.seeing.bonds(bond).get((who, whom))
        return NO if history is None else holds(history, *self._over)

    def is_private(self, who: int) -> Maybe:
        return holds(self.seeing.private(who), *self._over)

    def is_alive(self, said: Said) -> Maybe:
        return holds(said.alive, *self._over)

    def texts(self, said: Said) -> set[str]:
        """Those that the tweet may be shown with."""
        return said.text.over(*self._over)

    def retweets(self, viewer: int, said: Said) -> Maybe:
        """Whether `viewer` retweets a tweet."""
        found = NO
        for each in (*self.seeing.tweets.values(), *self.seeing.unanswered):
            if each.author_id == viewer and each.original is said:
                found |= self.is_alive(each)
        return found


@dataclass
class Shown:
    """`Standing` as the server shows it to those whom it concerns, once nothing changes."""

    bonds: dict[Bond, set[Pair]]
    private: set[int]
    alive: dict[int, Maybe]
    """By the tweets' ids."""

    def between(self, bond: Bond, who: int, whom: int) -> Maybe:
        return surely((who, whom) in self.bonds[bond])

    def is_private(self, who: int) -> Maybe:
        return surely(who in self.private)

    def is_alive(self, said: Said) -> Maybe:
        return self.alive.get(said.id, NO)
