"""Tweets that users pin to their profiles."""

from rookery.errors import Conflict, Forbidden, NotFound, Protected
from rookery.http.declaring.endpoint import Auth, Call, endpoint
from rookery.http.native.presenting import position_in, shown_page_json
from rookery.http.native.schemas import Answer, IdPath, Nothing, PageQuery, TweetPage
from rookery.http.native.services import Services


class PinState(Answer, frozen=True, kw_only=True):
    """What was done, and whether the tweet is pinned now."""

    message: str
    pinned: bool


@endpoint(
    "POST",
    "/tweets/{id}/pin",
    "Pin a tweet of one's own to the profile, at most five; no error if it is pinned already",
    answers={200: PinState},
    errors=(NotFound, Forbidden, Conflict),
)
async def pin(services: Services, call: Call[IdPath, Nothing, Nothing]) -> PinState:
    await services.pins.pin(call.identity, call.path.number)
    return PinState(message="Tweet pinned", pinned=True)


@endpoint(
    "DELETE",
    "/tweets/{id}/pin",
    "Take a pin away; no error if there is none",
    answers={200: PinState},
)
async def unpin(services: Services, call: Call[IdPath, Nothing, Nothing]) -> PinState:
    await services.pins.unpin(call.identity, call.path.number)
    return PinState(message="Pin taken away", pinned=False)


@endpoint(
    "GET",
    "/users/{id}/pinned",
    "What a user pinned to the profile, newest pin first",
    answers={200: TweetPage},
    errors=(NotFound, Protected),
    auth=Auth.OPTIONAL,
)
async def pinned(services: Services, call: Call[IdPath, PageQuery, Nothing]) -> bytes:
    query = call.query
    before = position_in("pinned", query)
    page = await services.pins.of_user(call.viewer_id, call.path.number, before, query.limit)
    return shown_page_json(b"tweets", page, "pinned")


ROUTES = (pin, unpin, pinned)
