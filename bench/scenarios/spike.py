"""Breaking news: the busiest hours of a real event, replayed faster than they happened.

What was posted, and how the rate rose and fell, is the data set's (`rookery.bulk.higgs`); its users
are mapped onto the people of the town.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import gevent  # type: ignore[import-untyped]
from gevent.event import Event as Signal  # type: ignore[import-untyped]
from gevent.pool import Pool  # type: ignore[import-untyped]

from bench.scenarios.ledger import Ledger
from bench.scenarios.rest import Account, Rest
from bench.scenarios.town import PEOPLE, Town
from rookery.bulk import higgs

HOUR_S = 3600
WITNESSES = 20
POLL_S = 0.02
DRAIN_WITHIN_S = 60.0
PAGE = 100


@dataclass(frozen=True)
class Shout:
    """A post of the replay, `due_s` after its begin."""

    due_s: float
    event: higgs.Event


def busiest(events: Sequence[higgs.Event], hours: int) -> list[higgs.Event]:
    """The events of those consecutive hours that have the most, in order of time."""
    counts = Counter(event.time_s // HOUR_S for event in events)
    first = max(counts, key=lambda hour: (sum(counts[hour + i] for i in range(hours)), -hour))
    window = range(first * HOUR_S, (first + hours) * HOUR_S)
    return sorted((e for e in events if e.time_s in window), key=lambda event: event.time_s)


def speeded_up(events: Sequence[higgs.Event], hours: int, seconds: float, peak: int) -> list[Shout]:
    """The events within `seconds`; so many of them, evenly chosen, that no second has much more
    than `peak` (0: all)."""
    if not events:
        return []
    begin_s = events[0].time_s // HOUR_S * HOUR_S
    shouts = [Shout((e.time_s - begin_s) / (hours * HOUR_S) * seconds, e) for e in events]
    most = max(Counter(int(shout.due_s) for shout in shouts).values())
    share = min(1.0, peak / most) if peak else 1.0
    return [s for i, s in enumerate(shouts) if int((i + 1) * share) > int(i * share)]


def read_shouts(path: Path, hours: int, seconds: float, peak: int) -> list[Shout]:
    """The busiest hours of the data set, as `speeded_up` has them.

    Raises:
        InvalidRequest: the file is missing or malformed.
    """
    return speeded_up(busiest(higgs.read(path).events, hours), hours, seconds, peak)


class Spike:
    """One replay. Any number of users take shouts from it, each when it is due."""

    def __init__(self, shouts: Sequence[Shout]) -> None:
        self.started = Signal()
        self.total = len(shouts)
        self.posted = 0
        self.late_s = 0.0
        """How far posting was behind the file at the worst."""
        self.took_s = 0.0
        self.drain_s: float | None = None
        self.absorbed = False
        self._shouts = iter(shouts)
        self._in_flight = 0
        self._latest: dict[Account, str] = {}
        self._begun_s = 0.0

    @property
    def running(self) -> bool:
        """From its begin until everything was delivered."""
        return self.started.is_set() and not self.absorbed

    def begin(self) -> None:
        if not self.started.is_set():
            self._begun_s = monotonic()
            self.started.set()

    def replay(self, town: Town, rest: Rest) -> None:
        """Post what is due, until nothing is left. Who posts the last waits for its delivery."""
        self.started.wait()
        for shout in self._shouts:
            self._in_flight += 1
            try:
                behind_s = monotonic() - self._begun_s - shout.due_s
                gevent.sleep(max(0.0, -behind_s))
                self.late_s = max(self.late_s, behind_s)
                self._post(town, rest, shout.event)
            finally:
                self._in_flight -= 1
        if self._in_flight == 0 and not self.took_s:
            self.took_s = monotonic() - self._begun_s
            self.drain_s = drained(town)
            self.absorbed = self.drain_s is not None

    def _post(self, town: Town, rest: Rest, event: higgs.Event) -> None:
        people = town.accounts[PEOPLE]
        author, target = (people[number % len(people)] for number in (event.actor, event.target))
        text = f"@{target.username} news at {event.time_s} #higgs"
        reply_to = self._latest.get(target, "") if event.kind == "RE" else ""
        if event.kind == "RT":
            text = f"RT {text}"
        tweet_id = town.post(rest, author, text, name="/tweets (spike)", reply_to=reply_to)
        if tweet_id is not None:
            self._latest[author] = str(tweet_id)
            self.posted += 1


def drained(town: Town) -> float | None:
    """Seconds until a post made now is seen in the homes of its author's followers, and with it,
    all that was before it in the queue. None if it is not within `DRAIN_WITHIN_S`."""
    people = {account.user_id: account for account in town.accounts[PEOPLE]}
    author = max(people.values(), key=lambda each: _followed_by(town.ledger, each, people))
    witnesses = [people[i] for i in town.ledger.followers(author.user_id) if i in people]
    begun_s = monotonic()
    tweet_id = town.post(town.rest, author, "That was it, for now")
    if tweet_id is None:
        return None
    seen = Pool(WITNESSES).map(
        lambda witness: _sees(town, witness, tweet_id, begun_s + DRAIN_WITHIN_S),
        witnesses[:WITNESSES],
    )
    return monotonic() - begun_s if all(seen) else None


def _followed_by(ledger: Ledger, account: Account, people: dict[int, Account]) -> int:
    return sum(user_id in people for user_id in ledger.followers(account.user_id))


def _sees(town: Town, witness: Account, tweet_id: int, until_s: float) -> bool:
    while monotonic() < until_s:
        page = town.rest.call("GET", f"/timeline/home?limit={PAGE}", account=witness)
        if page.ok and str(tweet_id) in (tweet["id"] for tweet in page.body["tweets"]):
            return True
        gevent.sleep(POLL_S)
    return False
