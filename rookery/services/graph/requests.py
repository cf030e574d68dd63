"""Requests to follow private accounts: those that one got, and those that one sent."""

from collections.abc import Callable
from functools import partial

from rookery.errors import NotFound, Unavailable
from rookery.models import Identity
from rookery.services.graph.changes import GraphChanges
from rookery.services.graph.people import TOO_OFTEN, People, filled_page
from rookery.services.reading.pages import Page
from rookery.services.turns import ATTEMPTS
from rookery.store.engine import Store
from rookery.store.records.graph import follow_operations
from rookery.store.records.requests import RequestRepository, end_request_operations


class FollowRequests:
    """Requests are made by following (`Graph.follow`) and withdrawn by unfollowing."""

    def __init__(self, store: Store, ids: Callable[[], int], changes: GraphChanges) -> None:
        self._ids = ids
        self._changes = changes
        self._people = People(store)
        self._requests = RequestRepository(store.reader)

    async def incoming(self, identity: Identity, before: int, limit: int) -> Page:
        """Who asks to follow `identity`, newest first, below request id `before` (0: all).

        Raises:
            InvalidRequest: `limit` is out of bounds.
        """
        user_id = identity.user_id
        read = partial(self._requests.incoming, user_id)
        return await filled_page(read, partial(self._people.not_blocking, user_id), before, limit)

    async def sent(self, identity: Identity, before: int, limit: int) -> Page:
        """Whom `identity` asks to follow; as `incoming`."""
        user_id = identity.user_id
        read = partial(self._requests.sent, user_id)
        return await filled_page(read, partial(self._people.not_blocking, user_id), before, limit)

    async def approve(self, identity: Identity, user_id: int) -> bool:
        """Let a user who asked follow `identity`; False if that was so already.

        Raises:
            InvalidRequest: one does not ask oneself.
            NotFound: no such user, or one who neither asks nor follows.
            Unavailable: others change it all the time.
        """
        followee_id = identity.user_id
        for _ in range(ATTEMPTS):
            _, relation = await self._people.visible(followee_id, user_id)
            if relation.followed_id is not None:
                return False
            if relation.asked_id is None:
                raise NotFound("This user does not ask to follow you")
            # A block would have ended the request, so there is none while the request stands.
            operations = (
                *end_request_operations(user_id, followee_id, relation.asked_id),
                *follow_operations(user_id, followee_id, self._ids()),
            )
            if await self._changes.commit(operations, follows=[(user_id, followee_id, True)]):
                return True
        raise Unavailable(TOO_OFTEN)

    async def deny(self, identity: Identity, user_id: int) -> bool:
        """Remove the request of a user; False if there is none. Who asked may ask again.

        Raises:
            InvalidRequest: one does not ask oneself.
            Unavailable: others change it all the time.
        """
        for _ in range(ATTEMPTS):
            relation = await self._people.relation(identity.user_id, user_id)
            if relation.asked_id is None:
                return False
            operations = end_request_operations(user_id, identity.user_id, relation.asked_id)
            if await self._changes.commit(operations):
                return True
        raise Unavailable(TOO_OFTEN)
