"""The security log."""

import asyncio
import json
import os
import pwd
import re
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from rookery import security_log
from rookery.errors import StartupError
from rookery.security_log import MAX_SOURCES, Event, Origin, Refusals, record

DOCS = Path(__file__).parents[2] / "docs" / "operations.md"


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "security.log"
    security_log.configure(str(path))
    yield path
    security_log.configure("")


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _same(origin: Origin) -> Origin:
    return origin


def test_an_event_says_who_what_from_where_and_how_it_ended(file: Path) -> None:
    """As one JSON object on a line; what is not known is left out."""
    origin = Origin("192.0.2.1", "192.0.2.1", "r-1", "curl/8")
    record(Event.LOG_IN, "success", origin=origin, user_id=2**60, username="ada", device_id="d")
    (line,) = lines(file)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line.pop("timestamp"))
    assert line == {
        "kind": "security",
        "event": "log_in",
        "outcome": "success",
        "user_id": str(2**60),
        "username": "ada",
        "device_id": "d",
        "address": "192.0.2.1",
        "request_id": "r-1",
    }


def test_no_text_can_end_a_line_or_grow_it(file: Path) -> None:
    """Whatever a name holds, an event stays one line of bounded length."""
    evil = 'x\n{"kind":"security"}\r\x1b[2J\u2028\ud800' + "y" * 100_000
    record(Event.OPERATOR, "success", reason=evil, node=evil)
    raw = file.read_bytes()
    assert raw.count(b"\n") == 1 and raw.isascii() and len(raw) < 2_000
    assert len(lines(file)) == 1


def test_its_file_is_for_its_owner_and_may_be_moved(file: Path) -> None:
    """As logrotate does: the next event begins a new file."""
    record(Event.LOG_OUT, "success")
    file.rename(file.with_suffix(".1"))
    record(Event.SIGN_UP, "success")
    assert [line["event"] for line in lines(file.with_suffix(".1"))] == ["log_out"]
    assert [line["event"] for line in lines(file)] == ["sign_up"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_file_that_others_could_read_is_closed_to_them(file: Path) -> None:
    """Made by somebody's touch, or an older release."""
    file.touch()
    file.chmod(0o644)
    record(Event.SIGN_UP, "success")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(lines(file)) == 1


def test_nothing_is_written_through_a_link(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever may make one in the folder would choose what is overgrown with lines."""
    target = file.with_suffix(".target")
    target.touch()
    file.symlink_to(target)
    record(Event.SIGN_UP, "success")
    assert target.read_bytes() == b""
    assert '"sign_up"' in capsys.readouterr().err


def test_devices_keep_their_modes(tmp_path: Path) -> None:
    """The null device of a whole machine must not be closed."""
    before = stat.S_IMODE(Path("/dev/null").stat().st_mode)
    security_log.configure("/dev/null")
    record(Event.SIGN_UP, "success")
    security_log.configure("")
    assert stat.S_IMODE(Path("/dev/null").stat().st_mode) == before


def test_a_file_that_cannot_be_written_is_told_at_the_start(tmp_path: Path) -> None:
    """Which it is, and what to do; looking makes no file."""
    (tmp_path / "link").symlink_to(tmp_path / "target")
    os.mkfifo(tmp_path / "pipe")
    for name, why in (
        ("link", "is a link"),
        ("missing/log", "No such file"),
        ("link/log", "No such file"),
        (".", "Is a directory"),
        ("pipe", "cannot be written"),
    ):
        with pytest.raises(StartupError, match=f"auth.security_log_file .*{why}"):
            security_log.check_file(str(tmp_path / name))
    security_log.check_file(str(tmp_path / "log"))
    security_log.check_file("")
    assert not (tmp_path / "log").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    """Who owns it can read it, whatever its mode."""
    (tmp_path / "log").touch()
    os.chown(tmp_path / "log", 65534, 65534)
    with pytest.raises(StartupError, match="is not a file of user 0"):
        security_log.check_file(str(tmp_path / "log"))


@pytest.mark.parametrize("path", ["/dev/full", "/nonexistent/folder/security.log"])
def test_what_cannot_be_written_goes_to_stderr(
    path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A disk that is full, or a folder that is gone, fails nobody."""
    security_log.configure(path)
    record(Event.LOG_OUT, "success", user_id=1)
    security_log.configure("")
    assert json.loads(capsys.readouterr().err)["event"] == "log_out"


async def test_a_flood_of_refusals_is_counted_and_summarised(file: Path) -> None:
    """The first of each source is told; how many more there were, once a minute."""
    refusals = Refusals()
    for number in range(1_000):
        refusals.refused("rate_limited", lambda: Origin("192.0.2.1", "192.0.2.1"), endpoint="x")
        other = Origin(f"198.51.100.{number}", f"198.51.100.{number}")
        refusals.refused("invalid_token", partial(_same, other))
    refusals.summarise()
    told = lines(file)
    assert len(told) == MAX_SOURCES + 2
    summaries = [line for line in told if line["event"] == "refused_many"]
    assert [(each["reason"], each["count"]) for each in summaries] == [
        ("rate_limited", 999),
        ("invalid_token", 1_000 - (MAX_SOURCES - 1)),
    ]


async def test_summaries_come_by_themselves(file: Path) -> None:
    """When the time is over that began with the first refusal."""
    refusals = Refusals(summary_s=0.001)
    for _ in range(3):
        refusals.refused("rate_limited", lambda: Origin("192.0.2.1"))
    async with asyncio.timeout(5):
        while len(lines(file)) < 2:  # noqa: ASYNC110 - a file tells nobody
            await asyncio.sleep(0.001)
    assert lines(file)[1]["count"] == 2


def test_every_event_is_documented() -> None:
    """In the table that operators read."""
    text = DOCS.read_text()
    assert [event for event in Event if f"| `{event.value}` |" not in text] == []


async def test_limits_are_told_apart(file: Path) -> None:
    """Guesses at a password are not lost behind the first refused read of an address."""
    refusals = Refusals()
    for limit in ("reads_per_address", "logins_per_account", "reads_per_address"):
        refusals.refused("rate_limited", lambda: Origin("192.0.2.1", "192.0.2.1"), limit)
    refusals.summarise()
    assert [(line["event"], line["limit"]) for line in lines(file)] == [
        ("refused", "reads_per_address"),
        ("refused", "logins_per_account"),
        ("refused_many", "reads_per_address"),
    ]


def test_the_operator_is_who_the_system_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not who the environment says; a user without a name has its number."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")
    assert security_log.operator() == pwd.getpwuid(os.getuid()).pw_name
    monkeypatch.setattr(os, "getuid", lambda: 3_999_999_999)
    assert security_log.operator() == "3999999999"
