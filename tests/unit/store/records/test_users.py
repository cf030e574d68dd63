"""Accounts and their unique names in the store."""

import msgspec
import pytest

from rookery.models import User, UserCounts
from rookery.store.engine import ConditionFailed, Increment, WriteBatch
from rookery.store.records.users import CHANGED_LABEL, Users
from rookery.store.schema import EMAILS, USER_COUNTS, USERNAMES, USERS
from tests.unit.memory_store import MemoryStore

ADA = User(
    id=1,
    username="Ada",
    name="Ada",
    email="Ada@example.org",
    password_hash="$argon2id$x",
    bio="first",
    is_private=True,
    role="moderator",
)
BULK = User(id=2, username="u2", name="u2")


@pytest.fixture
async def store() -> MemoryStore:
    made = MemoryStore()
    await made.write(WriteBatch((*Users.add(ADA), *Users.add(BULK))))
    return made


@pytest.fixture
def users(store: MemoryStore) -> Users:
    return Users(store.reader)


async def test_every_field_comes_back(users: Users) -> None:
    """A user reads as it was written; ids of nobody read as None."""
    assert await users.get(1) == ADA
    assert await users.get_many([2, 9, 1]) == [BULK, None, ADA]
    assert await users.get(9) is None


async def test_unique_names(users: Users) -> None:
    """Names are found in any case; nobody's are not."""
    assert await users.id_of_username("aDA") == 1
    assert await users.id_of_email("ADA@EXAMPLE.ORG") == 1
    assert await users.id_of_username("nobody") is None
    assert await users.id_of_email("nobody@example.org") is None
    assert await users.ids_of_usernames(["ADA", "ada", "nobody", "u2", "é"]) == {"ada": 1, "u2": 2}


async def test_no_ids_cost_no_read(store: MemoryStore, users: Users) -> None:
    """Reads of nothing do not go to the store."""
    assert await users.get_many([]) == []
    assert await users.counts_many([]) == []
    assert await users.ids_of_usernames([]) == {}
    assert store.reads == {}


@pytest.mark.parametrize(
    ("user", "label"),
    [
        (User(id=3, username="ADA", name="x"), USERNAMES.name),
        (User(id=3, username="x", name="x", email="ada@example.org"), EMAILS.name),
    ],
)
async def test_taken_names_fail_the_batch(store: MemoryStore, user: User, label: str) -> None:
    """The error names the reservation that stood in the way, and nothing is kept."""
    with pytest.raises(ConditionFailed) as caught:
        await store.write(WriteBatch(Users.add(user)))
    assert caught.value.label == label
    assert len(store.documents(USERS)) == 2


async def test_replace_expects_the_version(store: MemoryStore, users: Users) -> None:
    """A change of an older version than the stored one fails."""
    changed = msgspec.structs.replace(ADA, bio="second", version=2)
    await store.write(WriteBatch(Users.replace(ADA, changed)))
    assert await users.get(1) == changed
    with pytest.raises(ConditionFailed, match=CHANGED_LABEL):
        await store.write(WriteBatch(Users.replace(ADA, changed)))


async def test_counts(store: MemoryStore, users: Users) -> None:
    """Counts are zeros until something is counted."""
    await store.write(WriteBatch((Increment(USER_COUNTS.name, (1,), {"tweets": 2}),)))
    assert await users.counts(1) == UserCounts(tweets=2)
    assert await users.counts_many([2, 1]) == [UserCounts(), UserCounts(tweets=2)]
