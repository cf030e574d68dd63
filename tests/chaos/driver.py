"""A program that runs a server, like ``rookery serve``, and answers in JSON lines.

Started with the settings as JSON; `--build` names a broken build (`tests.chaos.broken`),
`--raylets` says how many nodes, this one included, a Ray cluster for it is to have. Prints where
it listens, then answers lines of its input, the end of which stops it in order:

- ``pids``: of the actors that are alive, by name;
- ``restart NAME``: of an inline runtime, as if that actor had been killed;
- ``interrupt NAME``: the same of the fan-out worker, after it has delivered events and before it
  acknowledges them;
- ``limit BYTES``, ``unlimit``: how large its files may get, of this process;
- ``nodes``: those that serve, by their raylets' processes;
- ``kill-node``: a node that serves and is not this one; its processes are gone then;
- ``add-node``: one more, which serves some time later.
"""

import argparse
import asyncio
import json
import os
import resource
import sys
from contextlib import nullcontext
from typing import Any

import msgspec
import psutil

from rookery.actors.fanout import FanoutWorker
from rookery.actors.runtime import Actor, Runtime
from rookery.actors.runtime_inline import InlineRuntime
from rookery.compose.actors import singles, specs
from rookery.compose.serving import RunningServer
from rookery.config import Config, load
from rookery.logs import configure
from tests.chaos.broken import BUILDS, BrokenRuntime
from tests.cluster.raylets import Raylets
from tests.integration.server.world import until

NAMESPACE = "chaos"
ALIVE_S = 1.0
GONE_S = 10.0


def say(**facts: object) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def make_runtime(config: Config) -> Runtime:
    if config.server.runtime == "inline":
        return InlineRuntime()
    from rookery.actors.runtime_ray import RayOptions, RayRuntime

    return RayRuntime(
        RayOptions(
            address=config.ray.address or None,
            namespace=NAMESPACE,
            dashboard=False,
            dashboard_token=False,
            log_level=config.server.log_level,
        )
    )


def actors_of(server: RunningServer) -> list[str]:
    """The actors that there are now."""
    config = server.config
    if config.is_clustered:
        alone = [spec.name for spec in singles(config, server.view)]
        return [*alone, *server.view.present.all]
    return [spec.name for spec in specs(config, server.http_port, server.live_ports)]


async def pids(server: RunningServer) -> dict[str, int]:
    """The process of each actor that is alive."""
    actors = actors_of(server)
    if server.config.server.runtime == "inline":
        return dict.fromkeys(actors, os.getpid())
    from ray.exceptions import RayError

    from tests.integration.server.world import pid_of

    async def pid(name: str) -> int | None:
        try:
            return await asyncio.wait_for(pid_of(name, NAMESPACE), ALIVE_S)
        except (TimeoutError, ValueError, RayError):
            return None

    found = zip(actors, await asyncio.gather(*map(pid, actors)), strict=True)
    return {name: each for name, each in found if each is not None}


def limit(soft_bytes: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft_bytes, hard))


async def until_unacknowledged(worker: Actor) -> None:
    """Return when the fan-out worker has delivered events whose acknowledgement is not written.

    From now on it writes none, as if it hung just there.
    """
    assert isinstance(worker, FanoutWorker)

    async def never() -> None:
        await asyncio.Event().wait()

    worker._relay.keeper.round = never  # type: ignore[method-assign]
    before = worker.figures()["entries"]

    async def has_delivered() -> bool:
        return worker.figures()["entries"] > before

    await until(has_delivered, what="events to deliver")


class Nodes:
    """The nodes of the cluster, this one aside."""

    def __init__(self, server: RunningServer, raylets: Raylets) -> None:
        self._server = server
        self._raylets = raylets

    def serving(self) -> dict[str, int]:
        """The raylets of those that serve."""
        assert self._server.cluster is not None
        placed = self._server.cluster.controller.nodes.placed
        return {
            node: self._raylets.pid_of(node)
            for node in self._raylets.other_ids
            if node in placed and placed[node].state == "serving"
        }

    async def kill(self) -> dict[str, Any]:
        """Kill one that serves; what it was, and how many processes are gone with it."""
        node, pid = next(iter(self.serving().items()))
        family = psutil.Process(pid).children(recursive=True)
        await self._raylets.kill(node)

        async def are_gone() -> bool:
            return not any(each.is_running() for each in family)

        await until(are_gone, within_s=GONE_S, what="the end of the node's processes")
        return {"node": node, "pid": pid, "processes": len(family)}

    async def add(self) -> str:
        return await self._raylets.add()


async def main(config: Config, build: str | None, raylets: Raylets | None) -> None:
    configure(config.server.log_level)
    runtime = make_runtime(config)
    server = RunningServer(config, runtime if build is None else BrokenRuntime(runtime, build))
    await server.start()
    say(http=server.http_url, live=server.live_urls)
    while line := (await asyncio.to_thread(sys.stdin.readline)).split():
        if line[0] == "pids":
            say(**await pids(server))
        elif line[0] in ("restart", "interrupt"):
            assert isinstance(runtime, InlineRuntime)
            if line[0] == "interrupt":
                await until_unacknowledged(runtime.instance(line[1]))
            before = runtime.instance(line[1])
            await runtime.restart(line[1])
            say(replaced=runtime.instance(line[1]) is not before)
        elif line[0] == "limit":
            limit(int(line[1]))
            say()
        elif line[0] == "unlimit":
            limit(resource.RLIM_INFINITY)
            say()
        elif line[0] == "nodes":
            assert raylets is not None
            say(**Nodes(server, raylets).serving())
        elif line[0] == "kill-node":
            assert raylets is not None
            say(**await Nodes(server, raylets).kill())
        elif line[0] == "add-node":
            assert raylets is not None
            say(node=await Nodes(server, raylets).add())
    await server.stop()


def run() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("settings", type=json.loads)
    parser.add_argument("--build", choices=BUILDS)
    parser.add_argument("--raylets", type=int, default=0)
    given = parser.parse_args()
    config = load(environ={}, overrides=given.settings)
    with Raylets(given.raylets - 1) if given.raylets else nullcontext() as raylets:
        if raylets is not None:
            joined = msgspec.structs.replace(config.ray, address=raylets.address)
            config = msgspec.structs.replace(config, ray=joined)
        asyncio.run(main(config, given.build, raylets))


if __name__ == "__main__":
    run()
