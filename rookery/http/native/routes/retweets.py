"""Retweets and quotes."""

from typing import Annotated

from msgspec import Meta

from rookery.errors import Forbidden, IdempotencyMismatch, InvalidText, NotFound
from rookery.http.declaring.endpoint import Auth, Call, Reply, endpoint
from rookery.http.native.presenting import (
    next_cursor,
    position_in,
    posted_json,
    shown_page_json,
    user_views,
)
from rookery.http.native.routes.tweets import MAX_TEXT_CHARS, TWEET_BODY_BYTES
from rookery.http.native.schemas import (
    Answer,
    IdPath,
    Nothing,
    OptionalBody,
    PageQuery,
    TweetPage,
    UserPage,
)
from rookery.http.native.services import Services
from rookery.views import TweetView

Comment = Annotated[
    str,
    Meta(
        max_length=MAX_TEXT_CHARS,
        description="Makes a quote; without one, or with an empty one, it is a plain retweet",
    ),
]


class RetweetBody(OptionalBody, frozen=True, kw_only=True):
    """What to say about the tweet, if anything."""

    comment: Comment | None = None


class Retweeted(Answer, frozen=True, kw_only=True):
    """The retweet, or the quote."""

    retweet_id: str
    tweet: TweetView


class RetweetState(Answer, frozen=True, kw_only=True):
    """What was done, whether one retweets the tweet now, and how many do."""

    message: str
    retweeted: bool
    retweet_count: int


@endpoint(
    "POST",
    "/tweets/{id}/retweet",
    "Retweet a tweet, or quote it with a comment; 200 if it was retweeted before",
    answers={201: Retweeted, 200: Retweeted},
    errors=(InvalidText, NotFound, Forbidden, IdempotencyMismatch),
    max_body_bytes=TWEET_BODY_BYTES,
)
async def retweet(services: Services, call: Call[IdPath, Nothing, RetweetBody]) -> Reply:
    try:
        posted = await services.retweets.retweet(
            call.identity, call.path.number, call.body.comment or "", call.idempotency_key
        )
    except InvalidText as error:
        said = str(error).replace("text", "comment", 1)
        raise InvalidText(said, error.code, "comment") from error
    tweet = posted.tweet
    body = b'{"retweetId":"%d","tweet":%b}' % (tweet.id, await posted_json(services, posted))
    return Reply(body, 201 if posted.is_new or tweet.quote_of_id is not None else 200)


@endpoint(
    "DELETE",
    "/tweets/{id}/retweet",
    "Take a retweet back; no error if there is none",
    answers={200: RetweetState},
)
async def undo(services: Services, call: Call[IdPath, Nothing, Nothing]) -> RetweetState:
    tweet_id = call.path.number
    await services.retweets.undo(call.identity, tweet_id)
    count = await services.retweets.count_shown(call.identity.user_id, tweet_id)
    return RetweetState(message="Retweet taken back", retweeted=False, retweet_count=count)


@endpoint(
    "GET",
    "/tweets/{id}/retweeters",
    "Who retweeted a tweet, newest retweet first",
    answers={200: UserPage},
    errors=(NotFound,),
    auth=Auth.OPTIONAL,
)
async def retweeters(services: Services, call: Call[IdPath, PageQuery, Nothing]) -> UserPage:
    query = call.query
    before = position_in("retweeters", query)
    page = await services.retweets.retweeters(call.viewer_id, call.path.number, before, query.limit)
    return UserPage(
        users=await user_views(services, page.ids, call.viewer_id),
        next_cursor=next_cursor("retweeters", page.next_id),
    )


@endpoint(
    "GET",
    "/tweets/{id}/quotes",
    "Quotes of a tweet, newest first",
    answers={200: TweetPage},
    errors=(NotFound,),
    auth=Auth.OPTIONAL,
)
async def quotes(services: Services, call: Call[IdPath, PageQuery, Nothing]) -> bytes:
    query = call.query
    before = position_in("quotes", query)
    page = await services.retweets.quotes(call.viewer_id, call.path.number, before, query.limit)
    return shown_page_json(b"tweets", page, "quotes")


ROUTES = (retweet, undo, retweeters, quotes)
