"""What the security log hears of accounts."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rookery import security_log
from rookery.errors import DeviceRevoked, IdempotencyMismatch
from rookery.security_log import Origin
from tests.unit.services.account_world import (
    PASSWORD,
    World,
    account_world,
    sign_up_request,
)

HERE = Origin("2001:db8::1", "2001:db8::/64", "r-1")


@pytest.fixture
async def world() -> Any:
    with account_world() as made:
        await made.keys.load()
        yield made


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "security.log"
    security_log.configure(str(path))
    yield path
    security_log.configure("")


def told(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


async def test_a_device_that_makes_room_for_another(world: World, file: Path) -> None:
    """Is told with whose it was, and from where the other one came."""
    accounts = world.accounts_with(world.passwords, max_devices=1)
    first = await accounts.signup(sign_up_request(), HERE)
    await accounts.login("ada", PASSWORD, origin=HERE)
    (event,) = [each for each in told(file) if each["event"] == "device_displaced"]
    assert event["device_id"] == first.device.device_id
    assert (event["username"], event["address"]) == ("ada", "2001:db8::1")
    assert event["reason"] == "too_many_devices"


async def test_a_refresh_token_that_was_stolen(world: World, file: Path) -> None:
    """Is told with the device that was logged out."""
    session = await world.accounts.signup(sign_up_request(), HERE)
    await world.accounts.refresh(session.refresh_token, HERE)
    world.clock.advance(60)
    with pytest.raises(DeviceRevoked):
        await world.accounts.refresh(session.refresh_token, HERE)
    event = told(file)[-1]
    assert (event["event"], event["outcome"]) == ("refresh_token_reused", "refused")
    assert event["device_id"] == session.device.device_id


async def test_a_name_that_nobody_has_is_not_logged(world: World, file: Path) -> None:
    """People type passwords there."""
    with pytest.raises(Exception, match="Wrong"):
        await world.accounts.login("hunter22", "wrong password", origin=HERE)
    (event,) = told(file)
    assert (event["event"], event["outcome"], event["reason"]) == (
        "log_in",
        "failure",
        "bad_credentials",
    )
    assert "hunter22" not in json.dumps(event)


async def test_a_wrong_password_in_a_repeated_sign_up(world: World, file: Path) -> None:
    """Is told as a log-in that failed, with whose account it was."""
    session = await world.sign_up(key="key")
    guess = msgspec.structs.replace(sign_up_request(key="key"), password="wrong password")
    with pytest.raises(IdempotencyMismatch):
        await world.accounts.signup(guess, HERE)
    (event,) = [each for each in told(file) if each["event"] == "log_in"]
    assert (event["outcome"], event["reason"]) == ("failure", "bad_credentials")
    assert (event["user_id"], event["address"]) == (str(session.user.id), "2001:db8::1")
