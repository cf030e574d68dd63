"""Logging: what it must not do to those who log."""

import io
import sys
from collections.abc import Iterator
from contextlib import suppress

import pytest
import structlog

from rookery.logs import configure


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Logging as it was."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


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


def test_addresses_are_logged_without_their_passwords(capsys: pytest.CaptureFixture[str]) -> None:
    """Wherever they stand: in a value, or in what a driver's error says."""
    configure("info")
    log = structlog.get_logger()
    try:
        raise ValueError("cannot connect to redis://:s3cr3t@host:6379/0")
    except ValueError:
        log.exception("failed", uri="mongodb://user:s3cr3t@host/?x=1")
    told = capsys.readouterr().err
    assert "mongodb://***@host" in told and "redis://***@host" in told
    assert "s3cr3t" not in told


def test_what_others_sent_cannot_act_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values are escaped: no second line, no colour, no turned text."""

    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    configure("info")
    structlog.get_logger().info("refused", name="x\x1b[2J\n12:00:00 [info] fake\u202e")
    shown = screen.getvalue()
    assert shown.count("\n") == 1
    assert "\x1b[2J" not in shown and "\u202e" not in shown
