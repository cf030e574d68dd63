"""Accounts, the reservations of their unique names, and the sizes of their lists.

Usernames and emails are unique without regard to case: `username_key` and `email_key` give the
form that is reserved. What changes an account comes as operations, so that a service can put them
into one batch with what must happen together.
"""

from collections.abc import Iterable, Sequence

import msgspec

from rookery.models import User, UserCounts
from rookery.store.engine import Expect, Insert, Operation, Put, Reader
from rookery.store.schema import EMAILS, USER_COUNTS, USERNAMES, USERS

CHANGED_LABEL = "user changed"
"""The label of the `ConditionFailed` when a user is not the version that was read."""


def username_key(username: str) -> str:
    """What is reserved for `username` (which is ASCII)."""
    return username.lower()


def email_key(email: str) -> str:
    """What is reserved for `email` (which is ASCII).

    RFC 5321 lets a host tell the case of mailboxes apart, but none in use does.
    """
    return email.lower()


class Users:
    """Reads accounts by id and by unique name, and makes the operations that change them."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def get(self, user_id: int) -> User | None:
        document = await self._reader.get(USERS, (user_id,))
        return None if document is None else msgspec.convert(document, User)

    async def get_many(self, user_ids: Sequence[int]) -> list[User | None]:
        """The users with these ids, in their order; None where there is none."""
        if not user_ids:
            return []
        documents = await self._reader.get_many(USERS, [(user_id,) for user_id in user_ids])
        return [
            None if document is None else msgspec.convert(document, User) for document in documents
        ]

    async def id_of_username(self, username: str) -> int | None:
        """The id of the user with this name, in whatever case it is written."""
        if not username.isascii():
            return None
        document = await self._reader.get(USERNAMES, (username_key(username),))
        return None if document is None else int(document["user_id"])

    async def ids_of_usernames(self, usernames: Iterable[str]) -> dict[str, int]:
        """The ids by lower-case username (`username_key`); names of nobody are left out."""
        names = sorted({username_key(name) for name in usernames if name.isascii()})
        if not names:
            return {}
        documents = await self._reader.get_many(USERNAMES, [(name,) for name in names])
        return {
            name: int(document["user_id"])
            for name, document in zip(names, documents, strict=True)
            if document is not None
        }

    async def id_of_email(self, email: str) -> int | None:
        """The id of the user with this address, in whatever case it is written."""
        if not email.isascii():
            return None
        document = await self._reader.get(EMAILS, (email_key(email),))
        return None if document is None else int(document["user_id"])

    async def counts(self, user_id: int) -> UserCounts:
        """The sizes of the user's lists; zeros for a user who has none, or is none."""
        (counts,) = await self.counts_many([user_id])
        return counts

    async def counts_many(self, user_ids: Sequence[int]) -> list[UserCounts]:
        if not user_ids:
            return []
        documents = await self._reader.get_many(USER_COUNTS, [(user_id,) for user_id in user_ids])
        return [
            UserCounts() if document is None else msgspec.convert(document, UserCounts)
            for document in documents
        ]

    @staticmethod
    def add(user: User) -> tuple[Operation, ...]:
        """Add an account and reserve its names.

        The batch fails with the label ``usernames`` or ``emails`` if one of them is taken.
        """
        reservations: list[Operation] = [
            Insert(
                USERNAMES.name,
                {"username_key": username_key(user.username), "user_id": user.id},
            )
        ]
        if user.email is not None:
            reservations.append(
                Insert(EMAILS.name, {"email_key": email_key(user.email), "user_id": user.id})
            )
        return (*reservations, Insert(USERS.name, msgspec.structs.asdict(user)))

    @staticmethod
    def replace(former: User, changed: User) -> tuple[Operation, ...]:
        """Store `changed`, on condition that the account is still of `former`'s version.

        `changed` must be of a higher version and have the same id, username and email. The batch
        fails with `CHANGED_LABEL` if the account is of another version, or is gone.
        """
        unchanged = Expect(
            USERS.name, (former.id,), True, {"version": former.version}, CHANGED_LABEL
        )
        return (unchanged, Put(USERS.name, msgspec.structs.asdict(changed)))
