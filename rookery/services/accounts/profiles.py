"""Profiles: reading them with counts and relationship, and changing one's own."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from rookery.errors import Conflict, NotFound, Unavailable
from rookery.models import Identity, User, UserCounts
from rookery.services import validation
from rookery.services.ports import Invalidation, InvalidationPort
from rookery.services.turns import ATTEMPTS, Turns
from rookery.store.engine import ConditionFailed, Store, WriteBatch
from rookery.store.records.graph import GraphRepository
from rookery.store.records.users import Users

_RULES = {
    "name": validation.name,
    "bio": validation.bio,
    "location": validation.location,
    "website": validation.website,
    "avatar_url": validation.avatar_url,
    "banner_url": validation.banner_url,
}


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """A user as a viewer sees it.

    The flags are None without a viewer, and for oneself.
    """

    user: User
    counts: UserCounts
    following: bool | None = None
    followed_by: bool | None = None


class ProfileChanges(msgspec.Struct, frozen=True, kw_only=True):
    """New values; what is not set stays."""

    name: str | UnsetType = UNSET
    bio: str | UnsetType = UNSET
    location: str | UnsetType = UNSET
    website: str | UnsetType = UNSET
    avatar_url: str | UnsetType = UNSET
    banner_url: str | UnsetType = UNSET
    is_private: bool | UnsetType = UNSET


class Profiles:
    """The use-cases around profiles."""

    def __init__(self, store: Store, invalidation: InvalidationPort) -> None:
        self._store = store
        self._invalidation = invalidation
        self._users = Users(store.reader)
        self._graph = GraphRepository(store.reader)
        self._turns = Turns()

    async def by_id(self, user_id: int, viewer_id: int | None = None) -> Profile:
        """The profile of a user.

        Raises:
            NotFound: there is no such user.
        """
        profiles = await self.by_ids([user_id], viewer_id)
        if not profiles:
            raise NotFound("User not found")
        return profiles[0]

    async def by_username(self, username: str, viewer_id: int | None = None) -> Profile:
        """The profile of the user with this name, in whatever case it is written.

        Raises:
            NotFound: there is no such user.
        """
        return await self.by_id(await self.id_of(username), viewer_id)

    async def id_of(self, username: str) -> int:
        """The id of the user with this name, in whatever case it is written.

        Raises:
            NotFound: there is no such user.
        """
        user_id = await self._users.id_of_username(username)
        if user_id is None:
            raise NotFound("User not found")
        return user_id

    async def by_ids(self, user_ids: Sequence[int], viewer_id: int | None = None) -> list[Profile]:
        """The profiles of these users, in their order; who does not exist is left out.

        Three reads at the most, however many users.
        """
        users = [user for user in await self._users.get_many(user_ids) if user is not None]
        ids = [user.id for user in users]
        counts = await self._users.counts_many(ids)
        relationships = await self._relationships(ids, viewer_id)
        return [
            Profile(user=user, counts=count, following=following, followed_by=followed_by)
            for user, count, (following, followed_by) in zip(
                users, counts, relationships, strict=True
            )
        ]

    async def update(
        self, identity: Identity, changes: ProfileChanges, expected_version: int | None = None
    ) -> Profile:
        """Change the user's own profile and return it as it is then.

        A change made at the same time elsewhere is kept, but for the fields that are changed here,
        too: there the later one holds. With
        `expected_version` nothing is changed if the profile is of another version.

        Raises:
            InvalidRequest: a field breaks its rule; see `rookery.services.validation`.
            Conflict: the profile is not of `expected_version`.
            Unavailable: other processes change it all the time.
            NotFound: the account is gone.
        """
        values = _validated(changes)
        async with self._turns.of(identity.user_id):
            former, changed = await self._change(identity.user_id, values, expected_version)
        if changed == former:
            return await self.by_id(former.id)
        await self._invalidation.broadcast(Invalidation(users=[changed.id]))
        return Profile(user=changed, counts=await self._users.counts(changed.id))

    async def _change(
        self, user_id: int, values: dict[str, Any], expected_version: int | None
    ) -> tuple[User, User]:
        """The account before and after, which are the same where there is nothing to change."""
        for _ in range(ATTEMPTS):
            former = await self._users.get(user_id)
            if former is None:
                raise NotFound("User not found")
            if expected_version is not None and former.version != expected_version:
                raise Conflict("The profile was changed at the same time; read it and try again")
            changed = msgspec.structs.replace(former, **values)
            if changed == former:
                return former, former
            changed = msgspec.structs.replace(changed, version=former.version + 1)
            try:
                await self._store.writer.write(WriteBatch(self._users.replace(former, changed)))
            except ConditionFailed:
                continue
            return former, changed
        raise Unavailable("The profile is being changed too often; try again")

    async def _relationships(
        self, user_ids: Sequence[int], viewer_id: int | None
    ) -> list[tuple[bool | None, bool | None]]:
        """For each user whether the viewer follows them, and they the viewer."""
        if viewer_id is None or not user_ids:
            return [(None, None)] * len(user_ids)
        edges = [(viewer_id, user_id) for user_id in user_ids]
        edges += [(user_id, viewer_id) for user_id in user_ids]
        follows = await self._graph.follows(edges)
        flags = zip(user_ids, follows, follows[len(user_ids) :], strict=False)
        return [
            (None, None) if user_id == viewer_id else (following, followed_by)
            for user_id, following, followed_by in flags
        ]


def _validated(changes: ProfileChanges) -> dict[str, Any]:
    """The fields that are set, in the form to be kept."""
    values = {
        name: value for name, value in msgspec.structs.asdict(changes).items() if value is not UNSET
    }
    return {
        name: _RULES[name](value) if name in _RULES else value for name, value in values.items()
    }
