"""The keys that sign access tokens.

Keys are numbered: `kid` is "1", "2", …, so that of several processes that add the next one only
one succeeds. The newest is never removed, so no number is used twice.
"""

import msgspec

from rookery.models import SigningKey
from rookery.store.engine import (
    ConditionFailed,
    Delete,
    Expect,
    Insert,
    Operation,
    Put,
    Store,
    WriteBatch,
)
from rookery.store.schema import SIGNING_KEYS

_MAX_KEYS = 1000


class SigningKeys:
    """Reads and replaces the keys."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def all(self) -> list[SigningKey]:
        """All keys, oldest first."""
        documents = await self._store.reader.range(SIGNING_KEYS, limit=_MAX_KEYS)
        keys = [msgspec.convert(document, SigningKey) for document in documents]
        return sorted(keys, key=lambda key: int(key.kid))

    async def add_next(
        self, former: SigningKey | None, secret: bytes, now_ms: int, *, revoke: bool = False
    ) -> bool:
        """Add the key after `former` (None: the first), which is retired at `now_ms`.

        With `revoke` it is removed instead, and all before it. Nothing happens, and the answer is
        False, if another process added the key already, or removed `former`: read again to see
        which one is there.
        """
        number = 1 if former is None else int(former.kid) + 1
        key = SigningKey(kid=str(number), secret=secret, created_ms=now_ms)
        operations: list[Operation] = [Insert(SIGNING_KEYS.name, msgspec.structs.asdict(key))]
        if former is not None:  # else a revoked one would come back, if others rotated meanwhile
            operations.insert(0, Expect(SIGNING_KEYS.name, (former.kid,), True, {}, "former key"))
        if former is not None and revoke:
            known = await self.all()
            operations += [
                Delete(SIGNING_KEYS.name, (each.kid,)) for each in known if int(each.kid) < number
            ]
        elif former is not None:
            retired = msgspec.structs.replace(former, retired_ms=now_ms)
            operations.append(Put(SIGNING_KEYS.name, msgspec.structs.asdict(retired)))
        try:
            await self._store.writer.write(WriteBatch(tuple(operations)))
        except ConditionFailed:
            return False
        return True

    async def remove(self, kids: list[str]) -> None:
        operations = tuple(Delete(SIGNING_KEYS.name, (kid,)) for kid in kids)
        if operations:
            await self._store.writer.write(WriteBatch(operations))
