"""A program that runs a server, like ``rookery serve``, and answers in JSON lines.

Started with the settings as JSON, and perhaps the name of a broken build
(`tests.chaos.broken`); prints where it listens, then answers lines of its input: ``pids`` (of the
actors that are alive, by name), ``restart NAME`` (of an inline runtime: as if that actor had been
killed), ``limit BYTES`` and ``unlimit`` (how large its files may get; of this process). The end of
its input stops it in order.
"""

import asyncio
import json
import os
import resource
import sys

from rookery.actors.runtime import Runtime
from rookery.actors.runtime_inline import InlineRuntime
from rookery.app import specs
from rookery.config import Config, load
from rookery.logs import configure
from rookery.serving import RunningServer
from tests.chaos.broken import BrokenRuntime

NAMESPACE = "chaos"
ALIVE_S = 1.0


def say(**facts: object) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def make_runtime(config: Config) -> Runtime:
    if config.server.runtime == "inline":
        return InlineRuntime()
    from rookery.actors.runtime_ray import RayOptions, RayRuntime

    return RayRuntime(RayOptions(namespace=NAMESPACE, dashboard=False, dashboard_token=False))


async def pids(server: RunningServer) -> dict[str, int]:
    """The process of each actor that is alive."""
    actors = [spec.name for spec in specs(server.config, server.http_port, server.live_ports)]
    if server.config.server.runtime == "inline":
        return dict.fromkeys(actors, os.getpid())
    from ray.exceptions import RayError

    from tests.integration.server.world import pid_of

    async def pid(name: str) -> int | None:
        try:
            return await asyncio.wait_for(pid_of(name, NAMESPACE), ALIVE_S)
        except (TimeoutError, RayError):
            return None

    found = zip(actors, await asyncio.gather(*map(pid, actors)), strict=True)
    return {name: each for name, each in found if each is not None}


def limit(soft_bytes: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft_bytes, hard))


async def main() -> None:
    config = load(environ={}, overrides=json.loads(sys.argv[1]))
    configure(config.server.log_level)
    runtime = make_runtime(config)
    build = sys.argv[2:3]
    server = RunningServer(config, BrokenRuntime(runtime, build[0]) if build else runtime)
    await server.start()
    say(http=server.http_url, live=server.live_urls)
    while line := (await asyncio.to_thread(sys.stdin.readline)).split():
        if line[0] == "pids":
            say(**await pids(server))
        elif line[0] == "restart":
            assert isinstance(runtime, InlineRuntime)
            before = runtime.instance(line[1])
            await runtime.restart(line[1])
            say(replaced=runtime.instance(line[1]) is not before)
        elif line[0] == "limit":
            limit(int(line[1]))
            say()
        elif line[0] == "unlimit":
            limit(resource.RLIM_INFINITY)
            say()
    await server.stop()


if __name__ == "__main__":
    asyncio.run(main())
