"""Actors started by a benchmark itself, where the load must enter behind the HTTP surface."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.report import Options
from bench.server import free_port
from rookery.actors.gateway import Gateway
from rookery.actors.runtime import Actor, Runtime
from rookery.compose.actors import specs
from rookery.compose.runtimes import make_runtime
from rookery.config import Config, load


def config(options: Options, data_dir: Path, **sections: Mapping[str, Any]) -> Config:
    """The settings of a server of default size, except for what `sections` say."""
    overrides: dict[str, dict[str, Any]] = {
        "server": {
            "runtime": options.runtime,
            "data_dir": str(data_dir),
            "log_level": "warning",
        },
        "ray": {"dashboard_port": free_port()},
    }
    for name, values in sections.items():
        overrides.setdefault(name, {}).update(values)
    return load(environ={}, overrides=overrides)


@asynccontextmanager
async def running(
    config: Config,
    *,
    live_ports: Sequence[int] = (),
    instead: Mapping[type[Actor], type[Actor]] | None = None,
) -> AsyncIterator[Runtime]:
    """The actors of a server without its gateways; some classes replaced by others."""
    chosen = [
        replace(spec, cls=(instead or {}).get(spec.cls, spec.cls))
        for spec in specs(config, 0, live_ports)
        if spec.cls is not Gateway
    ]
    runtime = make_runtime(config)
    try:
        await runtime.start(*chosen)
        yield runtime
    finally:
        await runtime.stop()
