"""Who uses the server: Locust's user classes.

The numbers of `a_day` are how often a day somebody does that. Together casual readers and power
users do what the seeds' designs count on, a person and day on average: 20 reads and 5 tweets
(the design for 100 million users), 2 likes (the one for 10 million).
"""

import random
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import gevent  # type: ignore[import-untyped]
from locust import FastHttpUser, TaskSet, constant, task

from bench.scenarios.live import LiveSession
from bench.scenarios.rest import LIMITED, Account, Answer, Rest
from bench.scenarios.spike import Spike
from bench.scenarios.town import CELEBRITIES, PEOPLE, SPAMMERS, Town

TOPICS = ("#ferries", "#birds", "#tea", "#maps", "#jazz")
WATCHED = 20
FIRST_FOLLOWS = 5
FIRST_READS = 3
IGNORED_REFUSALS = 5
UNLIMITED_WAIT_S = 0.1


class Citizen(FastHttpUser):
    """Base of all: an account, its requests and its session.

    `town` and `spike` are set for the whole run before the first user starts.
    """

    abstract = True
    role = PEOPLE
    connected: float = 1.0
    """The part of these users that hold a session."""
    connection_timeout = network_timeout = 30.0
    town: ClassVar[Town]
    spike: ClassVar[Spike | None] = None

    account: Account | None = None
    live: LiveSession | None = None

    def on_start(self) -> None:
        self.api = Rest(self.client, self._overload_allowed)
        self.shown: list[dict[str, Any]] = []
        self.cursor: str | None = None
        self.account = self.town.take(self.role)
        if random.random() < self.connected:
            self.live = LiveSession(
                self.api, self.account, self.environment.events.request, self.context()
            )

    def on_stop(self) -> None:
        if self.live is not None:
            self.live.stop()
        if self.account is not None:
            self.town.give_back(self.role, self.account)

    def context(self) -> dict[str, str]:
        return {"scenario": type(self).__name__}

    def wait_time(self) -> float:
        """As people come: independent of each other, so many actions a day on average."""
        options = self.environment.parsed_options
        assert options is not None
        return random.expovariate(len(self.tasks) / float(options.day_seconds))

    @classmethod
    def _overload_allowed(cls) -> bool:
        return cls.spike is not None and cls.spike.running

    def ask(self, method: str, path: str, *, name: str = "") -> Answer:
        return self.api.call(method, path, name=name, account=self.account)

    def read_home(self) -> None:
        """The first page; whoever is connected watches what is on it."""
        if self.live is not None:
            self.live.missed = False
        self._page(self.ask("GET", "/timeline/home"))
        if self.live is not None:
            self.live.watch([tweet["id"] for tweet in self.shown[:WATCHED]])

    def read_on(self) -> None:
        """The page after the one that was read last."""
        if self.cursor is None:
            self.read_home()
        else:
            path = f"/timeline/home?cursor={self.cursor}"
            self._page(self.ask("GET", path, name="/timeline/home?cursor"))

    def _page(self, answer: Answer) -> None:
        if answer.ok:
            self.shown, self.cursor = answer.body["tweets"], answer.body["nextCursor"]

    def read_profile(self) -> None:
        """Somebody who is in home, and what they posted."""
        if tweet := self._some_tweet():
            author = tweet["author"]["id"]
            self.ask("GET", f"/users/{author}", name="/users/:id")
            self.ask("GET", f"/timeline/user/{author}", name="/timeline/user/:id")

    def read_conversation(self) -> None:
        if tweet := self._some_tweet():
            path = f"/tweets/{tweet['id']}/conversation"
            self.ask("GET", path, name="/tweets/:id/conversation")

    def post(self) -> None:
        other = random.choice(self.town.accounts[PEOPLE]).username
        text = f"{random.choice(TOPICS)} number {random.randrange(10**6)}, what says @{other}?"
        self.town.post(self.api, self._own(), text)

    def reply(self) -> None:
        if tweet := self._some_tweet():
            text = f"@{tweet['author']['username']} quite so, {random.randrange(10**6)} times"
            self.town.post(self.api, self._own(), text, reply_to=tweet["id"])

    def like(self) -> None:
        if tweet := self._some_tweet():
            self.ask("POST", f"/tweets/{tweet['id']}/like", name="/tweets/:id/like")

    def retweet(self) -> None:
        if tweet := self._some_tweet():
            self.town.retweet(self.api, self._own(), tweet["id"])

    def quote(self) -> None:
        if tweet := self._some_tweet():
            comment = f"Read this, {random.randrange(10**6)} times over"
            self.town.retweet(self.api, self._own(), tweet["id"], comment)

    def follow(self) -> None:
        somebody = random.choice(self.town.accounts[PEOPLE])
        if somebody is not self.account:
            self.town.follow(self.api, self._own(), somebody.user_id)

    def _some_tweet(self) -> dict[str, Any] | None:
        """A tweet that was read; reads home if none was."""
        if not self.shown:
            self.read_home()
        return random.choice(self.shown) if self.shown else None

    def _own(self) -> Account:
        assert self.account is not None
        return self.account


