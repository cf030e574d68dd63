"""`rookery check`: what it shows."""

from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from rookery.cli import check
from rookery.cli.main import app

SECRET = "s3cr3t"


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal in which no value is cut into lines."""
    monkeypatch.setattr(check, "out", Console(width=1_000))


@pytest.mark.parametrize("arguments", [[], ["--changed"]])
def test_passwords_are_not_shown(arguments: list[str]) -> None:
    """Those of MongoDB and Redis, wherever they stand in the address."""
    env = {
        "ROOKERY_STORE_MONGO_URI": f"mongodb://me:{SECRET}@one,two/?tls=true&tlsCertificateKeyFile"
        f"Password={SECRET}",
        "ROOKERY_REDIS_URL": f"rediss://:{SECRET}@host:6380/0",
    }
    result = CliRunner().invoke(app, ["check", *arguments], env=env)
    assert result.exit_code == 0
    assert SECRET not in result.output
    assert "mongodb://***@one,two" in result.output


@pytest.mark.parametrize(
    "env",
    [
        {"ROOKERY_STORE_MONGO_URI": f"u:{SECRET}@h:27017"},
        {"ROOKERY_STORE_MONGO_URI": f"u:{SECRET}"},
        {"ROOKERY_STORE_MONGO_URI": f"mongo://u:{SECRET}@h"},
        {"ROOKERY_REDIS_URL": f"{SECRET}@h"},
        {"ROOKERY_REDIS_URL": f"redis:/:{SECRET}@h"},
        {"ROOKERY_RAY_ADDRESS": f"u:{SECRET}@h:6379"},
        {"ROOKERY_RAY_ADDRESS": f"ray://u:{SECRET}@h:6379"},
        {"ROOKERY_LIVE_PUBLIC_URL": f"u:{SECRET}@h"},
        {"ROOKERY_LIVE_PUBLIC_URL": f"wss://u:{SECRET}@h/stream"},
    ],
)
def test_no_address_shows_its_password(env: dict[str, str]) -> None:
    """However it is malformed: it is refused, or shown without."""
    result = CliRunner().invoke(app, ["check"], env=env)
    assert SECRET not in f"{result.output}{result.exception!r}"


def test_a_security_log_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """Before a server starts that would log elsewhere."""
    env = {"ROOKERY_AUTH_SECURITY_LOG_FILE": str(tmp_path / "missing" / "security.log")}
    result = CliRunner().invoke(app, ["check"], env=env)
    assert result.exit_code == 1
    assert "auth.security_log_file" in f"{result.output}{result.exception}"


def test_what_is_no_setting_is_told() -> None:
    """A variable of ours that means nothing may be a mistake."""
    result = CliRunner().invoke(app, ["check"], env={"ROOKERY_HOME": "/opt"})
    assert "no setting: ROOKERY_HOME" in result.output
