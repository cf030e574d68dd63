"""What happens to accounts in tests of tweets, written as other rooms write it."""

from typing import Any

import msgspec

from rookery.models import Identity
from rookery.services.ports import Invalidation
from rookery.store.engine import Insert, WriteBatch
from rookery.store.records.users import Users
from rookery.store.schema import BLOCKED_BY, BLOCKS
from tests.unit.services.server import Server


async def change_user(server: Server, identity: Identity, **changes: Any) -> None:
    """Change an account, in the caches too."""
    user = await server.reading.authors.get(identity.user_id)
    changed = msgspec.structs.replace(user, version=user.version + 1, **changes)
    await server.store.write(WriteBatch(tuple(Users.replace(user, changed))))
    server.reading.invalidate(Invalidation(users=[user.id], viewers=[user.id]))


async def block(server: Server, blocker: Identity, blocked: Identity) -> None:
    """One blocks the other."""
    row = {"blocker_id": blocker.user_id, "blocked_id": blocked.user_id, "block_id": server.ids()}
    rows = (Insert(BLOCKS.name, row), Insert(BLOCKED_BY.name, row))
    await server.store.write(WriteBatch(rows))
    server.reading.invalidate(Invalidation(viewers=[blocker.user_id, blocked.user_id]))