def a_day(counts: Mapping[Callable[[Any], None], int]) -> list[TaskSet | Callable[..., Any]]:
    """Locust's list of tasks, of things that somebody does so often a day."""
    return [act for act, count in counts.items() for _ in range(count)]


class CasualReader(Citizen):
    """Reads home and what is behind it, and seldom does more."""

    weight = 70
    connected = 1 / 3
    tasks = a_day(
        {
            Citizen.read_home: 10,
            Citizen.read_on: 3,
            Citizen.read_profile: 1,
            Citizen.read_conversation: 1,
            Citizen.post: 3,
            Citizen.like: 1,
        }
    )


class PowerUser(Citizen):
    """Always connected; reads, posts and answers much."""

    weight = 15
    tasks = a_day(
        {
            Citizen.read_home: 26,
            Citizen.read_on: 6,
            Citizen.read_profile: 3,
            Citizen.read_conversation: 4,
            Citizen.post: 9,
            Citizen.reply: 5,
            Citizen.like: 7,
            Citizen.follow: 2,
            Citizen.retweet: 3,
            Citizen.quote: 1,
        }
    )


class Celebrity(Citizen):
    """Followed by everybody."""

    weight = 1
    role = CELEBRITIES
    tasks = a_day({Citizen.read_home: 20, Citizen.post: 10, Citizen.like: 5})


class NewUser(Citizen):
    """Signs up, follows some, reads: once a day, as somebody else each time."""

    weight = 3
    connected = 0.0

    def on_start(self) -> None:
        self.api = Rest(self.client, self._overload_allowed)

    @task
    def arrive(self) -> None:
        self.shown, self.cursor = [], None
        self.account, _ = self.town.sign_up(self.api)
        if self.account is None:
            return
        people = self.town.accounts[PEOPLE]
        for somebody in random.sample(people, min(FIRST_FOLLOWS, len(people))):
            self.town.follow(self.api, self.account, somebody.user_id)
        for _ in range(FIRST_READS):
            self.read_home()
            gevent.sleep(random.uniform(0.2, 2.0))

    def on_stop(self) -> None:
        """Nobody else plays these accounts."""


class Spammer(Citizen):
    """Posts the same again and again, as fast as it is let; sometimes ignores that it is not.

    Nobody follows it. That it is refused (429 with ``Retry-After``) is what should happen.
    """

    weight = 1
    role = SPAMMERS
    connected = 0.0
    wait_time = constant(0)

    @task
    def spam(self) -> None:
        victim = random.choice(self.town.accounts[PEOPLE]).username
        answer = self._post(f"@{victim} cheap followers, only today")
        if answer.status == LIMITED:
            if random.random() < 0.5:
                for _ in range(IGNORED_REFUSALS):
                    answer = self._post(f"@{victim} cheap followers, still")
            gevent.sleep(answer.retry_after_s or 1.0)
        elif not answer.limited:
            gevent.sleep(UNLIMITED_WAIT_S)

    def _post(self, text: str) -> Answer:
        return self.api.call(
            "POST",
            "/tweets",
            name="/tweets (spam)",
            account=self.account,
            body={"text": text},
            may_be_limited=True,
        )


class BreakingNews(Citizen):
    """Posts what the people of a real event posted in its busiest hours; see `spike`."""

    weight = 10
    connected = 0.0
    wait_time = constant(1)

    def on_start(self) -> None:
        self.api = Rest(self.client, self._overload_allowed)

    @task
    def replay(self) -> None:
        if self.spike is not None:
            self.spike.replay(self.town, self.api)

    def on_stop(self) -> None:
        """It posts as all the people, and plays nobody."""
