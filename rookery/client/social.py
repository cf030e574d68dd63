"""How one stands to others: following, requests, blocks, mutes and privacy. Part of `Client`."""

from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

from rookery.client.models import (
    BlockState,
    Followers,
    Following,
    FollowState,
    MuteState,
    PrivacySettings,
    User,
    Users,
)
from rookery.client.pages import Pages
from rookery.client.paths import Id, UserId, id_in_path, user_path
from rookery.client.requests import Requests
from rookery.client.transport import Call

WhoMayMessage: TypeAlias = Literal["everyone", "followees", "nobody"]


class SocialMethods(Requests):
    """The methods of `Client` that change or tell how one stands to others."""

    async def follow(self, user_id: UserId) -> FollowState:
        """Follow a user, or ask to where the account is private; no error if one does already."""
        call = Call("POST", f"{user_path(user_id)}/follow", repeatable=True)
        return await self._transport.request(call, FollowState)

    async def unfollow(self, user_id: UserId) -> FollowState:
        """Stop following a user, or asking to; no error if one does neither."""
        call = Call("DELETE", f"{user_path(user_id)}/follow")
        return await self._transport.request(call, FollowState)

    async def remove_follower(self, user_id: UserId) -> None:
        """End that a user follows oneself; no error if they do not."""
        await self._transport.send(Call("DELETE", f"{user_path(user_id)}/follower"))

    def followers(self, user_id: UserId, *, limit: int = 100) -> Pages[User]:
        """Who follows a user, newest first. `limit` is the size of a page, here and below."""
        return self._pages(f"{user_path(user_id)}/followers", Followers, limit)

    def following(self, user_id: UserId, *, limit: int = 100) -> Pages[User]:
        """Whom a user follows, newest first."""
        return self._pages(f"{user_path(user_id)}/following", Following, limit)

    def follow_requests(self, *, limit: int = 100) -> Pages[User]:
        """Who asks to follow oneself, newest first."""
        return self._pages("/follow-requests", Users, limit)

    def sent_follow_requests(self, *, limit: int = 100) -> Pages[User]:
        """Whom one asks to follow, newest first."""
        return self._pages("/follow-requests/sent", Users, limit)

    async def approve_follow_request(self, user_id: Id) -> None:
        """Let a user who asks follow oneself; no error if they do already."""
        path = f"/follow-requests/{id_in_path(user_id)}/approve"
        await self._transport.send(Call("POST", path, repeatable=True))

    async def deny_follow_request(self, user_id: Id) -> None:
        """Refuse a user who asks to follow oneself; no error if they do not."""
        path = f"/follow-requests/{id_in_path(user_id)}/deny"
        await self._transport.send(Call("POST", path, repeatable=True))

    async def block(self, user_id: UserId) -> BlockState:
        """Block a user, which ends follows and requests both ways."""
        call = Call("POST", f"{user_path(user_id)}/block", repeatable=True)
        return await self._transport.request(call, BlockState)

    async def unblock(self, user_id: UserId) -> BlockState:
        """Stop blocking a user; no error if one does not."""
        call = Call("DELETE", f"{user_path(user_id)}/block")
        return await self._transport.request(call, BlockState)

    def blocks(self, *, limit: int = 100) -> Pages[User]:
        """Whom one blocks, newest first; without those who block oneself."""
        return self._pages("/blocks", Users, limit)

    async def mute(self, user_id: UserId, *, duration_s: int | None = None) -> MuteState:
        """Mute a user for `duration_s` from now on, or for ever."""
        body: dict[str, Any] = {} if duration_s is None else {"durationS": duration_s}
        call = Call("POST", f"{user_path(user_id)}/mute", body=body, repeatable=True)
        return await self._transport.request(call, MuteState)

    async def unmute(self, user_id: UserId) -> MuteState:
        """Stop muting a user; no error if one does not."""
        call = Call("DELETE", f"{user_path(user_id)}/mute")
        return await self._transport.request(call, MuteState)

    def mutes(self, *, limit: int = 100) -> Pages[User]:
        """Whom one mutes, newest first; without those who block oneself."""
        return self._pages("/mutes", Users, limit)

    async def mute_conversation(self, tweet_id: Id) -> None:
        """Mute the conversation that a tweet belongs to."""
        path = f"/tweets/{id_in_path(tweet_id)}/mute"
        await self._transport.send(Call("POST", path, repeatable=True))

    async def unmute_conversation(self, tweet_id: Id) -> None:
        """Stop muting the conversation that a tweet belongs to; no error if one does not."""
        await self._transport.send(Call("DELETE", f"/tweets/{id_in_path(tweet_id)}/mute"))

    async def privacy(self) -> PrivacySettings:
        """One's own privacy settings."""
        return await self._transport.request(Call("GET", "/account/privacy"), PrivacySettings)

    async def update_privacy(
        self,
        *,
        is_private: bool | None = None,
        who_may_message: WhoMayMessage | None = None,
        hide_likes: bool | None = None,
        discoverable: bool | None = None,
        muted_users: Iterable[Id] | None = None,
        blocked_users: Iterable[Id] | None = None,
    ) -> PrivacySettings:
        """Change those settings that are given; the lists replace whom one mutes or blocks."""
        given: dict[str, Any] = {
            "isPrivate": is_private,
            "whoMayMessage": who_may_message,
            "hideLikes": hide_likes,
            "discoverable": discoverable,
        }
        for name, listed in (("mutedUsers", muted_users), ("blockedUsers", blocked_users)):
            given[name] = None if listed is None else [id_in_path(each) for each in listed]
        body = {name: value for name, value in given.items() if value is not None}
        return await self._transport.request(
            Call("PUT", "/account/privacy", body=body), PrivacySettings
        )
