"""From what services return to the shapes of `rookery.views`, for several endpoints alike."""

import functools
from collections.abc import Sequence

import msgspec

from rookery.domain.cursors import decode, encode
from rookery.http.native.rendering import new_tweet_json, tweet_json, tweets_json
from rookery.http.native.schemas import PageQuery, UserPage
from rookery.http.native.services import Services
from rookery.services.accounts.profiles import Profile
from rookery.services.reading.pages import Page
from rookery.services.reading.shown import ShownPage
from rookery.services.tweets.new_tweets import Posted
from rookery.views import UserView, iso_time, user_view


@functools.lru_cache(maxsize=16_384)
def next_cursor(list_name: str, position: int) -> str | None:
    """The cursor of the next page; None where `position` is 0, the end.

    Remembered, because a reader who looks for news mostly gets the same page again.
    """
    return encode(list_name, position) if position else None


def page_json(name: bytes, rendered: Sequence[bytes], cursor: str | None) -> bytes:
    """A page of values that are JSON already; `cursor` needs no escaping."""
    begin = b'{"%b":[' % name
    end = b'],"nextCursor":null}' if cursor is None else b'],"nextCursor":"%b"}' % cursor.encode()
    if not rendered:
        return begin + end
    # Joined once: copying a page a second time is what would cost most here.
    parts = list(rendered)
    parts[0] = begin + parts[0]
    parts[-1] += end
    return b",".join(parts)


def shown_page_json(name: bytes, page: ShownPage, list_name: str) -> bytes:
    """A page of tweets; `list_name` is what its cursors belong to."""
    return page_json(name, tweets_json(page.tweets), next_cursor(list_name, page.next_id))


async def tweet_json_of(services: Services, viewer_id: int | None, tweet_id: int) -> bytes:
    """A tweet as `TweetView` in JSON.

    Raises:
        NotFound: there is none, or not for this viewer.
    """
    return tweet_json(await services.reading.one(viewer_id, tweet_id))


async def posted_json(services: Services, posted: Posted) -> bytes:
    """What a request to post has led to, as `TweetView` in JSON for its author."""
    if posted.shown is not None:
        return new_tweet_json(posted.shown)
    tweet = posted.tweet  # If it was posted before, others may have liked, edited or deleted it.
    return await tweet_json_of(services, tweet.author_id, tweet.id)


def profile_view(profile: Profile, viewer_id: int | None) -> UserView:
    """A profile as `viewer_id` sees it."""
    view = user_view(profile.user, profile.counts, private=profile.user.id == viewer_id)
    standing = profile.standing
    if standing is None:
        return view
    until_ms = standing.muted_until_ms
    return msgspec.structs.replace(
        view,
        following=standing.following,
        followed_by=standing.followed_by,
        requested=standing.requested,
        blocking=standing.blocking,
        muting=standing.muting,
        muted_until=None if until_ms is None else iso_time(until_ms),
    )


def position_in(list_name: str, query: PageQuery) -> int:
    """Where the page that is asked for begins: 0 without a cursor.

    Raises:
        InvalidCursor: the cursor is none of this list.
    """
    return 0 if query.cursor_text is None else decode(list_name, query.cursor_text)


async def user_page(
    services: Services, list_name: str, page: Page, viewer_id: int | None
) -> UserPage:
    """A page of users with their profiles."""
    return UserPage(
        users=await user_views(services, page.ids, viewer_id),
        next_cursor=next_cursor(list_name, page.next_id),
    )


async def user_views(
    services: Services, ids: Sequence[int], viewer_id: int | None
) -> list[UserView]:
    """The profiles of `ids`, in their order, without those that are gone."""
    profiles = await services.profiles.by_ids(ids, viewer_id)
    return [profile_view(profile, viewer_id) for profile in profiles]
