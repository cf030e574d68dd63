"""Outcomes of requests by their `Idempotency-Key`.

Only knows how they are stored; `rookery.services.idempotency` says what they mean.
"""

from typing import Any

import msgspec

from rookery.store.engine import Expect, Insert, Operation, Put, Reader
from rookery.store.schema import IDEMPOTENCY

RACE_LABEL = IDEMPOTENCY.name
"""The label of the `ConditionFailed` when another request with the same key came first."""


class IdempotencyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What a request led to. `result` holds whatever answering again needs (JSON-like)."""

    scope: int
    idempotency_key: str
    fingerprint: str
    result: dict[str, Any]
    expires_ms: int


class IdempotencyRecords:
    """Reads and writes the records. Expired ones may still be there: the caller compares."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def get(self, scope: int, key: str) -> IdempotencyRecord | None:
        """The record of `key`, even if it has expired."""
        document = await self._reader.get(IDEMPOTENCY, (scope, key))
        return None if document is None else msgspec.convert(document, IdempotencyRecord)

    @staticmethod
    def add(record: IdempotencyRecord, replaces: IdempotencyRecord | None) -> tuple[Operation, ...]:
        """Store `record`, on condition that what stands under its key is still `replaces`.

        The batch fails with `RACE_LABEL` if it is not.
        """
        document = msgspec.structs.asdict(record)
        if replaces is None:
            return (Insert(IDEMPOTENCY.name, document),)
        unchanged = Expect(
            IDEMPOTENCY.name,
            (record.scope, record.idempotency_key),
            True,
            {"expires_ms": replaces.expires_ms},
            RACE_LABEL,
        )
        return (unchanged, Put(IDEMPOTENCY.name, document))
