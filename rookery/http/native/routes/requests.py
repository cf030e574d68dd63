"""Requests to follow private accounts."""

from rookery.errors import NotFound
from rookery.http.declaring.endpoint import Call, endpoint
from rookery.http.native.presenting import position_in, user_page
from rookery.http.native.schemas import Message, Nothing, PageQuery, UserIdPath, UserPage
from rookery.http.native.services import Services


@endpoint(
    "GET", "/follow-requests", "Who asks to follow oneself, newest first", answers={200: UserPage}
)
async def incoming(services: Services, call: Call[Nothing, PageQuery, Nothing]) -> UserPage:
    before = position_in("follow-requests", call.query)
    page = await services.requests.incoming(call.identity, before, call.query.limit)
    return await user_page(services, "follow-requests", page, call.viewer_id)


@endpoint(
    "GET", "/follow-requests/sent", "Whom one asks to follow, newest first", answers={200: UserPage}
)
async def sent(services: Services, call: Call[Nothing, PageQuery, Nothing]) -> UserPage:
    before = position_in("sent-requests", call.query)
    page = await services.requests.sent(call.identity, before, call.query.limit)
    return await user_page(services, "sent-requests", page, call.viewer_id)


@endpoint(
    "POST",
    "/follow-requests/{userId}/approve",
    "Let a user who asks follow oneself; no error if they do already",
    answers={200: Message},
    errors=(NotFound,),
)
async def approve(services: Services, call: Call[UserIdPath, Nothing, Nothing]) -> Message:
    await services.requests.approve(call.identity, call.path.number)
    return Message(message="Follow request approved")


@endpoint(
    "POST",
    "/follow-requests/{userId}/deny",
    "Refuse a user who asks to follow oneself; no error if they do not",
    answers={200: Message},
)
async def deny(services: Services, call: Call[UserIdPath, Nothing, Nothing]) -> Message:
    await services.requests.deny(call.identity, call.path.number)
    return Message(message="Follow request denied")


ROUTES = (incoming, sent, approve, deny)
