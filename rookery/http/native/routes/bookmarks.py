"""Bookmarks, which only their owner sees."""

from rookery.errors import NotFound
from rookery.http.declaring.endpoint import Call, endpoint
from rookery.http.native.presenting import position_in, shown_page_json
from rookery.http.native.schemas import Answer, IdPath, Nothing, PageQuery, TweetPage
from rookery.http.native.services import Services


class BookmarkState(Answer, frozen=True, kw_only=True):
    """What was done, and whether one has bookmarked the tweet now."""

    message: str
    bookmarked: bool


@endpoint(
    "POST",
    "/tweets/{id}/bookmark",
    "Bookmark a tweet; no error if one has already",
    answers={200: BookmarkState},
    errors=(NotFound,),
)
async def add(services: Services, call: Call[IdPath, Nothing, Nothing]) -> BookmarkState:
    await services.bookmarks.add(call.identity, call.path.number)
    return BookmarkState(message="Tweet bookmarked", bookmarked=True)


@endpoint(
    "DELETE",
    "/tweets/{id}/bookmark",
    "Remove a bookmark; no error if there is none",
    answers={200: BookmarkState},
)
async def remove(services: Services, call: Call[IdPath, Nothing, Nothing]) -> BookmarkState:
    await services.bookmarks.remove(call.identity, call.path.number)
    return BookmarkState(message="Bookmark removed", bookmarked=False)


@endpoint(
    "GET",
    "/bookmarks",
    "One's own bookmarks, newest first",
    answers={200: TweetPage},
)
async def own(services: Services, call: Call[Nothing, PageQuery, Nothing]) -> bytes:
    query = call.query
    before = position_in("bookmarks", query)
    page = await services.bookmarks.own(call.identity, before, query.limit)
    return shown_page_json(b"tweets", page, "bookmarks")


ROUTES = (add, remove, own)
