"""Those who use all that people can do to each other: Locust's user class of the social mix."""

import random
from typing import Any

from bench.scenarios.people import Citizen, a_day
from bench.scenarios.rest import Account, Answer
from bench.scenarios.town import SOCIALITES, SPAMMERS

PRIVATE = 0.2
"""The part of them whose account is private."""


class Socialite(Citizen):
    """Retweets and takes it back, quotes, keeps, blocks, mutes, asks to follow and lets others.

    They do so among themselves and to spammers, whom nobody else follows: what others' homes must
    show is known for that reason. What somebody hid meanwhile is refused, which is no failure.
    """

    weight = 5
    role = SOCIALITES

    def on_start(self) -> None:
        super().on_start()
        self.retweeted: list[str] = []
        self.blocked: list[Account] = []
        self.muted: list[Account] = []
        body = {"isPrivate": random.random() < PRIVATE}
        self.api.call("PUT", "/account/privacy", account=self.account, body=body)

    def on_stop(self) -> None:
        """Whoever plays the account next finds it without blocks and mutes."""
        while self.blocked:
            self.unblock()
        while self.muted:
            self.unmute()
        super().on_stop()

    def retweet(self) -> None:
        if tweet := self._some_tweet():
            tweet_id = tweet["id"]
            if self.town.retweet(self.api, self._own(), tweet_id, hidden=True) is not None:
                self.retweeted.append(tweet_id)

    def undo_retweet(self) -> None:
        if self.retweeted:
            self._at_tweet("DELETE", self.retweeted.pop(), "retweet")

    def quote(self) -> None:
        if tweet := self._some_tweet():
            comment = f"What do you say to this, {random.randrange(10**6)} times"
            self.town.retweet(self.api, self._own(), tweet["id"], comment, hidden=True)

    def bookmark(self) -> None:
        if tweet := self._some_tweet():
            self._at_tweet("POST", tweet["id"], "bookmark")

    def block(self) -> None:
        self._hide("block", self.blocked)

    def unblock(self) -> None:
        self._show("block", self.blocked)

    def mute(self) -> None:
        self._hide("mute", self.muted)

    def unmute(self) -> None:
        self._show("mute", self.muted)

    def ask_to_follow(self) -> None:
        """One of them, who lets others follow, or is asked to."""
        if other := self._other(self.town.accounts[SOCIALITES]):
            self._at_user("POST", other, "follow")

    def answer_requests(self) -> None:
        """Let half of those who ask follow."""
        answer = self.ask("GET", "/follow-requests")
        for user in answer.body["users"] if answer.ok else ():
            verb = random.choice(("approve", "deny"))
            path = f"/follow-requests/{user['id']}/{verb}"
            self._hideable("POST", path, f"/follow-requests/:id/{verb}")

    def _hide(self, how: str, hidden: list[Account]) -> None:
        others = self.town.accounts[SOCIALITES] + self.town.accounts[SPAMMERS]
        if (other := self._other(others)) and self._at_user("POST", other, how).ok:
            hidden.append(other)

    def _show(self, how: str, hidden: list[Account]) -> None:
        if hidden:
            self._at_user("DELETE", hidden.pop(), how)

    def _other(self, accounts: list[Account]) -> Account | None:
        others = [each for each in accounts if each is not self.account]
        return random.choice(others) if others else None

    def _some_tweet(self) -> dict[str, Any] | None:
        tweet = super()._some_tweet()
        return tweet if tweet is None else tweet["retweetOf"] or tweet

    def _at_tweet(self, method: str, tweet_id: str, what: str) -> Answer:
        return self._hideable(method, f"/tweets/{tweet_id}/{what}", f"/tweets/:id/{what}")

    def _at_user(self, method: str, user: Account, what: str) -> Answer:
        return self._hideable(method, f"/users/{user.user_id}/{what}", f"/users/:id/{what}")

    def _hideable(self, method: str, path: str, name: str) -> Answer:
        return self.api.call(method, path, name=name, account=self.account, may_be_hidden=True)

    tasks = a_day(
        {
            Citizen.read_home: 12,
            Citizen.read_on: 3,
            Citizen.post: 4,
            retweet: 4,
            undo_retweet: 2,
            quote: 2,
            bookmark: 2,
            block: 2,
            unblock: 2,
            mute: 2,
            unmute: 2,
            ask_to_follow: 2,
            answer_requests: 2,
        }
    )
