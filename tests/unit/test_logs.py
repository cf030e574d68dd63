"""Logging: what it must not do to those who log."""

import sys
from collections.abc import Iterator
from contextlib import suppress

import pytest
import structlog

from rookery.logs import configure


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Logging as it was."""
    yield
    structlog.reset_defaults()


def test_a_log_that_cannot_be_written_fails_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was to be told is lost."""
    full = open("/dev/full", "w", buffering=1)
    monkeypatch.setattr(sys, "stderr", full)
    configure("warning")
    structlog.get_logger().error("no room", text="x" * 10_000)
    with pytest.raises(OSError, match="No space left"):
        full.write("for comparison\n")
    with suppress(OSError):
        full.close()
