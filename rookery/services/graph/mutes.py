"""Muting people, for ever or for a time, and conversations: lists and pushes leave them out."""

from collections.abc import Callable, Sequence
from functools import partial

from rookery.errors import Forbidden, InvalidRequest, Unavailable
from rookery.models import Identity
from rookery.services.graph.changes import GraphChanges
from rookery.services.graph.people import TOO_OFTEN, People, filled_page
from rookery.services.graph.replacing import Replacement, for_all, replacement_of
from rookery.services.reading.pages import Page
from rookery.store.engine import Store
from rookery.store.records.mutes import (
    Mute,
    MuteRepository,
    mute_conversation_operation,
    mute_operations,
    unmute_conversation_operation,
    unmute_operation,
)
from rookery.store.records.tweets import TweetRepository

MAX_MUTES = 5_000
"""So many users, and so many conversations, one may mute; see `blocks.MAX_BLOCKS`."""
MAX_DURATION_S = 366 * 24 * 3600


class Mutes:
    """Who mutes whom and what. Nobody else learns of it. Who is not to be seen, or not there, can
    be muted as of `blocks.Blocks`."""

    def __init__(
        self,
        store: Store,
        ids: Callable[[], int],
        clock_ms: Callable[[], int],
        changes: GraphChanges,
    ) -> None:
        self._ids = ids
        self._clock_ms = clock_ms
        self._changes = changes
        self._people = People(store)
        self._mutes = MuteRepository(store.reader)
        self._tweets = TweetRepository(store.reader)

    async def mute(
        self, identity: Identity, user_id: int, duration_s: int | None = None
    ) -> int | None:
        """Make `identity` mute a user, from now on for `duration_s`, or for ever.

        A mute that is there gets the new end. Returns when it ends, in milliseconds since 1970;
        None: never.

        Raises:
            InvalidRequest: one cannot mute oneself; `duration_s` is out of bounds.
            Forbidden: one mutes `MAX_MUTES` users already.
            Unavailable: others change it all the time.
        """
        if duration_s is not None and not 1 <= duration_s <= MAX_DURATION_S:
            raise InvalidRequest(f"durationS must be between 1 and {MAX_DURATION_S}", "durationS")
        muted = await self._muted_ids(identity)
        has_room = await self._people.has_room(identity.user_id, muted, MAX_MUTES)
        return await self._mute(identity.user_id, user_id, duration_s, has_room=has_room)

    async def _mute(
        self, muter_id: int, user_id: int, duration_s: int | None = None, *, has_room: bool = True
    ) -> int | None:
        now_ms = self._clock_ms()
        until_ms = None if duration_s is None else now_ms + duration_s * 1000
        other, is_visible, relation = await self._people.look(muter_id, user_id)
        former = relation.mute
        if former is not None and not former.holds(now_ms):
            former = None
        if former is not None and former.expires_ms == until_ms and is_visible:
            return until_ms
        if former is None and not has_room:
            raise Forbidden(f"Nobody can mute more than {MAX_MUTES} users")
        mute = Mute(
            muter_id=muter_id,
            muted_id=user_id,
            mute_id=self._ids() if former is None else former.mute_id,
            expires_ms=until_ms,
        )
        operations = () if other is None else mute_operations(mute)
        if not await self._changes.commit(operations, hidden=[muter_id]):
            raise Unavailable(TOO_OFTEN)
        return until_ms

    async def unmute(self, identity: Identity, user_id: int) -> bool:
        """End that `identity` mutes a user; False if that was so already.

        Raises:
            InvalidRequest: one does not mute oneself.
        """
        muter_id = identity.user_id
        relation = await self._people.relation(muter_id, user_id)
        if relation.mute is None:
            return False
        await self._changes.commit([unmute_operation(muter_id, user_id)], hidden=[muter_id])
        return relation.mute.holds(self._clock_ms())

    async def muted(self, identity: Identity, before: int, limit: int) -> Page:
        """Whom `identity` mutes, newest first, below mute id `before` (0: from the newest).

        Without those who are not to be seen, because they block `identity`.

        Raises:
            InvalidRequest: `limit` is out of bounds.
        """
        user_id, now_ms = identity.user_id, self._clock_ms()
        over: set[int] = set()

        async def read(position: int, count: int) -> list[tuple[int, int]]:
            mutes = await self._mutes.muted(user_id, position, count)
            over.update(each.muted_id for each in mutes if not each.holds(now_ms))
            return [(each.muted_id, each.mute_id) for each in mutes]

        async def keep(user_ids: Sequence[int]) -> set[int]:
            return await self._people.not_blocking(user_id, user_ids) - over

        return await filled_page(read, keep, before, limit)

    async def replacement(self, identity: Identity, wanted: Sequence[int]) -> Replacement:
        """What it takes that `identity` mutes just these users.

        Raises:
            InvalidRequest: one of them is oneself, or there are too many.
        """
        present = await self._muted_ids(identity)
        return replacement_of(identity.user_id, present, wanted, "mutedUsers")

    async def replace(self, identity: Identity, replacement: Replacement) -> None:
        """Do what `replacement` found, muting for ever; those who are not there are passed over,
        and those who are muted for a time stay so."""
        await for_all(partial(self.unmute, identity), replacement.removed)
        await for_all(partial(self._mute, identity.user_id), replacement.added)

    async def _muted_ids(self, identity: Identity) -> list[int]:
        return await self._mutes.muted_ids(identity.user_id, self._clock_ms(), 2 * MAX_MUTES)

    async def mute_conversation(self, identity: Identity, conversation_id: int) -> bool:
        """Make `identity` mute a conversation, of which they may see a tweet; False if so already.

        Raises:
            Forbidden: one mutes `MAX_MUTES` conversations already.
        """
        user_id = identity.user_id
        if await self._mutes.mutes_conversation(user_id, conversation_id):
            return False
        if len(await self._mutes.muted_conversations(user_id, MAX_MUTES)) >= MAX_MUTES:
            raise Forbidden(f"Nobody can mute more than {MAX_MUTES} conversations")
        operation = mute_conversation_operation(user_id, conversation_id, self._ids())
        await self._changes.commit([operation], hidden=[user_id])
        return True

    async def unmute_conversation_of(self, identity: Identity, tweet_id: int) -> bool:
        """End that `identity` mutes the conversation of a tweet; False if that was so already.

        Possible whatever became of the tweet, of which nothing is told.
        """
        conversation_id = await self._tweets.conversation_of(tweet_id)
        # Of a conversation that is gone, the first tweet is known by its id.
        has_ended = await self.unmute_conversation(identity, tweet_id)
        if conversation_id is not None and conversation_id != tweet_id:
            has_ended |= await self.unmute_conversation(identity, conversation_id)
        return has_ended

    async def unmute_conversation(self, identity: Identity, conversation_id: int) -> bool:
        """End that `identity` mutes a conversation; False if that was so already."""
        user_id = identity.user_id
        if not await self._mutes.mutes_conversation(user_id, conversation_id):
            return False
        operation = unmute_conversation_operation(user_id, conversation_id)
        await self._changes.commit([operation], hidden=[user_id])
        return True
