"""``rookery serve``: run a server until Ctrl-C."""

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Annotated, Literal

import structlog
import typer

from rookery.actors.runtime import collect_rarely
from rookery.authority import is_wildcard
from rookery.cli.console import ConfigOption, DataOption, err, line, out, run, settings, told
from rookery.config import Config, Server, ignored


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
    """
    with told():
        chosen = settings(
            config,
            data,
            server__runtime=runtime,
            http__port=http_port,
            live__port=live_port,
            http__host=host,
            live__host=host,
        )
    run(_serve(chosen))


async def _serve(config: Config) -> None:
    from rookery import security_log
    from rookery.logs import configure
    from rookery.serving import RunningServer

    began_s = time.monotonic()
    configure(config.server.log_level)
    security_log.configure(security_log.file_of(config.auth.security_log_file))
    if unknown := ignored(os.environ):
        structlog.get_logger(__name__).warning("not settings: ignored", variables=unknown)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    err.print(f"starting ({config.server.runtime} runtime) …", style="dim")
    server = RunningServer(config)
    starting = asyncio.create_task(server.start())
    waiting = asyncio.create_task(stopped.wait())
    await asyncio.wait([starting, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if not starting.done():
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        return
    starting.result()
    collect_rarely()
    _announce(server.http_url, server.live_urls, config, time.monotonic() - began_s)
    # Signals may have been taken over by Ray's start.
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    await stopped.wait()
    err.print("stopping …", style="dim")
    await server.stop()


def _announce(http_url: str, live_urls: list[str], config: Config, took_s: float) -> None:
    store = f"{config.server.data_dir}/" if config.store.engine == "sqlite" else "MongoDB"
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
