"""``fanout``: one author's tweets to a million followers, through queue and actors."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from time import perf_counter

from bench import redis_lists
from bench.actors import config, running
from bench.report import Options, Result, at_least, machine, measured, promise
from bench.rows import FillableShard, follower_id
from bench.world import Plan, World, build
from rookery.actors import names
from rookery.actors.runtime import ActorContext, Runtime
from rookery.actors.shard import TimelineShard
from rookery.cluster.topology import fixed_view
from rookery.compose.backend import Backend, Upkeep
from rookery.config import Config
from rookery.models import Identity
from rookery.services.tweets.tweets import NewTweet
from rookery.services.use_cases import UseCases

REQUIRED = 25_000_000
"""Deliveries a second of each shard."""
REQUIRED_RATIO = 0.6
REQUIRED_TIMES_REDIS = 30
RING_SIZE = 100
TWEETS = 50
LOOKED_AT = 20
REDIS_FOLLOWERS = 20_000
LOOK_EVERY_S = 0.001
GIVE_UP_S = 60.0


async def run(options: Options, *, followers: int | None = None) -> AsyncIterator[Result]:
    """Tweets posted through the service, until the last follower's row has the last of them."""
    followers = followers or (20_000 if options.is_small else 1_000_000)
    with tempfile.TemporaryDirectory(prefix="rookery-bench-") as folder:
        world = await build(Path(folder), Plan(follows=[[], []]))
        settings = config(
            options,
            world.data_dir,
            # Rings long enough for one measurement, and short enough for any machine's memory.
            timelines={"ring_size": RING_SIZE, "max_rows": followers},
        )
        async with running(settings, instead={TimelineShard: FillableShard}) as runtime:
            bench = _Fanout(options, world, settings, runtime, followers)
            await bench.open()
            try:
                for author, order in enumerate(("as they became warm", "scattered")):
                    yield await bench.measure(author, order)
            finally:
                await bench.upkeep.close()


class _Fanout:
    def __init__(
        self, options: Options, world: World, config: Config, runtime: Runtime, followers: int
    ) -> None:
        self.options = options
        self.world = world
        self.config = config
        self.runtime = runtime
        self.followers = followers
        self.worker = runtime.ref(names.FANOUT_WORKER)
        self.backend = Backend(ActorContext("Bench", runtime), config, fixed_view(config))
        self.cases = UseCases(self.backend.ground, config)
        self.upkeep = Upkeep(self.backend, self.cases)
        self.conditions = machine()
        self.no_redis = redis_lists.missing()
        self.redis: redis_lists.Rates | None = None

    async def open(self) -> None:
        """Fill the shards, and measure the rival."""
        await self.upkeep.open()
        # Called by hand, since it takes longer than any call of a server may.
        edges = self.backend.shards.edges
        calls = [
            edge.ref.call("fill", self.followers, *self.world.user_ids) for edge in edges.values()
        ]
        filled = dict(zip(edges, await asyncio.gather(*calls), strict=True))
        if sum(filled.values()) != self.followers:
            raise AssertionError(f"rows of {self.followers} followers: {filled}")
        if self.no_redis is None:
            count = min(REDIS_FOLLOWERS, self.followers)
            self.redis = await redis_lists.deliveries_per_s(
                count, 5, self.config.timelines.ring_size
            )

    async def measure(self, author: int, order: str) -> Result:
        tweets = 10 if self.options.is_small else TWEETS
        await self._post(author, 5)
        rates: list[float] = []
        bare: list[float] = []
        for _ in range(self.options.repeats):
            rates.append(await self._post(author, tweets))
            bare.append(await self._bare(author, tweets))
        figures = measured(rates, bare)
        value = figures["value"]
        times_redis = value / max(self.redis) if self.redis else None
        return Result(
            bench="fanout",
            unit="deliveries/s",
            ceiling_is="the bare operation on the same arrays, in the shards' processes",
            **figures,
            **promise(
                self.options,
                at_least("deliveries/s a shard", value / self.config.shards, REQUIRED)
                | at_least("ratio", figures["ratio"], REQUIRED_RATIO)
                | at_least("times Redis", times_redis, REQUIRED_TIMES_REDIS),
            ),
            parameters={
                "runtime": self.options.runtime,
                "followers": self.followers,
                "rows": order,
                "shards": self.config.shards,
                "tweets": tweets,
                "ring_size": self.config.timelines.ring_size,
                "redis_lists": self.redis._asdict() if self.redis else self.no_redis,
                "times_redis": times_redis,
            },
            checked={"timelines": LOOKED_AT * self.options.repeats},
            machine=self.conditions,
        )

    async def _post(self, author: int, tweets: int) -> float:
        """Post tweets at once and wait for their delivery; deliveries a second.

        Raises:
            AssertionError: not every follower got every tweet once, in order.
            TimeoutError: the last delivery did not come.
        """
        identity = Identity(self.world.user_ids[author], "", "bench")
        before = await self._delivered()
        began_s = perf_counter()
        posted = await asyncio.gather(
            *(
                self.cases.tweets.create(identity, NewTweet(text=f"to a million, {number}"))
                for number in range(tweets)
            )
        )
        await self._until_delivered(before + tweets * self.followers)
        took_s = perf_counter() - began_s
        await self.worker.call("settle")
        delivered = await self._delivered() - before
        if delivered != tweets * self.followers:
            raise AssertionError(f"{delivered} deliveries of {tweets} tweets")
        expected = sorted((tweet.id for tweet in posted), reverse=True)
        step = self.followers // LOOKED_AT
        for number in range(0, self.followers, step):
            shown = await self.backend.shards.read(follower_id(number), 0, tweets, 0)
            if shown.ids != expected:
                raise AssertionError(f"follower {number} has {shown.ids}")
        return delivered / took_s

    async def _until_delivered(self, count: int) -> None:
        """Wait for so many deliveries since the start.

        `settle` would wait longer: the worker acknowledges what is done ten times a second, which
        is more than a delivery to few followers takes.
        """
        async with asyncio.timeout(GIVE_UP_S):
            while True:
                if await self._delivered() >= count:
                    return
                await asyncio.sleep(LOOK_EVERY_S)

    async def _delivered(self) -> int:
        return int((await self.worker.call("delivered"))["deliveries"])

    async def _bare(self, author: int, tweets: int) -> float:
        """All shards at the same time, as they deliver; deliveries a second."""
        answers: dict[str, tuple[int, float]] = await self.backend.shards.on_each(
            "bare", self.world.user_ids[author], tweets
        )
        total = sum(count for count, _ in answers.values())
        return total / max(seconds for _, seconds in answers.values())
