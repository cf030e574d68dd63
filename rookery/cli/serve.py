"""``rookery serve``: run a server until Ctrl-C or SIGTERM."""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import structlog
import typer

from rookery.actors.runtime import collect_rarely
from rookery.authority import is_wildcard
from rookery.capacity import return_freed_memory
from rookery.cli import signals
from rookery.cli.console import ConfigOption, DataOption, err, line, out, settings
from rookery.config import Config, Server, ignored

UNCLEAN = 3
"""The exit status of a stop that was not clean: something had to be killed, or the store's log
could not be folded into its file."""

if TYPE_CHECKING:
    from rookery.compose.serving import RunningServer


def serve(
    runtime: Annotated[
        Literal["ray", "inline"] | None,
        typer.Option("--runtime", help="A process an actor, or all in one process."),
    ] = None,
    http_port: Annotated[int | None, typer.Option("--http-port", help="REST port.")] = None,
    live_port: Annotated[
        int | None, typer.Option("--live-port", help="First WebSocket port.")
    ] = None,
    host: Annotated[
        str | None, typer.Option("--host", help="Address to listen on, for REST and WebSocket.")
    ] = None,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Run a server until Ctrl-C.

    Everything is kept in the data folder; start it again and it is there. Settings come from
    defaults, the TOML file, ROOKERY_<SECTION>_<NAME> variables and these options, in that order.

    Ctrl-C or SIGTERM stops it in order, mostly within a second, in 30 s at the most; a second one
    waits for the store alone, a third one for nothing. Exit status 0 after a clean stop, 3 after
    one that was not.
    """
    chosen = settings(
        config,
        data,
        server__runtime=runtime,
        http__port=http_port,
        live__port=live_port,
        http__host=host,
        live__host=host,
    )
    import uvloop

    if status := uvloop.run(_serve(chosen)):
        raise typer.Exit(status)


async def _serve(config: Config) -> int:
    """Start, wait for a signal, and stop; the exit status."""
    from rookery import security_log
    from rookery.actors.stopping import STOP_BOUND_S
    from rookery.logs import configure

    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    hurry: list[Callable[[], None]] = []

    def on_signal(number: int, times: int) -> None:
        if times == 1:
            signals.say("stopping …")
            late = f"did not stop within {STOP_BOUND_S:.0f} s, and was ended"
            signals.end_after(STOP_BOUND_S, UNCLEAN, late)
            loop.call_soon_threadsafe(stopped.set)
        elif times == 2:
            signals.say("stopping at once; only the store is still closed in order …")
            for each in hurry:
                loop.call_soon_threadsafe(each)
        else:
            signals.leave(UNCLEAN)

    with signals.handled(on_signal):
        began_s = time.monotonic()
        return_freed_memory()
        configure(config.server.log_level)
        security_log.configure(security_log.file_of(config.auth.security_log_file))
        if unknown := ignored(os.environ):
            structlog.get_logger(__name__).warning("not settings: ignored", variables=unknown)
        err.print(f"starting ({config.server.runtime} runtime) …", style="dim")
        from rookery.compose.serving import RunningServer

        server = RunningServer(config)
        hurry.append(server.hurry)
        if not await _started(server, stopped):
            signals.say("stopped before it was ready")
            # What Ray's start has left in this process is not waited for.
            signals.leave(0 if server.is_store_closed else UNCLEAN)
        collect_rarely()
        _announce(server.http_url, server.live_urls, config, time.monotonic() - began_s)
        await stopped.wait()
        faults = await server.stop()
    for fault in faults:
        err.print(f"not stopped in order: {fault}", soft_wrap=True)
    return UNCLEAN if faults else 0


async def _started(server: "RunningServer", stopped: asyncio.Event) -> bool:
    """Start the server, unless it is to be stopped meanwhile; then nothing of it is left."""
    starting = asyncio.create_task(server.start())
    waiting = asyncio.create_task(stopped.wait())
    await asyncio.wait([starting, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if stopped.is_set():
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await server.stop()  # it may have been ready just now
        return False
    starting.result()
    return True


def _announce(http_url: str, live_urls: list[str], config: Config, took_s: float) -> None:
    store = "MongoDB" if config.store.engine == "mongo" else f"{config.server.data_dir}/"
    out.print(line(("Rookery", "bold"), f" is ready after {took_s:.1f} s; data in {store}"))
    lines = [
        f"  HTTP        {http_url}/api/v1   (interactive: {http_url}/api/v1/docs)",
        *(f"  WebSocket   {url}" for url in live_urls),
    ]
    if is_wildcard(config.http.host):
        lines.append("              on every address of this machine")
    if config.is_clustered:
        lines.append(f"  WebSocket   of each node; {http_url}/api/v1/stream names one")
        lines.append("  Nodes       rookery status")
    elif config.server.runtime == "ray":
        lines.append(f"  Ray         {_dashboard()}   (asks for a token: ray get-auth-token)")
    lines += [
        "Try it, in another terminal:",
        f"  {_demo(config, http_url)}   a small lively network to look at",
        f"  curl -s {http_url}/api/v1/health",
        "Ctrl-C stops it.",
    ]
    for each in lines:
        out.print(each, soft_wrap=True)


def _demo(config: Config, http_url: str) -> str:
    """The command for this server: of its data folder's own, where it is not the usual one."""
    if Path(config.server.data_dir) == Path(Server().data_dir):
        return "rookery demo"
    return f"rookery demo --url {http_url}"


def _dashboard() -> str:
    from rookery.actors.runtime_ray_cluster import dashboard_url

    return dashboard_url()
