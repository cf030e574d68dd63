"""The configured runtime: processes under Ray, or objects in this process."""

from hashlib import blake2b
from pathlib import Path

import msgspec

from rookery import __version__, security_log
from rookery.actors.runtime import Runtime
from rookery.actors.runtime_inline import InlineRuntime
from rookery.config import Config


def make_runtime(config: Config) -> Runtime:
    """The configured runtime. Ray is imported only where it is used."""
    if config.server.runtime == "inline":
        return InlineRuntime()
    from rookery.actors.runtime_ray import RayOptions, RayRuntime

    return RayRuntime(
        RayOptions(
            address=config.ray.address or None,
            directory=Path(config.server.data_dir) / "ray",
            dashboard_port=config.ray.dashboard_port,
            figures_every_s=config.ray.figures_s,
            log_level=config.server.log_level,
            security_log_file=security_log.file_of(config.auth.security_log_file),
            build=build_of(config),
        )
    )


def build_of(config: Config) -> str:
    """What two processes have in common that may go on with each other's actors.

    None may where each start chooses another port.
    """
    if not config.is_clustered or not config.http.port:
        return ""
    settings = blake2b(msgspec.json.encode(config), digest_size=16)
    return f"{__version__} {settings.hexdigest()}"
