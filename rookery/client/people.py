"""Profiles. Part of `Client`."""

from urllib.parse import quote

from rookery.client.models import User
from rookery.client.paths import UserId, user_path
from rookery.client.requests import Requests
from rookery.client.transport import Call


class PeopleMethods(Requests):
    """The methods of `Client` about profiles."""

    async def me(self) -> User:
        """One's own profile."""
        user = await self._get("/users/me", User)
        self._user_id = user.id
        return user

    async def user(self, user_id: UserId) -> User:
        """A profile."""
        return await self._get(user_path(user_id), User)

    async def user_by_name(self, username: str) -> User:
        """A profile, by its username in any case."""
        return await self._get(f"/users/by/username/{quote(username, '')}", User)

    async def update_profile(
        self,
        *,
        name: str | None = None,
        bio: str | None = None,
        location: str | None = None,
        website: str | None = None,
        avatar_url: str | None = None,
        banner_url: str | None = None,
        is_private: bool | None = None,
    ) -> User:
        """Change those parts of one's own profile that are given; an empty text clears one."""
        given = {
            "name": name,
            "bio": bio,
            "location": location,
            "website": website,
            "avatarUrl": avatar_url,
            "bannerUrl": banner_url,
            "isPrivate": is_private,
        }
        body = {name: value for name, value in given.items() if value is not None}
        user_id = self._user_id or (await self.me()).id
        return await self._transport.request(Call("PATCH", f"/users/{user_id}", body=body), User)
