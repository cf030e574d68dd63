"""What is refused at the start, and the commands of a sharded cluster; no server is needed."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from rookery import config
from rookery.errors import StartupError
from rookery.store.mongo.sharding import commands
from rookery.store.mongo.startup import check_server, shown, warn_of_lifetime
from rookery.store.schema import COLLECTIONS

SETTINGS = config.Store(engine="mongo", mongo_uri="mongodb://ada:secret@db.example:27017/?tls=true")
GOOD = {"version": "6.0.5", "versionArray": [6, 0, 5, 0]}


@pytest.mark.parametrize("hello", [{"setName": "rs0"}, {"msg": "isdbgrid"}])
def test_replica_sets_and_routers_are_taken(hello: dict[str, Any]) -> None:
    """Both have transactions."""
    check_server(hello, GOOD, SETTINGS)


def test_a_standalone_is_refused_with_what_to_do() -> None:
    """One member is enough for a replica set, and how to make one is said."""
    with pytest.raises(StartupError, match=r"--replSet rs0.*rs\.initiate\(\)"):
        check_server({"isWritablePrimary": True}, GOOD, SETTINGS)


def test_an_old_server_is_refused_with_what_is_needed() -> None:
    """The least version is named."""
    old = {"version": "5.0.31", "versionArray": [5, 0, 31, 0]}
    with pytest.raises(StartupError, match=r"version 5\.0\.31.*6\.0 or later"):
        check_server({"setName": "rs0"}, old, SETTINGS)


def test_errors_do_not_show_the_password() -> None:
    """The address is shown without name and password."""
    assert shown(SETTINGS) == "mongodb://***@db.example:27017/?tls=true"


def test_each_collection_is_sharded_by_the_seeds_key() -> None:
    """Users, devices, posts, follows and favourites by user; tweets and their likers by tweet."""
    said = commands("rookery", COLLECTIONS)
    keys = {each["shardCollection"]: each["key"] for each in said[1:]}
    assert said[0] == {"enableSharding": "rookery"}
    assert {name: keys[f"rookery.{name}"] for name in ("users", "devices", "tweets", "posts")} == {
        "users": {"_id": "hashed"},
        "devices": {"user_id": "hashed"},
        "tweets": {"_id": "hashed"},
        "posts": {"author_id": "hashed"},
    }
    assert keys["rookery.followees"] == {"follower_id": "hashed"}
    assert keys["rookery.followers"] == {"followee_id": "hashed"}
    assert keys["rookery.favourites"] == {"user_id": "hashed"}
    assert keys["rookery.favouriters"] == {"tweet_id": "hashed"}
    assert len(keys) == len(COLLECTIONS)


@pytest.mark.parametrize(("seconds", "is_told"), [(60, True), (5, False)])
def test_long_lives_of_transactions_are_warned_of(seconds: float, is_told: bool) -> None:
    """With the argument that shortens them."""
    with capture_logs() as logged:
        warn_of_lifetime(seconds)
    assert [each["log_level"] for each in logged] == ["warning"] * is_told
    assert ("--setParameter transactionLifetimeLimitSeconds=5" in str(logged)) == is_told
