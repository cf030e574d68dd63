"""How one stands to others: following. Part of `Client`."""

from rookery.client.models import Followers, Following, FollowState, User
from rookery.client.pages import Pages
from rookery.client.paths import UserId, user_path
from rookery.client.requests import Requests
from rookery.client.transport import Call


class SocialMethods(Requests):
    """The methods of `Client` that change or tell how one stands to others."""

    async def follow(self, user_id: UserId) -> FollowState:
        """Follow a user; no error if one does already."""
        call = Call("POST", f"{user_path(user_id)}/follow", repeatable=True)
        return await self._transport.request(call, FollowState)

    async def unfollow(self, user_id: UserId) -> FollowState:
        """Stop following a user; no error if one does not."""
        call = Call("DELETE", f"{user_path(user_id)}/follow")
        return await self._transport.request(call, FollowState)

    def followers(self, user_id: UserId, *, limit: int = 100) -> Pages[User]:
        """Who follows a user, newest first. `limit` is the size of a page, here and below."""
        return self._pages(f"{user_path(user_id)}/followers", Followers, limit)

    def following(self, user_id: UserId, *, limit: int = 100) -> Pages[User]:
        """Whom a user follows, newest first."""
        return self._pages(f"{user_path(user_id)}/following", Following, limit)
