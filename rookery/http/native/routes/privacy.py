"""One's own privacy."""

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from rookery.http.declaring.endpoint import Call, endpoint
from rookery.http.native.schemas import Answer, IdText, Nothing, Parameters, required_id
from rookery.http.native.services import Services
from rookery.models import User
from rookery.services.accounts.privacy import PrivacyChanges
from rookery.services.graph.replacing import MAX_LISTED

WhoMayMessage: TypeAlias = Literal["everyone", "followees", "nobody"]
UserIds = Annotated[
    list[IdText], Meta(max_length=MAX_LISTED, description="Ids of users, in place of the former")
]


class PrivacySettings(Answer, frozen=True, kw_only=True):
    """What others may see of an account, and how they find it."""

    is_private: bool
    who_may_message: WhoMayMessage
    hide_likes: bool
    discoverable: bool


class PrivacyBody(Parameters, frozen=True, kw_only=True):
    """New settings; what is left out stays as it is, so that nothing is opened by omission."""

    is_private: bool | msgspec.UnsetType = msgspec.UNSET
    who_may_message: WhoMayMessage | msgspec.UnsetType = msgspec.UNSET
    hide_likes: bool | msgspec.UnsetType = msgspec.UNSET
    discoverable: bool | msgspec.UnsetType = msgspec.UNSET
    muted_users: UserIds | msgspec.UnsetType = msgspec.UNSET
    blocked_users: UserIds | msgspec.UnsetType = msgspec.UNSET


def _settings(user: User) -> PrivacySettings:
    return PrivacySettings(
        is_private=user.is_private,
        who_may_message=user.who_may_message,  # type: ignore[arg-type]
        hide_likes=user.hide_likes,
        discoverable=user.discoverable,
    )


@endpoint("GET", "/account/privacy", "One's own privacy settings", answers={200: PrivacySettings})
async def show(services: Services, call: Call[Nothing, Nothing, Nothing]) -> PrivacySettings:
    return _settings(await services.privacy.get(call.identity))


@endpoint(
    "PUT",
    "/account/privacy",
    "Change one's own privacy settings",
    answers={200: PrivacySettings},
)
async def change(services: Services, call: Call[Nothing, Nothing, PrivacyBody]) -> PrivacySettings:
    body = call.body
    changes = PrivacyChanges(
        is_private=body.is_private,
        hide_likes=body.hide_likes,
        discoverable=body.discoverable,
        who_may_message=body.who_may_message,
        muted_users=_ids(body.muted_users, "mutedUsers"),
        blocked_users=_ids(body.blocked_users, "blockedUsers"),
    )
    return _settings(await services.privacy.update(call.identity, changes))


def _ids(texts: list[str] | msgspec.UnsetType, field: str) -> list[int] | msgspec.UnsetType:
    if texts is msgspec.UNSET:
        return msgspec.UNSET
    return [required_id(text, f"{field}[{at}]") for at, text in enumerate(texts)]


ROUTES = (show, change)
