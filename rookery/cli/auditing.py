"""The security log of commands that act on a store themselves, without a server."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rookery import security_log
from rookery.config import Config


@contextmanager
def auditing(config: Config, act: str, **facts: Any) -> Iterator[dict[str, Any]]:
    """Log an operator's act when it ends, with how it ended.

    Facts that come to light meanwhile may be added to what is given; with a ``reason`` among them
    it has failed.

    On a terminal without a file for the log nothing is written: who acts is who reads it.
    """
    if not config.auth.security_log_file and sys.stderr.isatty():
        yield {}
        return
    security_log.configure(security_log.file_of(config.auth.security_log_file))
    what = {"act": act, "operator": security_log.operator(), **facts}
    try:
        yield what
    except BaseException as error:
        reason = getattr(error, "code", None)
        what["reason"] = reason if isinstance(reason, str) else "broken_off"
        security_log.record(security_log.Event.OPERATOR, "failure", **what)
        raise
    outcome: security_log.Outcome = "failure" if "reason" in what else "success"
    security_log.record(security_log.Event.OPERATOR, outcome, **what)
