"""What operators do without a server is told in the security log, with how it ended."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
from typer.testing import CliRunner

from rookery import security_log
from rookery.bulk.migrating import Migration
from rookery.cli.main import app
from rookery.config import load
from rookery.store import open_writer

Act = Callable[..., tuple[int, list[dict[str, Any]]]]


@pytest.fixture
def act(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Act]:
    """Gives a command, and tells its exit status and what was logged of it."""
    log = tmp_path / "security.log"
    monkeypatch.setenv("ROOKERY_AUTH_SECURITY_LOG_FILE", str(log))

    def given(*arguments: str) -> tuple[int, list[dict[str, Any]]]:
        result = CliRunner().invoke(app, arguments)
        told = log.read_text().splitlines() if log.exists() else []
        return result.exit_code, [json.loads(line) for line in told]

    yield given
    security_log.configure("")


def make_store(folder: Path) -> None:
    async def make() -> None:
        await open_writer(load(environ={}, overrides={"server": {"data_dir": str(folder)}})).close()

    asyncio.run(make())


def test_a_backup_is_told(act: Act, tmp_path: Path) -> None:
    """Who has the copy has everybody's password hashes."""
    make_store(tmp_path / "data")
    target = tmp_path / "copy.sqlite"
    status, (event,) = act("backup", str(target), "--data", str(tmp_path / "data"))
    assert (status, event["act"], event["outcome"]) == (0, "backup", "success")
    assert (event["target"], event["operator"]) == (str(target), security_log.operator())


def test_a_backup_that_fails_is_told(act: Act, tmp_path: Path) -> None:
    """Here of a store that is not there."""
    status, (event,) = act("backup", "--data", str(tmp_path / "nothing"))
    assert status != 0
    assert (event["act"], event["outcome"]) == ("backup", "failure")


def test_a_migration_to_a_store_that_then_differs_has_failed(
    act: Act, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The comparison belongs to it."""
    make_store(tmp_path / "old")
    differing = Mock(is_same=False, collection="users", described="one more in TO")
    monkeypatch.setattr(Migration, "run", AsyncMock(return_value=[differing]))
    old, new = f"sqlite:{tmp_path / 'old'}", f"sqlite:{tmp_path / 'new'}"
    status, (event,) = act("migrate-store", old, new)
    assert (status, event["act"]) == (1, "migrate-store")
    assert (event["outcome"], event["reason"]) == ("failure", "stores_differ")
