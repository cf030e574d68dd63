"""What was done, as the server acknowledged it, and what home timelines must show after that.

A home holds all posts of those one follows, whenever one began to, and one's own; so authors' posts
(their retweets and quotes are among them) and who follows whom say all of it. Nobody whose home is
compared hides or is hidden from anybody whose tweets they could meet.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from bench.scenarios.rest import Account


@dataclass(frozen=True)
class Unanswered:
    """A post of which it is not known whether it was made; to be repeated with its key."""

    account: Account
    path: str
    body: dict[str, Any]


class Ledger:
    """All posts and follows of the people of a run."""

    def __init__(self) -> None:
        self.following: defaultdict[int, set[int]] = defaultdict(set)
        self.open_posts: dict[str, Unanswered] = {}
        self.open_follows: set[tuple[Account, int]] = set()
        self._posts: defaultdict[int, set[int]] = defaultdict(set)

    def posted(self, key: str, tweet_id: int) -> None:
        """The post begun as `key` was acknowledged; a second retweet is the first one."""
        self._posts[self.open_posts.pop(key).account.user_id].add(tweet_id)

    def followed(self, account: Account, followee_id: int) -> None:
        self.open_follows.discard((account, followee_id))
        self.following[account.user_id].add(followee_id)

    def followers(self, followee_id: int) -> list[int]:
        return [user_id for user_id, those in self.following.items() if followee_id in those]

    def home(self, user_id: int, after_id: int) -> list[int]:
        """Ids of the tweets above `after_id` that a home must show, newest first."""
        authors = self.following[user_id] | {user_id}
        found = (tweet_id for author in authors for tweet_id in self._posts[author])
        return sorted((tweet_id for tweet_id in found if tweet_id > after_id), reverse=True)

    def __len__(self) -> int:
        return sum(map(len, self._posts.values()))
