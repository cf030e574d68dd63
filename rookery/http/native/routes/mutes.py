"""Muting users and conversations."""

from typing import Annotated

import msgspec
from msgspec import Meta

from rookery.errors import Forbidden, NotFound
from rookery.http.declaring.endpoint import Call, endpoint
from rookery.http.native.presenting import position_in, user_page
from rookery.http.native.schemas import (
    Answer,
    IdPath,
    Nothing,
    OptionalBody,
    PageQuery,
    UserPage,
)
from rookery.http.native.services import Services
from rookery.services.graph.mutes import MAX_DURATION_S
from rookery.views import iso_time

Duration = Annotated[
    int, Meta(ge=1, le=MAX_DURATION_S, description="Seconds from now on; left out: for ever")
]


class MuteBody(OptionalBody, frozen=True, kw_only=True):
    """For how long to mute."""

    duration_s: Duration | msgspec.UnsetType = msgspec.UNSET


class MuteState(Answer, frozen=True, kw_only=True):
    """What was done, whether one mutes the user now, and until when."""

    message: str
    muting: bool
    muted_until: str | None


class ConversationMuteState(Answer, frozen=True, kw_only=True):
    """What was done, and whether one mutes the conversation now."""

    message: str
    muting: bool


@endpoint(
    "POST",
    "/users/{id}/mute",
    "Mute a user, for ever or for a time; again: until another time",
    answers={200: MuteState},
    errors=(Forbidden,),
)
async def mute(services: Services, call: Call[IdPath, Nothing, MuteBody]) -> MuteState:
    given = call.body.duration_s
    duration_s = None if given is msgspec.UNSET else given
    until_ms = await services.mutes.mute(call.identity, call.path.number, duration_s)
    until = None if until_ms is None else iso_time(until_ms)
    return MuteState(message="User muted", muting=True, muted_until=until)


async def _unmute(services: Services, call: Call[IdPath, Nothing, Nothing]) -> MuteState:
    await services.mutes.unmute(call.identity, call.path.number)
    return MuteState(message="User unmuted", muting=False, muted_until=None)


@endpoint(
    "POST",
    "/users/{id}/unmute",
    "Stop muting a user; no error if one does not",
    answers={200: MuteState},
)
async def unmute(services: Services, call: Call[IdPath, Nothing, Nothing]) -> MuteState:
    return await _unmute(services, call)


@endpoint(
    "DELETE",
    "/users/{id}/mute",
    "Stop muting a user; no error if one does not",
    answers={200: MuteState},
)
async def delete(services: Services, call: Call[IdPath, Nothing, Nothing]) -> MuteState:
    return await _unmute(services, call)


@endpoint("GET", "/mutes", "Whom one mutes, newest first", answers={200: UserPage})
async def muted(services: Services, call: Call[Nothing, PageQuery, Nothing]) -> UserPage:
    before = position_in("mutes", call.query)
    page = await services.mutes.muted(call.identity, before, call.query.limit)
    return await user_page(services, "mutes", page, call.viewer_id)


@endpoint(
    "POST",
    "/tweets/{id}/mute",
    "Mute the conversation that a tweet belongs to; no error if one does already",
    answers={200: ConversationMuteState},
    errors=(Forbidden, NotFound),
)
async def mute_conversation(
    services: Services, call: Call[IdPath, Nothing, Nothing]
) -> ConversationMuteState:
    shown = await services.reading.one(call.viewer_id, call.path.number)
    tweet = (shown.original or shown).entry.tweet
    await services.mutes.mute_conversation(call.identity, tweet.conversation_id)
    return ConversationMuteState(message="Conversation muted", muting=True)


@endpoint(
    "DELETE",
    "/tweets/{id}/mute",
    "Stop muting the conversation that a tweet belongs to; no error if one does not",
    answers={200: ConversationMuteState},
)
async def unmute_conversation(
    services: Services, call: Call[IdPath, Nothing, Nothing]
) -> ConversationMuteState:
    await services.mutes.unmute_conversation_of(call.identity, call.path.number)
    return ConversationMuteState(message="Conversation not muted", muting=False)


ROUTES = (mute, unmute, delete, muted, mute_conversation, unmute_conversation)
