"""In which commands a transaction's writes are sent, by what the servers say of themselves."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from pymongo import DeleteOne, InsertOne, UpdateOne
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import (
    BulkWriteError,
    ClientBulkWriteException,
    InvalidOperation,
    OperationFailure,
)

from rookery.store.mongo.bulk import BulkWriter, codes
from rookery.store.mongo.client import Connection
from rookery.store.mongo.plans import Write

SESSION = cast(AsyncClientSession, object())
V6, V8 = 17, 25
MADE: dict[str, list[Write]] = {
    "items": [
        InsertOne({"_id": 1}, namespace="db.items"),
        DeleteOne({"_id": 1}, namespace="db.items"),
        UpdateOne({"_id": 2}, {"$set": {"a": 1}}, namespace="db.items"),
        InsertOne({"_id": 3}, namespace="db.items"),
    ],
    "links": [DeleteOne({"_id": 4}, namespace="db.links")],
}


class Driver:
    """Notes what would be sent; stands for connection, client, database and collection."""

    def __init__(self, wire_version: int | None, refusal: int | None = None) -> None:
        self.sent: list[tuple[str, list[str]]] = []
        self.topology_description = SimpleNamespace(common_wire_version=wire_version)
        self.client = self
        self._refusal = refusal
        self._at = "all"

    def database(self) -> "Driver":
        return self

    def __getitem__(self, name: str) -> "Driver":
        self._at = name
        return self

    async def bulk_write(self, requests: list[Write], session: object) -> SimpleNamespace:
        assert session is SESSION
        at, self._at = self._at, "all"
        if at == "all" and self._refusal is not None:
            raise ClientBulkWriteException({"error": OperationFailure("no", self._refusal)}, True)
        self.sent.append((at, [type(each).__name__ for each in requests]))
        deleted = sum(isinstance(each, DeleteOne) for each in requests)
        return SimpleNamespace(deleted_count=deleted)


def writer_on(driver: Driver) -> BulkWriter:
    return BulkWriter(cast(Connection, driver))


async def test_from_8_0_on_all_is_one_command_in_the_given_order() -> None:
    """Whatever the number of collections."""
    driver = Driver(V8)
    assert await writer_on(driver).write(MADE, SESSION) == 2
    kinds = ["InsertOne", "DeleteOne", "UpdateOne", "InsertOne", "DeleteOne"]
    assert driver.sent == [("all", kinds)]


@pytest.mark.parametrize("wire_version", [V6, V8 - 1, None])
async def test_others_get_one_of_each_kind_for_each_collection(wire_version: int | None) -> None:
    """So does a server of which nothing is known yet."""
    driver = Driver(wire_version)
    assert await writer_on(driver).write(MADE, SESSION) == 2
    assert driver.sent == [
        ("items", ["InsertOne", "InsertOne", "UpdateOne", "DeleteOne"]),
        ("links", ["DeleteOne"]),
    ]


@pytest.mark.parametrize("code", [59, 115])
async def test_a_server_that_does_not_offer_it_yet_is_not_asked_again(code: int) -> None:
    """8.0 refuses in the midst of an upgrade; the transaction is done again in the other way."""
    driver = Driver(V8, refusal=code)
    writer = writer_on(driver)
    with pytest.raises(ClientBulkWriteException) as refused:
        await writer.write(MADE, SESSION)
    assert code in codes(refused.value)
    assert not writer.takes_one_command
    assert await writer.write(MADE, SESSION) == 2
    assert [at for at, _ in driver.sent] == ["items", "links"]


def test_codes_are_those_of_the_operations_too() -> None:
    """A duplicate key is told by the operation that met it."""
    details: dict[str, Any] = {"writeErrors": [{"index": 0, "code": 11000}]}
    assert 11000 in codes(BulkWriteError(details))
    assert codes(OperationFailure("conflict", 112)) == {112}
    assert codes(InvalidOperation("not of a server")) == set()
