"""A program with one actor that stops in order at SIGINT; says as JSON lines what it sees."""

import asyncio
import json
import signal
import sys
import time

import psutil

from rookery.actors.runtime import Actor, ActorSpec
from rookery.actors.runtime_ray import RayOptions, RayRuntime


def say(**facts: object) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def main() -> None:
    interrupted = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupted.set)
    runtime = RayRuntime(RayOptions(dashboard_port=int(sys.argv[1]), dashboard_token=False))
    await runtime.start(ActorSpec("actor", Actor))
    children = psutil.Process().children(recursive=True)
    say(pids=[child.pid for child in children])
    await interrupted.wait()
    say(ping=await runtime.ref("actor").call("ping"))
    started = time.monotonic()
    await runtime.stop()
    say(
        stop_s=time.monotonic() - started,
        alive=[child.pid for child in children if is_alive(child)],
    )


if __name__ == "__main__":
    asyncio.run(main())
