"""Profiles."""

from typing import Annotated

import msgspec
from msgspec import Meta

from rookery.errors import Forbidden, NotFound
from rookery.http.declaring.endpoint import Auth, Call, endpoint
from rookery.http.native.presenting import profile_view
from rookery.http.native.schemas import IdPath, Nothing, Parameters, UsernamePath
from rookery.http.native.services import Services
from rookery.models import Identity
from rookery.services.accounts.profiles import ProfileChanges
from rookery.services.validation import (
    MAX_BIO_CHARS,
    MAX_LOCATION_CHARS,
    MAX_NAME_CHARS,
    MAX_PICTURE_URL_CHARS,
    MAX_WEBSITE_CHARS,
)
from rookery.views import UserView

Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME_CHARS)]
Bio = Annotated[str, Meta(max_length=MAX_BIO_CHARS)]
Location = Annotated[str, Meta(max_length=MAX_LOCATION_CHARS)]
Website = Annotated[str, Meta(max_length=MAX_WEBSITE_CHARS)]
PictureUrl = Annotated[str, Meta(max_length=MAX_PICTURE_URL_CHARS)]


class ProfilePatch(Parameters, frozen=True, kw_only=True):
    """What to change of a profile; the rest stays."""

    name: Name | msgspec.UnsetType = msgspec.UNSET
    bio: Bio | msgspec.UnsetType = msgspec.UNSET
    location: Location | msgspec.UnsetType = msgspec.UNSET
    website: Website | msgspec.UnsetType = msgspec.UNSET
    avatar_url: PictureUrl | msgspec.UnsetType = msgspec.UNSET
    banner_url: PictureUrl | msgspec.UnsetType = msgspec.UNSET
    is_private: bool | msgspec.UnsetType = msgspec.UNSET


class ProfileBody(Parameters, frozen=True, kw_only=True):
    """A whole profile; a text that is left out becomes empty. Without `isPrivate` the account stays
    what it is, so that none is opened by omission."""

    name: Name
    bio: Bio = ""
    location: Location = ""
    website: Website = ""
    avatar_url: PictureUrl = ""
    banner_url: PictureUrl = ""
    is_private: bool | msgspec.UnsetType = msgspec.UNSET


@endpoint("GET", "/users/me", "One's own profile", answers={200: UserView})
async def me(services: Services, call: Call[Nothing, Nothing, Nothing]) -> UserView:
    user_id = call.identity.user_id
    return profile_view(await services.profiles.by_id(user_id, user_id), user_id)


@endpoint(
    "GET",
    "/users/{id}",
    "A profile",
    answers={200: UserView},
    errors=(NotFound,),
    auth=Auth.OPTIONAL,
)
async def by_id(services: Services, call: Call[IdPath, Nothing, Nothing]) -> UserView:
    profile = await services.profiles.by_id(call.path.number, call.viewer_id)
    return profile_view(profile, call.viewer_id)


@endpoint(
    "GET",
    "/users/by/username/{username}",
    "A profile, by its username in any case",
    answers={200: UserView},
    errors=(NotFound,),
    auth=Auth.OPTIONAL,
)
async def by_username(services: Services, call: Call[UsernamePath, Nothing, Nothing]) -> UserView:
    profile = await services.profiles.by_username(call.path.username, call.viewer_id)
    return profile_view(profile, call.viewer_id)


@endpoint(
    "PATCH",
    "/users/{id}",
    "Change parts of one's own profile",
    answers={200: UserView},
    errors=(Forbidden, NotFound),
)
async def change(services: Services, call: Call[IdPath, Nothing, ProfilePatch]) -> UserView:
    changes = ProfileChanges(**msgspec.structs.asdict(call.body))
    return await _update(services, call.identity, call.path.number, changes)


@endpoint(
    "PUT",
    "/users/{id}",
    "Replace one's own profile",
    answers={200: UserView},
    errors=(Forbidden, NotFound),
)
async def replace(services: Services, call: Call[IdPath, Nothing, ProfileBody]) -> UserView:
    changes = ProfileChanges(**msgspec.structs.asdict(call.body))
    return await _update(services, call.identity, call.path.number, changes)


async def _update(
    services: Services, identity: Identity, user_id: int, changes: ProfileChanges
) -> UserView:
    if user_id != identity.user_id:
        await services.profiles.by_id(user_id, identity.user_id)  # which may be nobody
        raise Forbidden("Only one's own profile can be changed")
    profile = await services.profiles.update(identity, changes)
    return profile_view(profile, identity.user_id)


ROUTES = (me, by_username, by_id, change, replace)
