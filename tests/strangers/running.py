"""One run: a server, a victim alone, strangers, calm, a verdict."""

import asyncio
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from tests.strangers.attacker import BEHAVIOURS, Order, Report
from tests.strangers.bites import times_of
from tests.strangers.judging import (
    Bounds,
    Latency,
    Seen,
    judge,
    latencies,
    outcomes_of,
)
from tests.strangers.logs import read
from tests.strangers.rounds import SLOTS, rounds
from tests.strangers.sampling import Sample, Sampler
from tests.strangers.server import ROOT, Server
from tests.strangers.victim import Victim

ADDRESSES = ("127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5")
ROUND_S = 15.0
SHARE = 0.12
"""Of a core, for each address: of two cores three quarters are the server's and the victim's."""
Tell = Callable[[str], object]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How long, on what, how hard."""

    seed: int = 1
    runtime: str = "inline"
    seconds: float = 1800.0
    baseline_s: float = 60.0
    quiet_s: float = 120.0
    round_s: float = ROUND_S
    pace: float = 1.0
    share: float = SHARE
    crowd: int = 1_000
    build: str | None = None
    settings: Mapping[str, str] = {}
    only: list[str] = []
    """Behaviours; all, where there are none."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What a run came to."""

    plan: Plan
    passed: bool
    faults: list[str]
    baseline: dict[str, Latency]
    attacked: dict[str, Latency]
    outcomes: dict[str, dict[str, int]]
    limits_logged: dict[str, int]
    attackers_used_s: dict[str, float]
    attackers_posts: int
    warm: Sample
    peak_pss_bytes: int
    peak_tcp_bytes: int
    calm: Sample
    idle_cores: float
    attacked_cores: float
    calm_cores: float
    calm_after_s: float
    posted: int
    log_bytes: int


async def run(plan: Plan, folder: Path, bounds: Bounds, tell: Tell = lambda _: None) -> Result:
    """Do all of it, in an empty folder. `folder` has the server's data and logs afterwards."""
    tell("starting")
    server = Server(folder, plan.runtime, plan.build, plan.settings)
    async with server:
        async with Victim(server.url, plan.pace) as victim:
            course = _Course(plan, server, victim, tell)
            seen = await course.run()
        tell("stopping")
        seen.stopping += await server.stop()
        logs = await asyncio.to_thread(read, server.logs())
    faults = judge(seen, logs, bounds)
    outcomes: dict[str, dict[str, int]] = {}
    for (name, outcome), count in sorted(outcomes_of(seen.reports).items()):
        outcomes.setdefault(name, {})[outcome] = count
    limits: dict[str, int] = {}
    for line in logs.lines:
        if "limit" in line.fields and times_of(line):
            name = str(line.fields["limit"])
            limits[name] = limits.get(name, 0) + times_of(line)
    return Result(
        plan=plan,
        passed=not faults,
        faults=faults,
        baseline=latencies(seen.baseline),
        attacked=latencies(seen.attacked),
        outcomes=outcomes,
        limits_logged=limits,
        attackers_used_s={each.address: round(each.used_s, 1) for each in seen.reports},
        attackers_posts=sum(each.posts for each in seen.reports),
        warm=seen.warm,
        peak_pss_bytes=max(each.pss_bytes for each in seen.samples),
        peak_tcp_bytes=max(each.tcp_bytes for each in seen.samples),
        calm=seen.calm,
        idle_cores=round(seen.idle_cpu, 3),
        attacked_cores=round(course.attacked_cores, 3),
        calm_cores=round(seen.calm_cpu, 3),
        calm_after_s=round(course.calm_after_s, 1),
        posted=len(seen.posted),
        log_bytes=logs.bytes,
    )


