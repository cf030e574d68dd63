"""Following, and who follows whom."""

from rookery.errors import Forbidden, NotFound, Protected
from rookery.http.declaring.endpoint import Auth, Call, endpoint
from rookery.http.native.presenting import next_cursor, position_in, user_views
from rookery.http.native.schemas import Answer, IdPath, Message, Nothing, PageQuery
from rookery.http.native.services import Services
from rookery.views import UserView


class FollowState(Answer, frozen=True, kw_only=True):
    """What was done, whether one follows the user now, and whether one asks to."""

    message: str
    following: bool
    requested: bool


class FollowerPage(Answer, frozen=True, kw_only=True):
    """Followers, newest first, and where the next page begins (null: this was the last)."""

    followers: list[UserView]
    next_cursor: str | None


class FollowingPage(Answer, frozen=True, kw_only=True):
    """Whom a user follows, newest first, and where the next page begins."""

    following: list[UserView]
    next_cursor: str | None


@endpoint(
    "POST",
    "/users/{id}/follow",
    "Follow a user, or ask to where the account is private; no error if one does already",
    answers={200: FollowState},
    errors=(Forbidden, NotFound),
)
async def follow(services: Services, call: Call[IdPath, Nothing, Nothing]) -> FollowState:
    now = await services.graph.follow(call.identity, call.path.number)
    message = "Followed user" if now.following else "Asked to follow user"
    return FollowState(message=message, following=now.following, requested=now.requested)


async def _unfollow(services: Services, call: Call[IdPath, Nothing, Nothing]) -> FollowState:
    await services.graph.unfollow(call.identity, call.path.number)
    return FollowState(message="Unfollowed user", following=False, requested=False)


@endpoint(
    "POST",
    "/users/{id}/unfollow",
    "Stop following a user, or asking to; no error if one does neither",
    answers={200: FollowState},
)
async def unfollow(services: Services, call: Call[IdPath, Nothing, Nothing]) -> FollowState:
    return await _unfollow(services, call)


@endpoint(
    "DELETE",
    "/users/{id}/follow",
    "Stop following a user, or asking to; no error if one does neither",
    answers={200: FollowState},
)
async def delete(services: Services, call: Call[IdPath, Nothing, Nothing]) -> FollowState:
    return await _unfollow(services, call)


@endpoint(
    "DELETE",
    "/users/{id}/follower",
    "End that a user follows oneself; no error if they do not",
    answers={200: Message},
)
async def remove_follower(services: Services, call: Call[IdPath, Nothing, Nothing]) -> Message:
    await services.graph.remove_follower(call.identity, call.path.number)
    return Message(message="The user does not follow you")


@endpoint(
    "GET",
    "/users/{id}/followers",
    "Who follows a user",
    answers={200: FollowerPage},
    errors=(NotFound, Protected),
    auth=Auth.OPTIONAL,
)
async def followers(services: Services, call: Call[IdPath, PageQuery, Nothing]) -> FollowerPage:
    query = call.query
    before = position_in("followers", query)
    page = await services.graph.followers(call.viewer_id, call.path.number, before, query.limit)
    return FollowerPage(
        followers=await user_views(services, page.ids, call.viewer_id),
        next_cursor=next_cursor("followers", page.next_id),
    )


@endpoint(
    "GET",
    "/users/{id}/following",
    "Whom a user follows",
    answers={200: FollowingPage},
    errors=(NotFound, Protected),
    auth=Auth.OPTIONAL,
)
async def following(services: Services, call: Call[IdPath, PageQuery, Nothing]) -> FollowingPage:
    query = call.query
    before = position_in("following", query)
    page = await services.graph.following(call.viewer_id, call.path.number, before, query.limit)
    return FollowingPage(
        following=await user_views(services, page.ids, call.viewer_id),
        next_cursor=next_cursor("following", page.next_id),
    )


ROUTES = (follow, unfollow, delete, remove_follower, followers, following)
