"""Posting, reading, editing and deleting tweets, and what was answered to them."""

from typing import Annotated

from msgspec import Meta

from rookery.errors import Forbidden, IdempotencyMismatch, InvalidText, NotFound
from rookery.http.declaring.endpoint import Auth, Call, endpoint
from rookery.http.native.presenting import (
    next_cursor,
    page_json,
    position_in,
    posted_json,
    shown_page_json,
    tweet_json_of,
)
from rookery.http.native.rendering import place_json
from rookery.http.native.schemas import (
    Answer,
    ContextEntry,
    IdPath,
    IdText,
    Message,
    Nothing,
    PageQuery,
    Parameters,
    TweetPage,
    optional_id,
)
from rookery.http.native.services import Services
from rookery.ids import time_ms_of
from rookery.services.tweets.tweets import NewTweet
from rookery.views import Entities, TweetView, Visibility, entities_view, iso_time

MAX_TEXT_CHARS = 25_000
"""A bound for the document and against abuse; the rules of `rookery.text` are narrower."""
TWEET_BODY_BYTES = 12 * MAX_TEXT_CHARS + (4 << 10)
"""JSON may write a character as two escapes of six bytes each."""
Text = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_TEXT_CHARS,
        description="At most 280 weighted characters, as twitter-text 3 counts them",
    ),
]
Language = Annotated[str, Meta(pattern="^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,3}$", max_length=32)]


class NewTweetBody(Parameters, frozen=True, kw_only=True):
    """A tweet to post; `lang` is a BCP 47 tag.

    `visibility` says who may see it: everybody, one's followers, or only whom it mentions (one's
    followers and whom it mentions, of a private account's tweet that is for everybody).
    """

    text: Text
    reply_to_tweet_id: IdText | None = None
    quote_tweet_id: IdText | None = None
    visibility: Visibility = "public"
    sensitive: bool = False
    lang: Language | None = None


class EditBody(Parameters, frozen=True, kw_only=True):
    """The text that replaces the present one."""

    text: Text


class TweetCreated(Answer, frozen=True, kw_only=True):
    """The tweet that was posted."""

    tweet_id: str
    created_at: str
    tweet: TweetView


class TweetVersion(Answer, frozen=True, kw_only=True):
    """A version of a tweet, and when it came to be."""

    version: int
    text: str
    entities: Entities
    created_at: str


class TweetHistory(Answer, frozen=True, kw_only=True):
    """Versions of a tweet, the present one first, and where the next page begins."""

    versions: list[TweetVersion]
    next_cursor: str | None


class TweetContext(Answer, frozen=True, kw_only=True):
    """What stands around a tweet in its conversation.

    Ancestors come from the root down, with the first page only and at most 100 of them.
    Descendants come as one reads a discussion: each reply, then all that was replied to it.
    """

    ancestors: list[ContextEntry]
    descendants: list[ContextEntry]
    next_cursor: str | None


class ReplyPage(Answer, frozen=True, kw_only=True):
    """Replies, oldest first, and where the next page begins (null: this was the last)."""

    replies: list[TweetView]
    next_cursor: str | None


@endpoint(
    "POST",
    "/tweets",
    "Post a tweet",
    answers={201: TweetCreated},
    errors=(InvalidText, NotFound, Forbidden, IdempotencyMismatch),
    max_body_bytes=TWEET_BODY_BYTES,
)
async def create(services: Services, call: Call[Nothing, Nothing, NewTweetBody]) -> bytes:
    body = call.body
    posted = await services.tweets.post(
        call.identity,
        NewTweet(
            text=body.text,
            reply_to_id=optional_id(body.reply_to_tweet_id, "replyToTweetId"),
            retweet_of_id=optional_id(body.quote_tweet_id, "quoteTweetId"),
            visibility=body.visibility,
            sensitive=body.sensitive,
            lang=body.lang,
        ),
        call.idempotency_key,
    )
    tweet_id = posted.tweet.id
    created = iso_time(time_ms_of(tweet_id)).encode()
    rendered = await posted_json(services, posted)
    return b'{"tweetId":"%d","createdAt":"%b","tweet":%b}' % (tweet_id, created, rendered)


