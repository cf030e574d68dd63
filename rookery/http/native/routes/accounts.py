"""Signing up, logging in, and what keeps a client logged in."""

from typing import Annotated

import msgspec
from msgspec import Meta

from rookery.errors import (
    BadCredentials,
    Conflict,
    DeviceRevoked,
    Forbidden,
    IdempotencyMismatch,
    InvalidRequest,
    InvalidToken,
)
from rookery.http.declaring.endpoint import Auth, Call, endpoint
from rookery.http.native.presenting import profile_view
from rookery.http.native.schemas import (
    LATER,
    Answer,
    DeviceIdText,
    DeviceName,
    EmailText,
    Message,
    Nothing,
    Parameters,
    PasswordText,
    UsernameText,
)
from rookery.http.native.services import Services
from rookery.services.accounts.accounts import Session, SignUp
from rookery.services.limits import Rate
from rookery.services.validation import MAX_NAME_CHARS, MAX_PASSWORD_CHARS
from rookery.views import UserView


class SignUpBody(Parameters, frozen=True, kw_only=True):
    """A new account, and the name of the device that makes it."""

    email: EmailText
    username: UsernameText
    password: PasswordText
    name: Annotated[str, Meta(min_length=1, max_length=MAX_NAME_CHARS)]
    device_name: DeviceName = ""


class LoginBody(Parameters, frozen=True, kw_only=True):
    """Either `username` or `email`, and the password; `deviceId` of an earlier login, if kept."""

    password: Annotated[str, Meta(min_length=1, max_length=MAX_PASSWORD_CHARS)]
    username: Annotated[str, Meta(min_length=1, max_length=254)] | msgspec.UnsetType = msgspec.UNSET
    email: Annotated[str, Meta(min_length=1, max_length=254)] | msgspec.UnsetType = msgspec.UNSET
    device_id: DeviceIdText | msgspec.UnsetType = msgspec.UNSET
    device_name: DeviceName = ""


class RefreshBody(Parameters, frozen=True, kw_only=True):
    """The newest refresh token."""

    refresh_token: Annotated[str, Meta(min_length=1, max_length=1024)]


class SignedUp(Answer, frozen=True, kw_only=True):
    """The new account; `token` lives for `expiresIn` seconds."""

    user_id: str
    token: str
    refresh_token: str
    expires_in: int
    device_id: str
    profile: UserView


class LoggedIn(Answer, frozen=True, kw_only=True):
    """A device's tokens; `token` lives for `expiresIn` seconds."""

    token: str
    refresh_token: str
    expires_in: int
    device_id: str
    user: UserView


class Refreshed(Answer, frozen=True, kw_only=True):
    """The tokens that replace the former ones."""

    token: str
    refresh_token: str
    expires_in: int
    device_id: str


@endpoint(
    "POST",
    "/signup",
    "Make an account and log its first device in",
    answers={201: SignedUp},
    errors=(Conflict, IdempotencyMismatch),
    auth=Auth.NONE,
    rate=Rate.SIGN_UP,
)
async def signup(services: Services, call: Call[Nothing, Nothing, SignUpBody]) -> SignedUp:
    body = call.body
    session = await services.accounts.signup(
        SignUp(
            email=body.email,
            username=body.username,
            password=body.password,
            name=body.name,
            device_name=body.device_name,
            idempotency_key=call.idempotency_key,
        ),
        call.origin,
        services.limits,
    )
    return SignedUp(
        user_id=str(session.user.id),
        token=session.access_token,
        refresh_token=session.refresh_token,
        expires_in=session.expires_in_s,
        device_id=session.device.device_id,
        profile=await own_view(services, session),
    )


@endpoint(
    "POST",
    "/login",
    "Log a device in",
    answers={200: LoggedIn},
    errors=(BadCredentials, Forbidden),
    auth=Auth.NONE,
    rate=Rate.LOGIN,
)
async def login(services: Services, call: Call[Nothing, Nothing, LoginBody]) -> LoggedIn:
    body = call.body
    given = [name for name in (body.username, body.email) if name is not msgspec.UNSET]
    if len(given) != 1:
        raise InvalidRequest("Give either username or email", "username")
    session = await services.accounts.login(
        given[0],
        body.password,
        None if body.device_id is msgspec.UNSET else body.device_id,
        body.device_name,
        origin=call.origin,
        attempts=services.limits,
    )
    return LoggedIn(
        token=session.access_token,
        refresh_token=session.refresh_token,
        expires_in=session.expires_in_s,
        device_id=session.device.device_id,
        user=await own_view(services, session),
    )


@endpoint(
    "POST",
    "/token/refresh",
    "Exchange a refresh token for new tokens",
    answers={200: Refreshed},
    errors=(InvalidToken, DeviceRevoked, Forbidden),
    auth=Auth.NONE,
)
async def refresh(services: Services, call: Call[Nothing, Nothing, RefreshBody]) -> Refreshed:
    session = await services.accounts.refresh(call.body.refresh_token, call.origin)
    return Refreshed(
        token=session.access_token,
        refresh_token=session.refresh_token,
        expires_in=session.expires_in_s,
        device_id=session.device.device_id,
    )


@endpoint("POST", "/logout", "Log this device out", answers={200: Message})
async def logout(services: Services, call: Call[Nothing, Nothing, Nothing]) -> Message:
    told = await services.accounts.logout(call.identity, call.origin)
    return Message(message="Logged out" + ("" if told else LATER))


async def own_view(services: Services, session: Session) -> UserView:
    user_id = session.user.id
    return profile_view(await services.profiles.by_id(user_id, user_id), user_id)


ROUTES = (signup, login, refresh, logout)
