"""From what services return to the shapes of `rookery.views`, for several endpoints alike."""

import functools
from collections.abc import Sequence

import msgspec

from rookery.domain.cursors import encode
from rookery.errors import NotFound
from rookery.http.native.services import Services
from rookery.services.accounts.profiles import Profile
from rookery.services.reading.shown import ShownPage
from rookery.views import UserView, user_view


class _Named(msgspec.Struct):
    """What is read of a rendered tweet."""

    id: str


_decode = msgspec.json.Decoder(_Named).decode


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


async def tweet_json(services: Services, viewer_id: int | None, tweet_id: int) -> bytes:
    """A tweet as `TweetView` in JSON.

    Raises:
        NotFound: there is none.
    """
    rendered = await services.cards.tweets_json(viewer_id, [tweet_id])
    if not rendered:
        raise NotFound("Tweet not found")
    return rendered[0]


async def posted_json(
    services: Services, viewer_id: int | None, tweet_id: int, is_new: bool
) -> bytes:
    """What a request to post has led to, as `TweetView` in JSON for its author."""
    rendered = await services.cards.created_json(tweet_id) if is_new else None
    if rendered is None:  # A repeated request: others may have liked, edited or deleted it since.
        rendered = await tweet_json(services, viewer_id, tweet_id)
    return rendered


async def tweets_or_graves(
    services: Services, viewer_id: int | None, ids: Sequence[int]
) -> list[bytes]:
    """Each tweet as `TweetView` in JSON, or as `UnavailableTweet` where it is not there."""
    rendered = await services.cards.tweets_json(viewer_id, ids)
    if len(rendered) == len(ids):
        return rendered
    by_id = {int(_decode(each).id): each for each in rendered}
    return [
        by_id.get(tweet_id) or b'{"id":"%d","unavailable":"deleted"}' % tweet_id for tweet_id in ids
    ]


async def shown_page_json(
    services: Services, viewer_id: int | None, page: ShownPage, list_name: str
) -> bytes:
    """A page of tweets; `list_name` is what its cursors belong to."""
    ids = [shown.id for shown in page.tweets]
    rendered = await services.cards.tweets_json(viewer_id, ids)
    return page_json(b"tweets", rendered, next_cursor(list_name, page.next_id))


def profile_view(profile: Profile, viewer_id: int | None) -> UserView:
    """A profile as `viewer_id` sees it."""
    return user_view(
        profile.user,
        profile.counts,
        private=profile.user.id == viewer_id,
        following=profile.following,
        followed_by=profile.followed_by,
    )


async def user_views(
    services: Services, ids: Sequence[int], viewer_id: int | None
) -> list[UserView]:
    """The profiles of `ids`, in their order, without those that are gone."""
    profiles = await services.profiles.by_ids(ids, viewer_id)
    return [profile_view(profile, viewer_id) for profile in profiles]
