"""Logging: structured, on stderr; one JSON line an event, or readable text in a terminal.

Tracebacks never show local variables, which may hold passwords and tokens, and addresses are shown
without the passwords in them. What cannot be written
is lost: where the log's disk is full, nobody who logs may fail for that.
"""

import logging
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Protocol, TextIO, cast

import structlog
from structlog.typing import Processor

from rookery.redaction import redacted

log = structlog.get_logger(__name__)


class ReachedLimit(Protocol):
    """`limit` was reached `times` times from `address`."""

    @property
    def limit(self) -> str: ...

    @property
    def address(self) -> str: ...

    @property
    def times(self) -> int: ...


class _Lossy:
    """The present stderr, without its errors, and without passwords in addresses."""

    def write(self, text: str) -> None:
        with suppress(OSError, ValueError):  # ValueError: closed
            sys.stderr.write(redacted(text))

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.flush()


def configure(level: str) -> None:
    """Log events of `level` (debug, info, warning, error) and above."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.StackInfoRenderer(),
    ]
    if sys.stderr.isatty():
        shared += [
            structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
            # Values are shown as Python writes them: what others sent cannot act on a terminal.
            structlog.dev.ConsoleRenderer(
                exception_formatter=structlog.dev.plain_traceback, repr_native_str=True
            ),
        ]
    else:
        shared += [
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ]
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        processors=shared,
        logger_factory=structlog.WriteLoggerFactory(file=cast(TextIO, _Lossy())),
    )


def warn_of_limits(surface: str, reached: Iterable[ReachedLimit]) -> None:
    """Log the limits that clients of a surface (``rest``, ``stream``) have reached."""
    for each in reached:
        log.warning(
            "limit reached",
            surface=surface,
            limit=each.limit,
            address=each.address,
            times=each.times,
        )
