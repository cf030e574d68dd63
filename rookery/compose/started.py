"""Tells the security log of a start, and with which settings."""

from rookery import __version__, security_log
from rookery.config import Config
from rookery.security_log import Event, record

SHOWN_TEXTS = frozenset({"http.host", "http.trusted_proxies", "live.host"})
"""Settings whose text the security log shows; others may hold passwords, or paths."""


def record_start(config: Config) -> None:
    """Log with which settings the server runs: those that are not the defaults."""
    changed = {}
    default = Config()
    for section in config.__struct_fields__:
        mine, usual = getattr(config, section), getattr(default, section)
        for name in mine.__struct_fields__:
            value, path = getattr(mine, name), f"{section}.{name}"
            if value != getattr(usual, name):
                is_hidden = isinstance(value, str) and path not in SHOWN_TEXTS
                changed[path] = "(set)" if is_hidden else value
    record(
        Event.STARTED,
        "success",
        operator=security_log.operator(),
        version=__version__,
        runtime=config.server.runtime,
        store=config.store.engine,
        settings=changed,
    )