@endpoint(
    "GET",
    "/tweets/{id}",
    "A tweet",
    answers={200: TweetView},
    errors=(NotFound,),
    auth=Auth.OPTIONAL,
)
async def get(services: Services, call: Call[IdPath, Nothing, Nothing]) -> bytes:
    return await tweet_json_of(services, call.viewer_id, call.path.number)


@endpoint(
    "DELETE",
    "/tweets/{id}",
    "Delete a tweet of one's own",
    answers={200: Message},
    errors=(NotFound, Forbidden),
)
async def delete(services: Services, call: Call[IdPath, Nothing, Nothing]) -> Message:
    await services.tweets.delete(call.identity, call.path.number)
    return Message(message="Tweet deleted")


async def _edit(services: Services, call: Call[IdPath, Nothing, EditBody]) -> bytes:
    tweet = await services.tweets.edit(call.identity, call.path.number, call.body.text)
    return await tweet_json_of(services, call.viewer_id, tweet.id)


@endpoint(
    "PATCH",
    "/tweets/{id}",
    "Edit a tweet of one's own",
    answers={200: TweetView},
    errors=(InvalidText, NotFound, Forbidden),
    max_body_bytes=TWEET_BODY_BYTES,
)
async def edit(services: Services, call: Call[IdPath, Nothing, EditBody]) -> bytes:
    return await _edit(services, call)


@endpoint(
    "PUT",
    "/tweets/{id}",
    "Edit a tweet of one's own",
    answers={200: TweetView},
    errors=(InvalidText, NotFound, Forbidden),
    max_body_bytes=TWEET_BODY_BYTES,
)
async def replace(services: Services, call: Call[IdPath, Nothing, EditBody]) -> bytes:
    return await _edit(services, call)


@endpoint(
    "GET",
    "/tweets/{id}/history",
    "Versions of a tweet, newest first",
    answers={200: TweetHistory},
    errors=(NotFound,),
    auth=Auth.OPTIONAL,
)
async def history(services: Services, call: Call[IdPath, PageQuery, Nothing]) -> TweetHistory:
    query = call.query
    before = position_in("history", query)
    page = await services.conversations.history(
        call.viewer_id, call.path.number, before, query.limit
    )
    return TweetHistory(
        versions=[
            TweetVersion(
                version=version.version,
                text=version.text,
                entities=entities_view(version.entities),
                created_at=iso_time(version.created_ms),
            )
            for version in page.versions
        ],
        next_cursor=next_cursor("history", page.next_version),
    )


@endpoint(
    "GET",
    "/tweets/{id}/replies",
    "Replies to a tweet, oldest first",
    answers={200: ReplyPage},
    errors=(NotFound,),
    auth=Auth.OPTIONAL,
)
async def replies(services: Services, call: Call[IdPath, PageQuery, Nothing]) -> bytes:
    query = call.query
    after = position_in("replies", query)
    page = await services.conversations.replies(
        call.viewer_id, call.path.number, after, query.limit
    )
    return shown_page_json(b"replies", page, "replies")


@endpoint(
    "GET",
    "/tweets/{id}/conversation",
    "All of the conversation that a tweet belongs to, oldest first",
    answers={200: TweetPage},
    errors=(NotFound,),
    auth=Auth.OPTIONAL,
)
async def conversation(services: Services, call: Call[IdPath, PageQuery, Nothing]) -> bytes:
    query = call.query
    after = position_in("conversation", query)
    page = await services.conversations.conversation(
        call.viewer_id, call.path.number, after, query.limit
    )
    return shown_page_json(b"tweets", page, "conversation")


@endpoint(
    "GET",
    "/tweets/{id}/context",
    "What a tweet answers, and what answers it",
    answers={200: TweetContext},
    errors=(NotFound,),
    auth=Auth.OPTIONAL,
)
async def context(services: Services, call: Call[IdPath, PageQuery, Nothing]) -> bytes:
    query = call.query
    after = position_in("context", query)
    found = await services.conversations.context(
        call.viewer_id, call.path.number, after, query.limit
    )
    above = b'{"ancestors":[%b],' % b",".join(map(place_json, found.ancestors))
    descendants = [place_json(place) for place in found.descendants]
    cursor = next_cursor("context", found.next_id)
    return above + page_json(b"descendants", descendants, cursor)[1:]


ROUTES = (create, get, delete, edit, replace, history, replies, conversation, context)
