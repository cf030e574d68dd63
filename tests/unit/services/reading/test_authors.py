"""The cache of authors."""

import asyncio

import msgspec
import pytest

from rookery.errors import NotFound
from rookery.models import Identity
from rookery.services.ports import Invalidation
from rookery.store.engine import WriteBatch
from rookery.store.records.users import Users
from rookery.store.schema import USERS
from tests.unit.services.server import PausableStore, Server


async def _rename(server: Server, identity: Identity, name: str) -> None:
    """Change a profile as another process would: without telling this one."""
    users = Users(server.store.reader)
    former = await users.get(identity.user_id)
    assert former is not None
    changed = msgspec.structs.replace(former, name=name, version=former.version + 1)
    await server.store.write(WriteBatch(users.replace(former, changed)))


async def test_a_known_author_is_not_read_again() -> None:
    """The second request is answered from memory."""
    server = Server()
    ann = await server.sign_up("ann")
    await server.reading.authors.get(ann.user_id)
    server.store.reads.clear()
    assert (await server.reading.authors.get(ann.user_id)).username == "ann"
    assert server.store.reads == {}


async def test_an_invalidation_makes_a_change_visible_at_once() -> None:
    """And without one it is visible once the value has expired."""
    server = Server()
    ann = await server.sign_up("ann")
    await server.reading.authors.get(ann.user_id)
    await _rename(server, ann, "Anna")
    assert (await server.reading.authors.get(ann.user_id)).name == "Ann"
    server.reading.authors.invalidate(Invalidation(users=[ann.user_id]))
    assert (await server.reading.authors.get(ann.user_id)).name == "Anna"
    await _rename(server, ann, "Annie")
    server.clock.now_ms += 30_000
    assert (await server.reading.authors.get(ann.user_id)).name == "Annie"


async def test_what_was_read_before_an_invalidation_is_not_kept() -> None:
    """A read under way may have seen the former profile."""
    store = PausableStore()
    server = Server(store)
    ann = await server.sign_up("ann")
    store.hold(USERS)
    under_way = asyncio.create_task(server.reading.authors.get(ann.user_id))
    await store.held()
    await _rename(server, ann, "Anna")
    server.reading.authors.invalidate(Invalidation(users=[ann.user_id]))
    store.release()
    assert (await under_way).name == "Ann"
    assert (await server.reading.authors.get(ann.user_id)).name == "Anna"


async def test_an_unknown_user_is_not_found() -> None:
    """`get` raises, `many` leaves out."""
    server = Server()
    ann = await server.sign_up("ann")
    with pytest.raises(NotFound):
        await server.reading.authors.get(404)
    assert list(await server.reading.authors.many([404, ann.user_id])) == [ann.user_id]


async def test_a_username_is_looked_up_until_somebody_has_it() -> None:
    """In whatever case it is written; and once found, never again."""
    server = Server()
    ann = await server.sign_up("ann")
    wanted = ["Ann", "ben", "\N{KELVIN SIGN}"]
    assert await server.reading.authors.ids_of_usernames(wanted) == {"ann": ann.user_id}
    ben = await server.sign_up("ben")
    everyone = {"ann": ann.user_id, "ben": ben.user_id}
    assert await server.reading.authors.ids_of_usernames(wanted) == everyone
    server.store.reads.clear()
    assert await server.reading.authors.ids_of_usernames(wanted) == everyone
    assert server.store.reads == {}
