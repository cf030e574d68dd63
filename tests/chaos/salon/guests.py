"""The guests of a salon, who do one thing after the other to each other."""

import asyncio
import random
from functools import partial

from rookery.client import Client, ClientError, Retries
from tests.chaos.citizens import TIMEOUT_S, until_answered
from tests.chaos.salon.looking import read_home, refetched_home
from tests.chaos.salon.relating import Relating
from tests.chaos.salon.salon import Salon
from tests.chaos.salon.speaking import Speaking
from tests.chaos.watching import Watcher
from tests.integration.server.world import SOON, World, until

GUESTS, PRIVATE = 8, 2
SHARE = 0.25
"""How much they do, beside the town's people."""

WEIGHTS = {
    "post": 6,
    "retweet": 6,
    "quote": 4,
    "undo": 3,
    "edit": 2,
    "delete": 2,
    "follow": 7,
    "unfollow": 2,
    "approve": 6,
    "deny": 1,
    "drop": 1,
    "block": 3,
    "unblock": 4,
    "mute": 4,
    "unmute": 4,
    "turn": 2,
    "read": 4,
}
"""How often each is done."""


class Guest(Speaking, Relating):
    """Somebody with a live stream who is busy."""

    def watch(self) -> None:
        """Open a stream."""
        stream = self.client.stream(settings=SOON, connection_events=True)
        self.watcher = Watcher(stream, lambda: refetched_home(self.salon, self))
        self.salon.world.stack.push_async_callback(self.watcher.aclose)

    async def live(self, pace_s: float) -> None:
        """Do one thing after the other, one in `pace_s` on the average, until the salon ends."""
        names, weights = [*WEIGHTS], [*WEIGHTS.values()]
        while not self.salon.has_ended:
            [name] = self.chance.choices(names, weights)
            await getattr(self, name)()
            await asyncio.sleep(self.chance.uniform(0.5, 1.5) * pace_s)

    async def read(self) -> None:
        """Read all of home."""
        try:
            await read_home(self.salon, self)
        except ClientError as error:
            self.complain(error)


async def open_salon(world: World, chance: random.Random) -> Salon:
    """A salon whose guests are signed up, the first of them private, each with a live stream.

    They follow whom they may at once.
    """
    salon = Salon(world)
    http = await salon.connect()
    for person in await world.people(GUESTS, "guest"):
        client = Client(
            world.url,
            token=person.session.token,
            timeout_s=TIMEOUT_S,
            retries=Retries(max_attempts=1),  # guests ask again by themselves, and know of it
            http=http,
        )
        await world.stack.enter_async_context(client)
        own_chance = random.Random(chance.random())
        salon.members.append(Guest(salon, person.id, person.username, client, own_chance))
    for member in salon.members[:PRIVATE]:
        await until_answered(partial(member.client.update_privacy, is_private=True))
        salon.seeing.private(member.id).settle(True)
    for member in salon.members:
        for other in salon.members[PRIVATE:]:
            if other is not member:
                await until_answered(partial(member.client.follow, other.id))
                salon.seeing.bond("follows", member.id, other.id).settle(True)
    for guest in guests_of(salon):
        guest.watch()
    await until(partial(are_live, salon), what="live streams")
    return salon


def guests_of(salon: Salon) -> list[Guest]:
    return [each for each in salon.members if isinstance(each, Guest)]


async def are_live(salon: Salon) -> bool:
    """Whether all streams are."""
    return all(each.watcher.stream.connected for each in salon.members)


class Evening:
    """The guests are busy from when this is made until `end`."""

    def __init__(self, salon: Salon, actions_per_s: float) -> None:
        """`actions_per_s` are those of all guests together."""
        self._salon = salon
        pace_s = len(salon.members) / actions_per_s
        self._tasks = [asyncio.create_task(each.live(pace_s)) for each in guests_of(salon)]

    async def end(self) -> None:
        """Let everybody finish what they do."""
        self._salon.has_ended = True
        await asyncio.gather(*self._tasks)
