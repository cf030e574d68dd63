"""Likes, and how much a tweet was engaged with."""

from rookery.errors import NotFound, Protected
from rookery.http.declaring.endpoint import Auth, Call, endpoint
from rookery.http.native.presenting import next_cursor, position_in, shown_page_json, user_views
from rookery.http.native.schemas import Answer, IdPath, Nothing, PageQuery, TweetPage, UserPage
from rookery.http.native.services import Services


class LikeState(Answer, frozen=True, kw_only=True):
    """What was done, whether one likes the tweet now, and how many do."""

    message: str
    liked: bool
    like_count: int


class EngagementCounts(Answer, frozen=True, kw_only=True):
    """How often a tweet was engaged with."""

    like_count: int
    retweet_count: int
    reply_count: int
    quote_count: int


async def _counts(services: Services, tweet_id: int) -> EngagementCounts:
    (counts,) = await services.engagement.counts([tweet_id])
    return EngagementCounts(
        like_count=counts.likes,
        retweet_count=counts.retweets,
        reply_count=counts.replies,
        quote_count=counts.quotes,
    )


@endpoint(
    "POST",
    "/tweets/{id}/like",
    "Like a tweet; no error if one does already",
    answers={200: LikeState},
    errors=(NotFound,),
)
async def like(services: Services, call: Call[IdPath, Nothing, Nothing]) -> LikeState:
    tweet_id = call.path.number
    await services.engagement.like(call.identity, tweet_id)
    counts = await _counts(services, tweet_id)
    return LikeState(message="Tweet liked", liked=True, like_count=counts.like_count)


async def _unlike(services: Services, call: Call[IdPath, Nothing, Nothing]) -> LikeState:
    tweet_id = call.path.number
    await services.engagement.unlike(call.identity, tweet_id)
    count = await services.engagement.likes_shown(call.identity.user_id, tweet_id)
    return LikeState(message="Tweet unliked", liked=False, like_count=count)


@endpoint(
    "POST",
    "/tweets/{id}/unlike",
    "Take a like back; no error if there is none",
    answers={200: LikeState},
)
async def unlike(services: Services, call: Call[IdPath, Nothing, Nothing]) -> LikeState:
    return await _unlike(services, call)


@endpoint(
    "DELETE",
    "/tweets/{id}/like",
    "Take a like back; no error if there is none",
    answers={200: LikeState},
)
async def delete(services: Services, call: Call[IdPath, Nothing, Nothing]) -> LikeState:
    return await _unlike(services, call)


@endpoint(
    "GET",
    "/tweets/{id}/likers",
    "Who likes a tweet, newest like first",
    answers={200: UserPage},
    errors=(NotFound,),
    auth=Auth.OPTIONAL,
)
async def likers(services: Services, call: Call[IdPath, PageQuery, Nothing]) -> UserPage:
    query = call.query
    before = position_in("likers", query)
    page = await services.likes.likers(call.viewer_id, call.path.number, before, query.limit)
    return UserPage(
        users=await user_views(services, page.ids, call.viewer_id),
        next_cursor=next_cursor("likers", page.next_id),
    )


@endpoint(
    "GET",
    "/users/{id}/likes",
    "What a user likes, newest like first",
    answers={200: TweetPage},
    errors=(NotFound, Protected),
    auth=Auth.OPTIONAL,
)
async def liked_by(services: Services, call: Call[IdPath, PageQuery, Nothing]) -> bytes:
    query = call.query
    before = position_in("likes", query)
    page = await services.likes.liked_by(call.viewer_id, call.path.number, before, query.limit)
    return shown_page_json(b"tweets", page, "likes")


@endpoint(
    "GET",
    "/tweets/{id}/engagements",
    "How often a tweet was liked, retweeted, answered and quoted",
    answers={200: EngagementCounts},
    errors=(NotFound,),
    auth=Auth.OPTIONAL,
)
async def engagements(services: Services, call: Call[IdPath, Nothing, Nothing]) -> EngagementCounts:
    tweet = await services.reading.seen_tweet(call.viewer_id, call.path.number)
    return await _counts(services, tweet.id)


ROUTES = (like, unlike, delete, likers, liked_by, engagements)
