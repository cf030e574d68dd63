"""Who likes a tweet, and what somebody likes."""

from rookery.domain.visibility import Viewer, may_see_lists
from rookery.errors import Protected
from rookery.models import User
from rookery.services.reading.pages import Chunk, Page, check_limit, chunk_of_rows
from rookery.services.reading.reading import Reading
from rookery.services.reading.shown import ShownPage
from rookery.store.engine import Store
from rookery.store.records.engagement import EngagementRepository


class Likes:
    """Lists of likes, newest like first; positions are favourite ids."""

    def __init__(self, store: Store, reading: Reading) -> None:
        self._reading = reading
        self._engagement = EngagementRepository(store.reader)

    async def likers(self, viewer_id: int | None, tweet_id: int, before: int, limit: int) -> Page:
        """Ids of those who like a tweet, as far as the viewer may know.

        Raises:
            InvalidRequest: `limit` is out of bounds.
            NotFound: no such tweet, or not for this viewer.
        """
        check_limit(limit)
        await self._reading.seen_tweet(viewer_id, tweet_id)

        async def read(before: int, limit: int) -> Chunk:
            return chunk_of_rows(await self._engagement.likers(tweet_id, before, limit), limit)

        return await self._reading.users_page(viewer_id, read, before, limit, shows_likes)

    async def liked_by(
        self, viewer_id: int | None, user_id: int, before: int, limit: int
    ) -> ShownPage:
        """The tweets that a user likes.

        Raises:
            InvalidRequest: `limit` is out of bounds.
            NotFound: no such user, or not for this viewer.
            Protected: the user does not show them to this viewer.
        """
        check_limit(limit)
        user = await self._reading.check_lists(viewer_id, user_id)
        if user.hide_likes and user_id != viewer_id:
            raise Protected("This account does not show what it likes")

        async def read(before: int, limit: int) -> Chunk:
            return chunk_of_rows(await self._engagement.liked_by(user_id, before, limit), limit)

        return await self._reading.page(viewer_id, read, before, limit)


def shows_likes(viewer: Viewer, user: User) -> bool:
    """Whether the viewer may know what `user` likes."""
    if user.id == viewer.user_id:
        return True
    return not user.hide_likes and may_see_lists(viewer, user.id, is_private=user.is_private)
