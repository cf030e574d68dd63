"""Who is there, who may see what of whom: the rules as a table, and nothing of the program.

Three authors (an open account, a closed one, and one that is gone, which is suspended) stand to
every kind of viewer as the viewer's name says. Everybody else is in no relation that decides
anything, and open, but for one who is lost: suspended while somebody asks to follow.
"""

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, TypeAlias

AUTHORS = ("open", "closed", "gone")
KINDS = (
    "stranger",
    "follower",
    "requested",
    "approved",
    "mentioned",
    "muting",
    "muted",
    "blocked",
    "blocking",
    "moderator",
)
HOST, FAN, LOST = "host", "fan", "lost"
PEOPLE = (HOST, FAN, LOST, *KINDS, *AUTHORS)
VIEWERS: tuple[str | None, ...] = (None, *KINDS, "open", "closed")
"""None is nobody: whoever is not signed in. Who is suspended is refused everything."""

Viewer: TypeAlias = str | None
Relation: TypeAlias = str

FOLLOWING = {"follower", "approved", "muting", "muted"}
"""Relations of those who follow, and were let in where that takes it."""
SELF = "self"
EVERYBODY = {*KINDS, "nobody", SELF}
IN_A_BLOCK = {"blocked", "blocking"}
_MIRRORED = {"blocked": "blocking", "blocking": "blocked", "muted": "muting"}

_FOLLOWERS = FOLLOWING | {SELF, "mentioned"}
WHO_SEES: dict[tuple[str, str], set[Relation]] = {
    ("open", "public"): EVERYBODY - IN_A_BLOCK,
    ("open", "followers"): _FOLLOWERS,
    ("open", "mentioned"): {SELF, "mentioned"},
    ("closed", "public"): _FOLLOWERS,
    ("closed", "followers"): _FOLLOWERS,
    ("closed", "mentioned"): {SELF, "mentioned"},
    ("gone", "public"): {"moderator"},
    ("gone", "followers"): {"moderator"},
    ("gone", "mentioned"): {"moderator"},
}
"""By the author's account and the tweet's visibility. Who is mentioned counts only in a tweet that
mentions; elsewhere as a stranger."""

Visibility: TypeAlias = Literal["public", "followers", "mentioned"]


class Tweet(NamedTuple):
    """A tweet by its label. `shows` is the label of what it retweets, `quotes` of what it quotes,
    `replies_to` of what it answers."""

    label: str
    author: str
    visibility: Visibility = "public"
    mentions: bool = False
    shows: str = ""
    quotes: str = ""
    replies_to: str = ""


def account(person: str) -> str:
    """What sort of account somebody has."""
    if person == LOST:
        return "gone"
    return person if person in AUTHORS else "open"


def relation(viewer: Viewer, person: str) -> Relation:
    """How a viewer stands to somebody."""
    if viewer is None:
        return "nobody"
    if viewer == person:
        return SELF
    if person in AUTHORS:
        if viewer == FAN:
            return "follower"
        if viewer in ("requested", "approved") and person != "closed":
            return "stranger"  # Nobody has to ask there.
        return viewer if viewer in KINDS else "stranger"
    if viewer in AUTHORS:
        return _MIRRORED.get(person, "stranger")
    return "stranger"


class Rules:
    """What viewers may see, of these tweets."""

    def __init__(
        self,
        tweets: Mapping[str, Tweet],
        relation: Callable[[Viewer, str], Relation] = relation,
    ) -> None:
        self._tweets = tweets
        self._relation = relation

    def sees(self, viewer: Viewer, label: str) -> bool:
        """Whether a viewer who asks for a tweet gets it."""
        tweet = self._tweets[label]
        if tweet.shows and not self.sees(viewer, tweet.shows):
            return False
        stands = self._relation(viewer, tweet.author)
        if stands == "mentioned" and not tweet.mentions:
            stands = "stranger"
        return stands in WHO_SEES[account(tweet.author), tweet.visibility]

    def lists(self, viewer: Viewer, label: str) -> bool:
        """Whether lists have the tweet for a viewer."""
        tweet = self._tweets[label]
        authors = {tweet.author}
        if tweet.shows:
            authors.add(self._tweets[tweet.shows].author)
        mutes = any(self._relation(viewer, each) == "muting" for each in authors)
        return self.sees(viewer, label) and (not mutes or tweet.author == viewer)

    def is_for_everybody(self, label: str) -> bool:
        """Whether others may retweet or quote the tweet; of a retweet, what it shows."""
        tweet = self._tweets[self._tweets[label].shows or label]
        return tweet.visibility == "public" and account(tweet.author) == "open"

    def may_retweet(self, viewer: Viewer, label: str) -> bool:
        """Whether a viewer who sees a tweet may retweet it."""
        original = self._tweets[self._tweets[label].shows or label]
        return self.is_for_everybody(label) or original.author == viewer


def sees_person(viewer: Viewer, person: str) -> bool:
    """Whether a viewer finds somebody's profile."""
    if account(person) == "gone":
        return viewer in ("moderator", person)
    return relation(viewer, person) != "blocked"


def lists_person(viewer: Viewer, person: str) -> bool:
    """Whether lists of people have somebody for a viewer."""
    return account(person) != "gone" and relation(viewer, person) not in IN_A_BLOCK


def sees_lists(viewer: Viewer, person: str) -> bool:
    """Whether a viewer who finds somebody's profile may see what the account lists."""
    return account(person) != "closed" or relation(viewer, person) in FOLLOWING | {SELF}
