"""A few people who hide from each other under load, beside the town, whom nobody there follows.

What two of them do to each other is done one after the other, so that the outcome is known.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable

from rookery.client import ApiError, Client, ClientError, Forbidden, NotFound, Unauthorized
from tests.chaos.citizens import TIMEOUT_S, until_answered, whole_home
from tests.chaos.faults import Fault, doubled, lost, wrong
from tests.chaos.seeing import Said, Seeing
from tests.chaos.watching import Watcher
from tests.integration.server.world import SOON, World, until

GUESTS, PRIVATE = 8, 2
SHARE = 0.4
"""How much they do, beside the town's people."""
WEIGHTS = {
    "post": 6,
    "retweet": 6,
    "undo": 3,
    "follow": 6,
    "unfollow": 3,
    "approve": 6,
    "block": 4,
    "unblock": 3,
    "mute": 5,
    "unmute": 4,
    "read": 4,
}
"""How often each is done."""


class Salon:
    """Everybody in it, and how they stand to each other."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self.world = world
        self.seeing = Seeing()
        self.faults: list[Fault] = []
        self.guests: list[Guest] = []
        self.changes = 0
        """Acknowledged ones of how they stand to each other."""
        self._locks: defaultdict[frozenset[int], asyncio.Lock] = defaultdict(asyncio.Lock)
        self._chance = chance

    async def open(self) -> None:
        """Everybody signed up, the first of them private, each with a live stream.

        They follow whom they may at once.
        """
        for person in await self.world.people(GUESTS, "guest"):
            client = await self.world.client(token=person.session.token, timeout_s=TIMEOUT_S)
            chance = random.Random(self._chance.random())
            self.guests.append(Guest(self, person.id, person.username, client, chance))
        for guest in self.guests[:PRIVATE]:
            await until_answered(lambda c=guest.client: c.update_privacy(is_private=True))  # type: ignore[misc]
            self.seeing.private.add(guest.id)
        for guest in self.guests:
            for other in self.guests[PRIVATE:]:
                if other is not guest:
                    await until_answered(lambda c=guest.client, o=other: c.follow(o.id))  # type: ignore[misc]
                    self.seeing.value("follows", guest.id, other.id).set(True)
        for guest in self.guests:
            guest.watch()
        for guest in self.guests:
            stream = guest.watcher.stream
            await until(lambda s=stream: asyncio.sleep(0, s.connected), what="a live stream")  # type: ignore[misc]

    def between(self, one: int, other: int) -> asyncio.Lock:
        return self._locks[frozenset((one, other))]


class Guest:
    """Somebody who does one thing after the other to others of the salon."""

    watcher: Watcher

    def __init__(
        self, salon: Salon, user_id: int, username: str, client: Client, chance: random.Random
    ) -> None:
        self.salon, self.id, self.username = salon, user_id, username
        self.client = client
        self._chance = chance
        self._numbers = 0

    def watch(self) -> None:
        """Open a stream."""
        stream = self.client.stream(settings=SOON, connection_events=True)
        self.watcher = Watcher(stream, lambda: until_answered(lambda: whole_home(self.client)))
        self.salon.world.stack.push_async_callback(self.watcher.aclose)

    async def live(self, has_ended: Callable[[], bool], pace_s: float) -> None:
        """Do one thing after the other, one in `pace_s` on the average, until told to end."""
        names, weights = [*WEIGHTS], [*WEIGHTS.values()]
        while not has_ended():
            [name] = self._chance.choices(names, weights)
            await getattr(self, name)()
            await asyncio.sleep(self._chance.uniform(0.5, 1.5) * pace_s)

    async def _try(self, act: Awaitable[object]) -> bool:
        """Whether it was acknowledged; a refusal for what is hidden raises."""
        try:
            await act
        except (NotFound, Forbidden):
            raise
        except ClientError as error:
            if isinstance(error, Unauthorized):
                self.salon.faults.append(lost(f"{self.username} was refused: {error}"))
            elif isinstance(error, ApiError) and error.status == 500:
                self.salon.faults.append(wrong(f"{self.username} got an internal error: {error}"))
            return False
        self.salon.changes += 1
        return True

    def _other(self) -> int:
        return self._chance.choice([each.id for each in self.salon.guests if each is not self])

    # Tweets

    async def post(self) -> Said | None:
        self._numbers += 1
        text = f"{self.username} mentions {self._numbers}"
        try:
            tweet = await self.client.post(text)
        except ClientError:
            return None  # it may be there all the same, which nothing is said of
        return self._said(Said(int(tweet.id), self.id))

    def _said(self, said: Said) -> Said:
        return self.salon.seeing.tweets.setdefault(said.id, said)

    async def retweet(self) -> Said | None:
        """Retweet what surely can be."""
        seeing = self.salon.seeing
        original = self._some(
            lambda each: (
                each.original is None
                and each.author_id not in seeing.private
                and seeing.sees(self.id, each)[0]
            )
        )
        if original is None or original.author_id == self.id:
            return None
        async with self.salon.between(self.id, original.author_id):
            must, _ = seeing.sees(self.id, original)
            try:
                tweet = await self.client.retweet(original.id)
            except (NotFound, Forbidden) as error:
                if must:
                    text = f"{self.username} cannot retweet {original.id}: {error}"
                    self.salon.faults.append(lost(text))
                return None
            except ClientError:
                return None
            said = self._said(Said(int(tweet.id), self.id, original))
            if said.original is not original:
                self.salon.faults.append(doubled(f"{said.id} retweets two tweets"))
            return said

    async def undo(self) -> None:
        mine = self._some(
            lambda each: (
                each.author_id == self.id and each.original is not None and each.alive.must_be(True)
            )
        )
        if mine is None or mine.original is None:
            return
        mine.alive.doubt(False)
        if await self._try(self.client.undo_retweet(mine.original.id)):
            mine.alive.set(False)
            mine.alive.doubted.clear()

    def _some(self, fits: Callable[[Said], bool]) -> Said | None:
        found = [each for each in [*self.salon.seeing.tweets.values()][-60:] if fits(each)]
        return self._chance.choice(found) if found else None

    # Each other

    async def follow(self) -> None:
        other, seeing = self._other(), self.salon.seeing
        async with self.salon.between(self.id, other):
            follows = seeing.value("follows", self.id, other)
            asks = seeing.value("asks", self.id, other)
            is_private = other in seeing.private
            surely_apart, perhaps_apart = seeing.is_apart(self.id, other)
            try:
                if await self._try(self.client.follow(other)):
                    if surely_apart:
                        text = f"{self.username} follows {other}, with whom they are in a block"
                        self.salon.faults.append(wrong(text))
                    if not is_private:
                        follows.set(True)
                    elif not follows.acknowledged:
                        asks.set(True)
                elif is_private:
                    asks.doubt(True)
                else:
                    follows.doubt(True)
            except (NotFound, Forbidden) as error:
                if not perhaps_apart:
                    self.salon.faults.append(wrong(f"{self.username} cannot follow: {error}"))

    async def unfollow(self) -> None:
        other = self._other()
        async with self.salon.between(self.id, other):
            await self._set(other, self.client.unfollow(other), ("follows", "asks"), False)

    async def approve(self) -> None:
        """Let somebody follow who asks to."""
        seeing = self.salon.seeing
        asking = [
            who
            for (who, whom), asks in seeing.those("asks").items()
            if whom == self.id and asks.acknowledged
        ]
        if not asking:
            return
        other = self._chance.choice(asking)
        async with self.salon.between(self.id, other):
            asks = seeing.value("asks", other, self.id)
            follows = seeing.value("follows", other, self.id)
            if not asks.must_be(True):
                return
            try:
                acknowledged = await self._try(self.client.approve_follow_request(other))
            except (NotFound, Forbidden) as error:
                text = f"{self.username} cannot approve the request of {other}: {error}"
                self.salon.faults.append(lost(text))
                return
            if acknowledged:
                follows.set(True)
                asks.set(False)
            else:
                follows.doubt(True)
                asks.doubt(False)

    async def block(self) -> None:
        """A block ends follows and requests both ways."""
        other, seeing = self._other(), self.salon.seeing
        async with self.salon.between(self.id, other):
            acknowledged = await self._set(other, self.client.block(other), ("blocks",), True)
            for who, whom in ((self.id, other), (other, self.id)):
                for value in (seeing.value(what, who, whom) for what in ("follows", "asks")):
                    (value.set if acknowledged else value.doubt)(False)

    async def unblock(self) -> None:
        await self._end("blocks", self.client.unblock)

    async def mute(self) -> None:
        other = self._other()
        async with self.salon.between(self.id, other):
            await self._set(other, self.client.mute(other), ("mutes",), True)

    async def unmute(self) -> None:
        await self._end("mutes", self.client.unmute)

    async def _end(self, what: str, end: Callable[[int], Awaitable[object]]) -> None:
        mine = [
            whom
            for (who, whom), value in self.salon.seeing.those(what).items()
            if who == self.id and value.acknowledged
        ]
        if mine:
            other = self._chance.choice(mine)
            async with self.salon.between(self.id, other):
                await self._set(other, end(other), (what,), False)

    async def _set(
        self, other: int, act: Awaitable[object], what: tuple[str, ...], value: bool
    ) -> bool:
        """Make a change and note it; one that is refused since they hide changes nothing."""
        values = [self.salon.seeing.value(each, self.id, other) for each in what]
        try:
            acknowledged = await self._try(act)
        except (NotFound, Forbidden):
            return False
        for each in values:
            (each.set if acknowledged else each.doubt)(value)
        return acknowledged

    async def read(self) -> None:
        """Home is in order and holds each tweet once, whoever hides from whom meanwhile."""
        try:
            ids = [int(tweet.id) for tweet in await whole_home(self.client)]
        except ClientError:
            return
        if len(ids) != len(set(ids)):
            self.salon.faults.append(doubled(f"the home of {self.username} showed a tweet twice"))
        elif ids != sorted(ids, reverse=True):
            self.salon.faults.append(wrong(f"the home of {self.username} was out of order"))


class Evening:
    """The guests are busy from when this is made until `end`."""

    def __init__(self, salon: Salon, actions_per_s: float) -> None:
        """`actions_per_s` are those of the town."""
        self._ended = False
        pace_s = len(salon.guests) / (actions_per_s * SHARE)
        self._tasks = [
            asyncio.create_task(each.live(lambda: self._ended, pace_s)) for each in salon.guests
        ]

    async def end(self) -> None:
        """Let everybody finish what they do."""
        self._ended = True
        await asyncio.gather(*self._tasks)
