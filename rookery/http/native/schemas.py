"""The constraints and shapes that several endpoints of the native surface share.

Whatever a declaration says here is both enforced on requests and published in the OpenAPI
document. Shapes of a single noun stand beside its routes. Names are in camel case on the wire.
"""

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from rookery.errors import InvalidCursor, InvalidRequest
from rookery.http.declaring import parameters
from rookery.http.declaring.parameters import Nothing as Nothing
from rookery.ids import parse_id
from rookery.services.validation import (
    MAX_DEVICE_NAME_CHARS,
    MAX_EMAIL_CHARS,
    MAX_PASSWORD_CHARS,
    MIN_PASSWORD_CHARS,
)
from rookery.views import QuotedTweet, TweetView, UnavailableTweet, UserView, View

PREFIX = "/api/v1"
"""How the paths of this surface begin."""
ID_PATTERN = "^[1-9][0-9]{0,18}$"
CURSOR_PATTERN = "^[A-Za-z0-9_-]{1,64}$"
USERNAME_PATTERN = "^[A-Za-z0-9_]{1,15}$"
DEVICE_ID_PATTERN = "^[A-Za-z0-9_-]{1,64}$"

ID_DEMAND = "must be an id: a decimal number up to 9223372036854775807"
USERNAME_DEMAND = "must be 1 to 15 letters, digits and underscores"
DEVICE_ID_DEMAND = "must be a device id: 1 to 64 letters, digits, hyphens and underscores"

IdText: TypeAlias = Annotated[
    str,
    Meta(
        pattern=ID_PATTERN,
        description="A Snowflake id, at most 9223372036854775807",
        extra={"demand": ID_DEMAND},
    ),
]
CursorText: TypeAlias = Annotated[
    str,
    Meta(
        pattern=CURSOR_PATTERN,
        description="`nextCursor` of the previous page of this list",
        extra={"error": InvalidCursor},
    ),
]
UsernameText: TypeAlias = Annotated[
    str, Meta(pattern=USERNAME_PATTERN, extra={"demand": USERNAME_DEMAND})
]
EmailText: TypeAlias = Annotated[
    str,
    Meta(min_length=3, max_length=MAX_EMAIL_CHARS, extra_json_schema={"format": "email"}),
]
PasswordText: TypeAlias = Annotated[
    str, Meta(min_length=MIN_PASSWORD_CHARS, max_length=MAX_PASSWORD_CHARS)
]
DeviceIdText: TypeAlias = Annotated[
    str, Meta(pattern=DEVICE_ID_PATTERN, extra={"demand": DEVICE_ID_DEMAND})
]
DeviceName: TypeAlias = Annotated[str, Meta(max_length=MAX_DEVICE_NAME_CHARS)]
Limit: TypeAlias = Annotated[int, Meta(ge=1, le=100, description="Entries on a page")]

DEFAULT_LIMIT = 20
LATER = "; a part of the server that does not answer just now will take that in within moments"
"""Added to what was done where not every process has confirmed it."""


class Parameters(parameters.Parameters, frozen=True, kw_only=True, rename="camel"):
    """Base of what a client sends: bodies, queries and path parameters."""


class OptionalBody(parameters.OptionalBody, frozen=True, kw_only=True, rename="camel"):
    """Base of bodies that may be left out, which is as an empty object."""


class IdPath(Parameters, frozen=True, kw_only=True):
    """A path with one id."""

    id: IdText

    @property
    def number(self) -> int:
        """The id.

        Raises:
            InvalidRequest: it has the form of an id, and is out of range.
        """
        return required_id(self.id, "id")


class UserIdPath(Parameters, frozen=True, kw_only=True):
    """A path with the id of a user beside those of other things."""

    user_id: IdText

    @property
    def number(self) -> int:
        """The id; as of `IdPath`."""
        return required_id(self.user_id, "userId")


class UsernamePath(Parameters, frozen=True, kw_only=True):
    """A path with a username."""

    username: UsernameText


class PageQuery(Parameters, frozen=True, kw_only=True):
    """Which part of a list."""

    cursor: CursorText | msgspec.UnsetType = msgspec.UNSET
    limit: Limit = DEFAULT_LIMIT

    @property
    def cursor_text(self) -> str | None:
        return None if self.cursor is msgspec.UNSET else self.cursor


class Answer(parameters.Answer, frozen=True, kw_only=True, rename="camel"):
    """Base of what is answered, where `rookery.views` does not have it."""


class Message(Answer, frozen=True, kw_only=True):
    """What was done, for people."""

    message: str


class ErrorBody(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """Why a request was refused. Test `code`; `field` names the part at fault, if one is."""

    error: str
    code: str
    field: str | msgspec.UnsetType = msgspec.UNSET


class TweetPage(Answer, frozen=True, kw_only=True):
    """Tweets, and where the next page begins (null: this was the last)."""

    tweets: list[TweetView]
    next_cursor: str | None


class UserPage(Answer, frozen=True, kw_only=True):
    """Users, and where the next page begins (null: this was the last)."""

    users: list[UserView]
    next_cursor: str | None


class ContextEntry(Answer, frozen=True, kw_only=True):
    """A tweet, or what stands in its place; `unavailable` tells them apart."""


ALTERNATIVES: dict[type[Answer | View], tuple[type, ...]] = {
    ContextEntry: (TweetView, UnavailableTweet),
    QuotedTweet: (TweetView, UnavailableTweet),
}
"""What each of these names stands for in the document: msgspec has no untagged unions."""

TimelineFilter: TypeAlias = Literal["media", "replies", "retweets"]


def required_id(text: str, field: str) -> int:
    """The id written in `text`.

    Raises:
        InvalidRequest: it is none; `field` is named as the one at fault.
    """
    value = parse_id(text)
    if value is None:
        raise InvalidRequest(f"{field} {ID_DEMAND}", field)
    return value


def optional_id(text: str | None, field: str) -> int | None:
    """As `required_id`, where there may be none."""
    return None if text is None else required_id(text, field)
