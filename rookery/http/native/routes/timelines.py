"""Timelines. Home is the most frequent request of all."""

from types import MappingProxyType
from typing import Annotated

import msgspec
from msgspec import Meta

from rookery.domain.cursors import decode
from rookery.errors import InvalidRequest, NotFound, Protected
from rookery.http.declaring.endpoint import Auth, Call, endpoint
from rookery.http.native.presenting import shown_page_json
from rookery.http.native.schemas import (
    IdPath,
    Nothing,
    PageQuery,
    TimelineFilter,
    TweetPage,
    UsernamePath,
)
from rookery.http.native.services import Services
from rookery.models import PostKind
from rookery.services.reading.timelines import MAX_PAGE

_MASKS = MappingProxyType(
    {
        msgspec.UNSET: 0,
        "media": int(PostKind.MEDIA),
        "replies": int(PostKind.REPLY),
        "retweets": int(PostKind.RETWEET),
    }
)


class HomeQuery(PageQuery, frozen=True, kw_only=True):
    """Which part of the home timeline; with `filter` only posts of that kind."""

    filter: TimelineFilter | msgspec.UnsetType = msgspec.UNSET


class NumberedQuery(PageQuery, frozen=True, kw_only=True):
    """Which part of a list, by the number of a page of `limit` entries, or by cursor."""

    page: Annotated[int, Meta(ge=1, le=MAX_PAGE)] = 1


@endpoint(
    "GET",
    "/timeline/home",
    "The tweets of oneself and those one follows, newest first",
    answers={200: TweetPage},
)
async def home(services: Services, call: Call[Nothing, HomeQuery, Nothing]) -> bytes:
    query, identity = call.query, call.identity
    before = 0 if query.cursor is msgspec.UNSET else decode("home", query.cursor)
    page = await services.timelines.home(identity, before, query.limit, _MASKS[query.filter])
    return shown_page_json(b"tweets", page, "home")


@endpoint(
    "GET",
    "/timeline/user/{id}",
    "The tweets of one user, newest first",
    answers={200: TweetPage},
    errors=(NotFound, Protected),
    auth=Auth.OPTIONAL,
)
async def user(services: Services, call: Call[IdPath, PageQuery, Nothing]) -> bytes:
    query = call.query
    before = 0 if query.cursor is msgspec.UNSET else decode("user", query.cursor)
    page = await services.timelines.user(call.viewer_id, call.path.number, before, query.limit)
    return shown_page_json(b"tweets", page, "user")


@endpoint(
    "GET",
    "/users/{username}/tweets",
    "The tweets of one user, newest first, by cursor or by the number of the page",
    answers={200: TweetPage},
    errors=(NotFound, Protected),
    auth=Auth.OPTIONAL,
)
async def numbered(services: Services, call: Call[UsernamePath, NumberedQuery, Nothing]) -> bytes:
    query = call.query
    user_id = await services.profiles.id_of(call.path.username)
    viewer_id, limit = call.viewer_id, query.limit
    if query.cursor_text is None:
        page = await services.timelines.user_page(viewer_id, user_id, query.page, limit)
    elif query.page == 1:
        before = decode("user", query.cursor_text)
        page = await services.timelines.user(viewer_id, user_id, before, limit)
    else:
        raise InvalidRequest("Give either cursor or page", "page")
    return shown_page_json(b"tweets", page, "user")


ROUTES = (home, user, numbered)
