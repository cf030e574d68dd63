"""`rookery check`: what it shows."""

import pytest
from typer.testing import CliRunner

from rookery.cli.main import app

SECRET = "s3cr3t"


@pytest.mark.parametrize("arguments", [[], ["--changed"]])
def test_passwords_are_not_shown(arguments: list[str]) -> None:
    """Those of MongoDB and Redis, wherever they stand in the address."""
    env = {
        "ROOKERY_STORE_MONGO_URI": f"mongodb://me:{SECRET}@one,two/?tls=true&tlsCertificateKeyFile"
        f"Password={SECRET}",
        "ROOKERY_REDIS_URL": f"rediss://:{SECRET}@host:6380/0",
        "COLUMNS": "200",
    }
    result = CliRunner().invoke(app, ["check", *arguments], env=env)
    assert result.exit_code == 0
    assert SECRET not in "".join(result.output.split())
    assert "mongodb://***@one,two" in "".join(result.output.split())


def test_what_is_no_setting_is_told() -> None:
    """A variable of ours that means nothing may be a mistake."""
    result = CliRunner().invoke(app, ["check"], env={"ROOKERY_HOME": "/opt", "COLUMNS": "200"})
    assert "no setting: ROOKERY_HOME" in result.output
