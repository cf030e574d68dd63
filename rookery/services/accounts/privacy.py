"""One's own privacy: who may see and find what, and lists of whom one mutes and blocks."""

from collections.abc import Sequence

import msgspec
from msgspec import UNSET, UnsetType

from rookery.models import Identity, User
from rookery.services.accounts.profiles import ProfileChanges, Profiles
from rookery.services.graph.blocks import Blocks
from rookery.services.graph.mutes import Mutes
from rookery.services.graph.replacing import NO_REPLACEMENT


class PrivacyChanges(msgspec.Struct, frozen=True, kw_only=True):
    """New settings; what is not set stays. Lists are ids of users, and replace what is there."""

    is_private: bool | UnsetType = UNSET
    hide_likes: bool | UnsetType = UNSET
    discoverable: bool | UnsetType = UNSET
    who_may_message: str | UnsetType = UNSET
    muted_users: Sequence[int] | UnsetType = UNSET
    blocked_users: Sequence[int] | UnsetType = UNSET


class Privacy:
    """Settings are part of the account, and change by the same way as a profile does."""

    def __init__(self, profiles: Profiles, blocks: Blocks, mutes: Mutes) -> None:
        self._profiles = profiles
        self._blocks = blocks
        self._mutes = mutes

    async def get(self, identity: Identity) -> User:
        """The account with its settings.

        Raises:
            NotFound: it is gone.
        """
        return (await self._profiles.by_id(identity.user_id, identity.user_id)).user

    async def update(self, identity: Identity, changes: PrivacyChanges) -> User:
        """Change settings and lists, and return the account with its settings.

        Lists are looked at first, so that one that cannot be taken changes nothing. Then the
        settings change together, and each entry of a list by itself; where that stops half-way,
        the same request again does the rest.

        Raises:
            InvalidRequest: a list names too many, oneself, or somebody who is not there.
            NotFound: the account is gone.
            Unavailable: others change it all the time.
        """
        blocks = mutes = NO_REPLACEMENT
        if changes.blocked_users is not UNSET:
            blocks = await self._blocks.replacement(identity, changes.blocked_users)
        if changes.muted_users is not UNSET:
            mutes = await self._mutes.replacement(identity, changes.muted_users)
        profile = await self._profiles.update(
            identity,
            ProfileChanges(
                is_private=changes.is_private,
                hide_likes=changes.hide_likes,
                discoverable=changes.discoverable,
                who_may_message=changes.who_may_message,
            ),
        )
        await self._blocks.replace(identity, blocks)
        await self._mutes.replace(identity, mutes)
        return profile.user
