"""Timelines. Home is the most frequent request of all."""

from types import MappingProxyType
from typing import Annotated

import msgspec
from msgspec import Meta

from rookery.domain.cursors import decode
from rookery.errors import InvalidRequest, NotFound
from rookery.http.declaring.endpoint import Auth, Call, endpoint
from rookery.http.native.presenting import next_cursor, page_json
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
    ids, next_before = await services.timelines.home(
        identity, before, query.limit, _MASKS[query.filter]
    )
    rendered = await services.cards.tweets_json(identity.user_id, ids)
    return page_json(b"tweets", rendered, next_cursor("home", next_before))


@endpoint(
    "GET",
    "/timeline/user/{id}",
    "The tweets of one user, newest first",
    answers={200: TweetPage},
    errors=(NotFound,),
    auth=Auth.OPTIONAL,
)
async def user(services: Services, call: Call[IdPath, PageQuery, Nothing]) -> bytes:
    query = call.query
    before = 0 if query.cursor is msgspec.UNSET else decode("user", query.cursor)
    ids, next_before = await services.timelines.user(call.path.number, before, query.limit)
    rendered = await services.cards.tweets_json(call.viewer_id, ids)
    return page_json(b"tweets", rendered, next_cursor("user", next_before))


@endpoint(
    "GET",
    "/users/{username}/tweets",
    "The tweets of one user, newest first, by cursor or by the number of the page",
    answers={200: TweetPage},
    errors=(NotFound,),
    auth=Auth.OPTIONAL,
)
async def numbered(services: Services, call: Call[UsernamePath, NumberedQuery, Nothing]) -> bytes:
    query = call.query
    user_id = await services.profiles.id_of(call.path.username)
    if query.cursor_text is None:
        ids, next_before = await services.timelines.user_page(user_id, query.page, query.limit)
    elif query.page == 1:
        before = decode("user", query.cursor_text)
        ids, next_before = await services.timelines.user(user_id, before, query.limit)
    else:
        raise InvalidRequest("Give either cursor or page", "page")
    rendered = await services.cards.tweets_json(call.viewer_id, ids)
    return page_json(b"tweets", rendered, next_cursor("user", next_before))


ROUTES = (home, user, numbered)
