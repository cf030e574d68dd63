"""`rookery check`: what it shows."""

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


def test_what_is_no_setting_is_told() -> None:
    """A variable of ours that means nothing may be a mistake."""
    result = CliRunner().invoke(app, ["check"], env={"ROOKERY_HOME": "/opt"})
    assert "no setting: ROOKERY_HOME" in result.output
