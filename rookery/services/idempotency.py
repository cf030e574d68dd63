"""Requests that may be sent twice and take effect once.

A client that got no answer sends the same request again with the same `Idempotency-Key`. The
outcome is recorded in the same batch as the change itself, so either both exist or neither. Must
not import http, connection or actors.
"""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar

import msgspec

from rookery.errors import IdempotencyMismatch, InvalidRequest, Unavailable
from rookery.store.engine import ConditionFailed, Operation, Store
from rookery.store.records.idempotency import RACE_LABEL, IdempotencyRecord, IdempotencyRecords

MAX_KEY_CHARS = 255
KEEP_S = 24 * 3600
_ATTEMPTS = 4

T = TypeVar("T")
Result: TypeAlias = dict[str, Any]
Recorder: TypeAlias = Callable[[Result], tuple[Operation, ...]]
"""Turns the result to be remembered into operations for the batch that makes the change."""


def fingerprint(request: object) -> str:
    """A digest of a request (anything that JSON can hold), the same in every process.

    It is stored: leave secrets out of `request`.
    """
    return hashlib.sha256(msgspec.json.encode(request, order="sorted")).hexdigest()


def check_key(key: str) -> str:
    """`key` itself, if it may be an `Idempotency-Key`.

    Raises:
        InvalidRequest: it is empty, too long, or not printable ASCII.
    """
    if not 1 <= len(key) <= MAX_KEY_CHARS or not (key.isascii() and key.isprintable()):
        raise InvalidRequest(
            f"An Idempotency-Key is 1 to {MAX_KEY_CHARS} printable ASCII characters",
            "Idempotency-Key",
        )
    return key


def record_nothing(result: Result) -> tuple[Operation, ...]:
    """The recorder of a request without a key."""
    return ()


class Idempotency:
    """Runs a request once per key, and answers a repetition from what was recorded."""

    def __init__(self, store: Store, clock_ms: Callable[[], int], *, keep_s: int = KEEP_S) -> None:
        self._records = IdempotencyRecords(store.reader)
        self._clock_ms = clock_ms
        self._keep_ms = keep_s * 1000

    async def once(
        self,
        scope: int,
        key: str | None,
        request: object,
        act: Callable[[Recorder], Awaitable[T]],
        replay: Callable[[Result], Awaitable[T]],
    ) -> T:
        """Run `act`, or `replay` with its recorded result if `act` was run under `key` before.

        `scope` is the user's id (0 before sign-up); keys of different scopes are unrelated.
        `request` is what must be equal in a repetition, the name of the use-case included.
        `act` is given a `Recorder` and must put the recorder's operations *first* in its one
        write batch, and let `ConditionFailed` escape: of several requests at once one takes
        effect, the others are answered by `replay`. `act` may thus be run and come to nothing.
        Without a key `act` simply runs.

        Raises:
            InvalidRequest: a malformed key.
            IdempotencyMismatch: the key was used for a different request.
        """
        if key is None:
            return await act(record_nothing)
        check_key(key)
        digest = fingerprint(request)
        for _ in range(_ATTEMPTS):
            now_ms = self._clock_ms()
            found = await self._records.get(scope, key)
            if found is not None and found.expires_ms > now_ms:
                if found.fingerprint != digest:
                    raise IdempotencyMismatch()
                return await replay(found.result)

            def recorder(
                result: Result,
                expired: IdempotencyRecord | None = found,
                expires_ms: int = now_ms + self._keep_ms,
            ) -> tuple[Operation, ...]:
                record = IdempotencyRecord(
                    scope=scope,
                    idempotency_key=key,
                    fingerprint=digest,
                    result=result,
                    expires_ms=expires_ms,
                )
                return self._records.add(record, expired)

            try:
                return await act(recorder)
            except ConditionFailed as error:
                if error.label != RACE_LABEL:
                    raise
        raise Unavailable("Too many requests with the same Idempotency-Key at once")