class _Course:
    """The course of a run while the server is up."""

    def __init__(self, plan: Plan, server: Server, victim: Victim, tell: Tell) -> None:
        self._plan, self._server, self._victim, self._tell = plan, server, victim, tell
        self._sampler = Sampler(server.process, victim.began_s, max(1.0, plan.seconds / 360))
        self.attacked_cores = self.calm_after_s = 0.0

    async def run(self) -> Seen:
        victim, plan = self._victim, self._plan
        await victim.settle()
        living = asyncio.create_task(victim.live())
        self._tell("the victim alone")
        first = await self._sampler.look()
        await self._while_alive(living, plan.baseline_s)
        warm = await self._sampler.look()
        idle_cpu = _cores(first, warm)
        attack_s = time.monotonic() - victim.began_s
        sampling = asyncio.create_task(self._sampler.run())
        reports = await self._attack(living)
        last = await self._sampler.look()
        self.attacked_cores = _cores(warm, last)
        until_s = time.monotonic() - victim.began_s
        self._tell("calm")
        calm, calm_cpu = await self._calm(warm, living)
        for task in (living, sampling):
            task.cancel()
        with suppress(asyncio.CancelledError):
            await living
        self._tell("checking")
        home, fsck = await self._check()
        return Seen(
            seconds=until_s - attack_s,
            reports=reports,
            share=plan.share,
            baseline=[each for each in victim.timed if each.at_s < attack_s],
            attacked=[each for each in victim.timed if attack_s <= each.at_s < until_s],
            wrong=victim.wrong,
            warm=warm,
            samples=self._sampler.samples,
            calm=calm,
            idle_cpu=idle_cpu,
            calm_cpu=calm_cpu,
            home=home,
            posted=list(victim.posted),
            fsck=fsck,
            stopping=[],
        )

    async def _while_alive(self, living: "asyncio.Task[None]", seconds: float) -> None:
        """Sleep so long; raise if the victim's tasks have ended by an error of our own."""
        await asyncio.wait([living], timeout=seconds)
        if living.done():
            living.result()

    async def _attack(self, living: "asyncio.Task[None]") -> list[Report]:
        plan = self._plan
        count = max(1, round(plan.seconds / plan.round_s))
        names = plan.only or sorted(BEHAVIOURS)
        drawn = rounds(plan.seed, count, ADDRESSES, names, min(SLOTS, len(names)))
        attackers = [
            asyncio.create_task(
                self._attacker(address, [each.behaviours[address] for each in drawn])
            )
            for address in ADDRESSES
        ]
        began_s = time.monotonic()
        while not all(each.done() for each in attackers):
            await self._while_alive(living, 1.0)
            spent_s = time.monotonic() - began_s
            failed = sum(bool(each.error) for each in self._victim.timed)
            self._tell(
                f"attack {spent_s:.0f} of {plan.seconds:.0f} s;"
                f" {len(self._victim.timed)} operations, {failed} failed;"
                f" {self._sampler.samples[-1].pss_bytes >> 20} MB"
            )
        return list(await asyncio.gather(*attackers))

    async def _attacker(self, address: str, names: list[list[str]]) -> Report:
        plan = self._plan
        order = Order(
            address=address,
            http_port=self._server.http_port,
            live_port=self._server.live_port,
            seed=plan.seed,
            rounds=names,
            round_s=plan.round_s,
            share=plan.share,
            victim_name=self._victim.username,
            crowd=plan.crowd,
        )
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.strangers.attacker"),
            msgspec.json.encode(order).decode(),
            cwd=ROOT,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(len(names) * plan.round_s * 1.5 + 60.0):
                out, err = await process.communicate()
        except BaseException as error:
            if process.returncode is None:
                process.kill()
            if not isinstance(error, TimeoutError):
                raise
            return Report(address, [], {}, 0.0, 0, ["it did not end in time"])
        try:
            return msgspec.json.decode(out, type=Report)
        except msgspec.DecodeError:
            return Report(address, [], {}, 0.0, 0, [err.decode(errors="replace")[-1000:]])

    async def _calm(self, warm: Sample, living: "asyncio.Task[None]") -> tuple[Sample, float]:
        """Wait until all is as before, for `quiet_s` at the most; the last look."""
        began_s = time.monotonic()
        before = await self._sampler.look()
        while True:
            await self._while_alive(living, min(5.0, self._plan.quiet_s / 4))
            sample = await self._sampler.look()
            cores = _cores(before, sample)
            before = sample
            self.calm_after_s = time.monotonic() - began_s
            is_calm = sample.pss_bytes < 1.2 * warm.pss_bytes and cores < 0.3
            if (is_calm and sample.descriptors <= warm.descriptors + 8) or (
                self.calm_after_s > self._plan.quiet_s
            ):
                return sample, cores

    async def _check(self) -> tuple[list[int], list[str]]:
        victim = self._victim
        try:
            await victim.settle_doubts()
            home = await victim.home()
            total, findings = await self._server.fsck()
        except Exception as error:  # Whatever it is, it is what is to be told.
            return [], [f"checking failed: {type(error).__name__} {error}"]
        return home, [*map(str, findings), *(["no timeline was warm"] if not total else [])]


def _cores(before: Sample, after: Sample) -> float:
    return max(0.0, after.cpu_s - before.cpu_s) / max(0.001, after.at_s - before.at_s)
