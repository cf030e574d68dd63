"""Profiles: reading them with counts and relationship, and changing one's own."""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from rookery.domain.visibility import ACTIVE, MODERATORS, SUSPENDED
from rookery.errors import Conflict, NotFound, StoreUnavailable, Unavailable
from rookery.events.kinds import PrivacyChanged
from rookery.ids import MAX_ID
from rookery.models import Identity, User, UserCounts
from rookery.services import validation
from rookery.services.graph.openings import Openings
from rookery.services.ports import Invalidation, InvalidationPort, TimelinePort
from rookery.services.reading.reading import Reading
from rookery.services.turns import ATTEMPTS, Turns
from rookery.store.engine import ConditionFailed, Operation, Store, WriteBatch
from rookery.store.records.outbox import adding
from rookery.store.records.pins import PinRepository
from rookery.store.records.relations import Relation, RelationRepository
from rookery.store.records.users import Users

READ_PINS = 20
"""More than anybody has: `tweets.pins.MAX_PINS`."""
NOBODYS_ID = MAX_ID
"""Of a moment so late that no user will have it."""
_RULES = {
    "name": validation.name,
    "bio": validation.bio,
    "location": validation.location,
    "website": validation.website,
    "avatar_url": validation.avatar_url,
    "banner_url": validation.banner_url,
}


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How a viewer stands to a user. `muted_until_ms` is None for a mute without end."""

    following: bool
    followed_by: bool
    requested: bool
    blocking: bool
    muting: bool
    muted_until_ms: int | None = None


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """A user as a viewer sees it; `standing` is None without a viewer, and for oneself."""

    user: User
    counts: UserCounts
    standing: Standing | None = None


class ProfileChanges(msgspec.Struct, frozen=True, kw_only=True):
    """New values; what is not set stays."""

    name: str | UnsetType = UNSET
    bio: str | UnsetType = UNSET
    location: str | UnsetType = UNSET
    website: str | UnsetType = UNSET
    avatar_url: str | UnsetType = UNSET
    banner_url: str | UnsetType = UNSET
    is_private: bool | UnsetType = UNSET
    hide_likes: bool | UnsetType = UNSET
    discoverable: bool | UnsetType = UNSET
    who_may_message: str | UnsetType = UNSET


class Profiles:
    """The use-cases around profiles.

    Whoever is blocked by a user finds no such user; a suspended account is there for moderators
    and for itself alone. Counts are those of everything, but for two that are what the viewer may
    see of the list: likes are 0 where the list is closed, and pins are those that it shows.
    """

    def __init__(
        self,
        store: Store,
        ids: Callable[[], int],
        clock_ms: Callable[[], int],
        invalidation: InvalidationPort,
        openings: Openings,
        timelines: TimelinePort,
        reading: Reading,
    ) -> None:
        self._store = store
        self._ids = ids
        self._clock_ms = clock_ms
        self._invalidation = invalidation
        self._openings = openings
        self._timelines = timelines
        self._reading = reading
        self._pins = PinRepository(store.reader)
        self._users = Users(store.reader)
        self._relations = RelationRepository(store.reader)
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

        Where there is none, an id that no user has: so a name that is nobody's is looked at no
        less than that of somebody who is hidden, and gets the same answer in the same time.
        """
        user_id = await self._users.id_of_username(username)
        return NOBODYS_ID if user_id is None else user_id

    async def by_ids(self, user_ids: Sequence[int], viewer_id: int | None = None) -> list[Profile]:
        """The profiles of these users, in their order.

        Who does not exist, or not for the viewer, is left out. Six reads at once, however many
        users; two without a viewer. Some more where others have pinned tweets.
        """
        if not user_ids:
            return []
        users, counts, relations = await asyncio.gather(
            self._users.get_many(user_ids),
            self._users.counts_many(user_ids),
            self._standing(user_ids, viewer_id),
        )
        shown = await self._shown_statuses(users, viewer_id)
        now_ms = self._clock_ms()
        found = [
            Profile(
                user=user,
                counts=_counts_shown(user, count, viewer_id, relation),
                standing=_standing(relation, now_ms),
            )
            for user, count, relation in zip(users, counts, relations, strict=True)
            if user is not None
            and (user.status in shown or user.id == viewer_id)
            and (relation is None or relation.blocked_id is None)
        ]
        pinning = [each.user.id for each in found if each.counts.pins and each.user.id != viewer_id]
        return await self._with_pins_shown(found, pinning, viewer_id) if pinning else found

    async def _with_pins_shown(
        self, profiles: Sequence[Profile], pinning: Sequence[int], viewer_id: int | None
    ) -> list[Profile]:
        """The profiles with the counts of pins that the lists of these users show."""
        lists = await self._pins.of_users(pinning, READ_PINS)
        shown = await self._reading.tweets(
            viewer_id, [each for pinned in lists for each in pinned], asked_for=pinning
        )
        pins = Counter(each.entry.tweet.author_id for each in shown)
        return [
            msgspec.structs.replace(
                each, counts=msgspec.structs.replace(each.counts, pins=pins[each.user.id])
            )
            if each.user.id in pinning
            else each
            for each in profiles
        ]

    async def _standing(
        self, user_ids: Sequence[int], viewer_id: int | None
    ) -> Sequence[Relation | None]:
        """How the viewer stands to each of these; None to oneself, and without a viewer."""
        if viewer_id is None:
            return [None] * len(user_ids)
        relations = await self._relations.many(viewer_id, user_ids)
        return [None if each.other_id == viewer_id else each for each in relations]

    async def _shown_statuses(
        self, users: Sequence[User | None], viewer_id: int | None
    ) -> Collection[str]:
        """Of which status accounts are shown; who looks is only asked where it matters."""
        if viewer_id is not None and any(user and user.status == SUSPENDED for user in users):
            viewer = await self._users.get(viewer_id)
            if viewer is not None and viewer.role in MODERATORS:
                return (ACTIVE, SUSPENDED)
        return (ACTIVE,)

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
            return await self.by_id(former.id, former.id)
        await self._tell(former, changed)
        if former.is_private and not changed.is_private:
            await self._openings.begin(changed.id)
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
                operations = self._users.replace(former, changed) + self._effects(former, changed)
                await self._store.writer.write(WriteBatch(operations))
            except ConditionFailed:
                continue
            except StoreUnavailable:
                raise
            except Unavailable:  # The outcome is unknown.
                await self._tell(former, changed)
                raise
            return former, changed
        raise Unavailable("The profile is being changed too often; try again")

    async def _tell(self, former: User, changed: User) -> None:
        """Have all processes take in what is committed.

        Timelines first: what they pushed before has arrived when connection servers are told.
        """
        if former.is_private != changed.is_private:
            await self._timelines.accounts_changed([changed.id])
        await self._invalidation.broadcast(Invalidation(users=[changed.id]))

    def _effects(self, former: User, changed: User) -> tuple[Operation, ...]:
        """What a change of privacy brings with it."""
        if former.is_private == changed.is_private:
            return ()
        event = PrivacyChanged(id=self._ids(), user_id=changed.id)
        if changed.is_private:
            return (adding(event),)
        return adding(event), self._openings.note_operation(changed.id)


def _counts_shown(
    user: User, counts: UserCounts, viewer_id: int | None, relation: Relation | None
) -> UserCounts:
    """The counts as the viewer may know them, but for pins."""
    is_follower = relation is not None and relation.follow_id is not None
    is_closed = user.hide_likes or (user.is_private and not is_follower)
    if not is_closed or not counts.likes or user.id == viewer_id:
        return counts
    return msgspec.structs.replace(counts, likes=0)


def _standing(relation: Relation | None, now_ms: int) -> Standing | None:
    if relation is None:
        return None
    mute = relation.mute if relation.mute is not None and relation.mute.holds(now_ms) else None
    return Standing(
        following=relation.follow_id is not None,
        followed_by=relation.followed_id is not None,
        requested=relation.request_id is not None,
        blocking=relation.block_id is not None,
        muting=mute is not None,
        muted_until_ms=None if mute is None else mute.expires_ms,
    )


def _validated(changes: ProfileChanges) -> dict[str, Any]:
    """The fields that are set, in the form to be kept."""
    values = {
        name: value for name, value in msgspec.structs.asdict(changes).items() if value is not UNSET
    }
    return {
        name: _RULES[name](value) if name in _RULES else value for name, value in values.items()
    }
