"""Timelines and connections: the consumer that brings changes of tweets and follows to them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar, Protocol

from rookery.events.kinds import (
    Event,
    FollowChanged,
    HiddenChanged,
    PrivacyChanged,
    TweetChange,
    TweetDeleted,
    TweetEdited,
    TweetPosted,
)
from rookery.ids import first_id_at
from rookery.messages import Delivery
from rookery.models import EventKind
from rookery.store.records.tweets import TweetRepository

LATE_MS = 400
"""After so long an event may come after later ones, since it was tried before."""

EVENT_KINDS: dict[type[TweetChange], EventKind] = {
    TweetPosted: EventKind.TWEET,
    TweetEdited: EventKind.TWEET_EDITED,
    TweetDeleted: EventKind.TWEET_DELETED,
}


class Destinations(Protocol):
    """Whom this brings changes to. Each method is idempotent, and may raise `Unavailable`."""

    def is_celebrity(self, user_id: int) -> bool:
        """Whether a user's tweets go into a list of their own."""
        ...

    async def to_rings(self, deliveries: list[Delivery]) -> None:
        """To the timelines of the authors' followers, and those who are connected."""
        ...

    async def to_lists(self, deliveries: list[Delivery]) -> list[int]:
        """To celebrities' lists; the event ids of what is not of a celebrity after all."""
        ...

    async def follow_changed(self, follower_id: int, followee_id: int, follows: bool) -> None:
        """To the follower's timeline."""
        ...

    async def hidden_changed(self, user_ids: list[int]) -> None:
        """To these users' timelines: what is hidden from them is another."""
        ...

    async def accounts_changed(self, user_ids: list[int]) -> None:
        """To all timelines, and to the caches: other people may see these users' tweets."""
        ...

    async def followers_changed(self, user_ids: list[int]) -> None:
        """To who decides who is a celebrity."""
        ...

    async def forget(self, tweet_ids: list[int]) -> None:
        """To the caches: these tweets are changed or gone."""
        ...


class Timelines:
    """The consumer; see `rookery.events.consumer.Consumer`.

    Batches overlap, so that a shard that does not answer holds up nothing of what goes to the
    others. Each shard knows what it was delivered.
    """

    name: ClassVar[str] = "timelines"
    kinds: ClassVar[tuple[type[Event], ...]] = (
        *EVENT_KINDS,
        FollowChanged,
        HiddenChanged,
        PrivacyChanged,
    )
    in_order: ClassVar[bool] = False

    def __init__(
        self, to: Destinations, tweets: TweetRepository, ids_ms: Callable[[], int]
    ) -> None:
        """`ids_ms`: the time that an id made now would have."""
        self._to = to
        self._tweets = tweets
        self._ids_ms = ids_ms
        # Set once the latest batch with changes has begun to deliver them.
        self._begun = asyncio.Event()
        self._begun.set()

    async def handle(self, events: Sequence[Event]) -> None:
        await asyncio.gather(*self._calls(await self._without_deleted(events)))

    async def _without_deleted(self, events: Sequence[Event]) -> list[Event]:
        """Events but for late posts of tweets that are deleted.

        Their deletion may have been delivered already: to shards that remember it, but not to one
        that has started since.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        late_id = first_id_at(self._ids_ms() - LATE_MS)
        late = {e.tweet_id for e in events if isinstance(e, TweetPosted) and e.id < late_id}
        gone = late - await self._tweets.existing(sorted(late))
        return [e for e in events if not isinstance(e, TweetPosted) or e.tweet_id not in gone]

    def _calls(self, events: list[Event]) -> list[Awaitable[Any]]:
        posts: list[Delivery] = []
        changes: list[Delivery] = []
        follows: list[FollowChanged] = []
        changed: list[int] = []
        hidden: set[int] = set()
        accounts: set[int] = set()
        for event in events:
            if isinstance(event, FollowChanged):
                follows.append(event)
            elif isinstance(event, HiddenChanged):
                hidden.update(event.user_ids)
            elif isinstance(event, PrivacyChanged):
                accounts.add(event.user_id)
            elif isinstance(event, TweetChange):
                if not isinstance(event, TweetPosted):
                    changed.append(event.tweet_id)
                is_post = isinstance(event, TweetPosted)
                (posts if is_post else changes).append(delivery_of(event))
        to = self._to
        calls: list[Awaitable[Any]] = [
            to.follow_changed(each.follower_id, each.followee_id, each.follows) for each in follows
        ]
        if posts:
            calls.append(self._deliver(posts))
        if hidden:
            calls.append(to.hidden_changed(sorted(hidden)))
        if accounts:
            calls.append(to.accounts_changed(sorted(accounts)))
        if changed:
            calls.append(self._forget_and_deliver(changed, changes))
        if follows:
            calls.append(to.followers_changed(sorted({each.followee_id for each in follows})))
        return calls

    async def _forget_and_deliver(self, changed: list[int], changes: list[Delivery]) -> None:
        """Whoever is told of an edit, and then looks, must not find what was cached before it.

        Of two changes of a tweet the later one is told last: so deletions go with the edits, and a
        batch waits until the one before it has begun to deliver.
        """
        before, self._begun = self._begun, asyncio.Event()
        mine = self._begun
        try:
            await self._to.forget(changed)
            await before.wait()
            delivering = asyncio.ensure_future(self._deliver(changes))
        finally:
            mine.set()
        await delivering

    async def _deliver(self, deliveries: list[Delivery]) -> None:
        rings: list[Delivery] = []
        lists: list[Delivery] = []
        for each in deliveries:
            (lists if self._to.is_celebrity(each.author_id) else rings).append(each)
        await asyncio.gather(
            *([self._to.to_rings(rings)] if rings else []),
            *([self._to_lists(lists)] if lists else []),
        )

    async def _to_lists(self, deliveries: list[Delivery]) -> None:
        refused = set(await self._to.to_lists(deliveries))
        if refused:
            await self._to.to_rings([each for each in deliveries if each.event_id in refused])


def delivery_of(event: TweetChange) -> Delivery:
    """What shards are told of a change of a tweet."""
    return Delivery(
        event_id=event.id,
        event_kind=EVENT_KINDS[type(event)],
        tweet_id=event.tweet_id,
        author_id=event.author_id,
        post_kind=event.kind,
        conversation_id=event.conversation_id,
        original_author_id=event.original_author_id,
        audience=event.audience,
        record=b"" if isinstance(event, TweetDeleted) else event.record,
        original_conversation_id=event.original_conversation_id,
        original_audience=event.original_audience,
    )
