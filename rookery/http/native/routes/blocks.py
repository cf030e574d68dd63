"""Blocking users."""

from rookery.errors import Forbidden
from rookery.http.declaring.endpoint import Call, endpoint
from rookery.http.native.presenting import position_in, user_page
from rookery.http.native.schemas import Answer, IdPath, Nothing, PageQuery, UserPage
from rookery.http.native.services import Services


class BlockState(Answer, frozen=True, kw_only=True):
    """What was done, and whether one blocks the user now."""

    message: str
    blocking: bool


@endpoint(
    "POST",
    "/users/{id}/block",
    "Block a user, which ends follows and requests both ways; no error if one does already",
    answers={200: BlockState},
    errors=(Forbidden,),
)
async def block(services: Services, call: Call[IdPath, Nothing, Nothing]) -> BlockState:
    await services.blocks.block(call.identity, call.path.number)
    return BlockState(message="User blocked", blocking=True)


async def _unblock(services: Services, call: Call[IdPath, Nothing, Nothing]) -> BlockState:
    await services.blocks.unblock(call.identity, call.path.number)
    return BlockState(message="User unblocked", blocking=False)


@endpoint(
    "POST",
    "/users/{id}/unblock",
    "Stop blocking a user; no error if one does not",
    answers={200: BlockState},
)
async def unblock(services: Services, call: Call[IdPath, Nothing, Nothing]) -> BlockState:
    return await _unblock(services, call)


@endpoint(
    "DELETE",
    "/users/{id}/block",
    "Stop blocking a user; no error if one does not",
    answers={200: BlockState},
)
async def delete(services: Services, call: Call[IdPath, Nothing, Nothing]) -> BlockState:
    return await _unblock(services, call)


@endpoint("GET", "/blocks", "Whom one blocks, newest first", answers={200: UserPage})
async def blocked(services: Services, call: Call[Nothing, PageQuery, Nothing]) -> UserPage:
    before = position_in("blocks", call.query)
    page = await services.blocks.blocked(call.identity, before, call.query.limit)
    return await user_page(services, "blocks", page, call.viewer_id)


ROUTES = (block, unblock, delete, blocked)
