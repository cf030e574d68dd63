"""The store's own hand: changes of a server as a use-case commits them, without one.

For tests of what comes after a commit; what may be committed is the use-cases' matter.
"""

import time
from collections.abc import Sequence

import msgspec

from rookery.domain.visibility import MENTIONED
from rookery.events.encoding import tweet_record
from rookery.events.kinds import TweetDeleted, TweetPosted, TweetRecord
from rookery.messages import Invalidation
from rookery.models import PostKind, Tweet, User
from rookery.store.engine import Delete, Insert, Operation, Put, WriteBatch
from rookery.store.records.outbox import adding
from rookery.store.records.tweets import Standing, creating, deleting
from rookery.store.schema import BLOCKED_BY, BLOCKS, MUTED_CONVERSATIONS, MUTES, TWEETS, USERS
from tests.integration.server.world import Person, ServerThread


class Hand:
    """Writes to the store of an inline server, and tells its shards."""

    def __init__(self, server: ServerThread) -> None:
        self.server = server

    async def _write(self, *operations: Operation, changed: Sequence[int] = ()) -> None:
        """Commit; `changed` are users from whom something is hidden, or no more."""
        backend = self.server.server.backend

        async def write() -> None:
            await backend.store.writer.write(WriteBatch(operations))
            if changed:
                await backend.shards.hidden_changed(changed)
                await backend.broadcast.broadcast(Invalidation(viewers=list(changed)))

        await self.server.on_loop(write())

    async def turn_private(self, who: Person) -> None:
        backend = self.server.server.backend
        document = await self.server.on_loop(backend.store.reader.get(USERS, (who.id,)))
        assert document is not None
        await self._write(Put(USERS.name, document | {"is_private": True}))
        await self.server.on_loop(backend.broadcast.broadcast(Invalidation(users=[who.id])))

    def _id(self) -> int:
        return self.server.server.backend.lease.next_id()

    async def block(self, who: Person, whom: Person) -> None:
        block = {"blocker_id": who.id, "blocked_id": whom.id, "block_id": self._id()}
        await self._write(
            Insert(BLOCKS.name, block), Insert(BLOCKED_BY.name, block), changed=(who.id, whom.id)
        )

    async def unblock(self, who: Person, whom: Person) -> None:
        await self._write(
            Delete(BLOCKS.name, (who.id, whom.id)),
            Delete(BLOCKED_BY.name, (whom.id, who.id)),
            changed=(who.id, whom.id),
        )

    async def mute(self, who: Person, whom: Person, for_s: float | None = None) -> float:
        """Mute for ever, or for a time; when it ends, on the wall clock."""
        expires_ms = None if for_s is None else int((time.time() + for_s) * 1000)
        mute = {
            "muter_id": who.id,
            "muted_id": whom.id,
            "mute_id": self._id(),
            "expires_ms": expires_ms,
        }
        await self._write(Put(MUTES.name, mute), changed=(who.id,))
        return (expires_ms or 0) / 1000

    async def unmute(self, who: Person, whom: Person) -> None:
        await self._write(Delete(MUTES.name, (who.id, whom.id)), changed=(who.id,))

    async def mute_conversation(self, who: Person, conversation_id: int) -> None:
        mute = {"user_id": who.id, "conversation_id": conversation_id, "mute_id": self._id()}
        await self._write(Insert(MUTED_CONVERSATIONS.name, mute), changed=(who.id,))

    async def post(
        self,
        author: Person,
        text: str = "",
        *,
        audience: Sequence[Person] | None = None,
        retweets: int | None = None,
        quotes: int | None = None,
        tweet_id: int | None = None,
    ) -> Tweet:
        """Post for an audience, or what retweets or quotes another tweet; `tweet_id` other than
        one of now."""
        tweet_id = tweet_id or self._id()
        original = None if retweets is None and quotes is None else retweets or quotes
        kind = PostKind.RETWEET if retweets else PostKind.QUOTE if quotes else PostKind(0)
        mentions = [
            {"username": each.username, "id": str(each.id), "start": 0, "end": 1}
            for each in audience or ()
        ]
        tweet = Tweet(
            id=tweet_id,
            author_id=author.id,
            text=text,
            kind=int(kind),
            conversation_id=tweet_id,
            entities={"mentions": mentions, "hashtags": [], "cashtags": [], "urls": []},
            retweet_of_id=retweets,
            quote_of_id=quotes,
            visibility="public" if audience is None else MENTIONED,
        )
        shown = None if original is None else await self._record(original)
        event = TweetPosted(
            id=tweet_id,
            tweet_id=tweet_id,
            author_id=author.id,
            conversation_id=tweet_id,
            kind=int(kind),
            original_author_id=None if shown is None else shown.tweet.author_id,
            audience=None if audience is None else _ids(author, *audience),
            record=tweet_record(tweet, await self._user(author.id), shown),
        )
        await self._write(*creating(tweet), adding(event))
        return tweet

    async def delete(
        self, tweet: Tweet, *, audience: Sequence[Person] | None = None, author: Person
    ) -> None:
        """Delete a tweet that was posted for an audience, or to all followers."""
        event = TweetDeleted(
            id=self._id(),
            tweet_id=tweet.id,
            author_id=author.id,
            conversation_id=tweet.conversation_id,
            kind=tweet.kind,
            audience=None if audience is None else _ids(author, *audience),
        )
        await self._write(*deleting(tweet, Standing()), adding(event))

    async def _record(self, tweet_id: int) -> TweetRecord:
        reader = self.server.server.backend.store.reader
        document = await self.server.on_loop(reader.get(TWEETS, (tweet_id,)))
        tweet = msgspec.convert(document, Tweet)
        return TweetRecord(tweet, await self._user(tweet.author_id))

    async def _user(self, user_id: int) -> User:
        reader = self.server.server.backend.store.reader
        document = await self.server.on_loop(reader.get(USERS, (user_id,)))
        user = msgspec.convert(document, User)
        return msgspec.structs.replace(user, email=None, password_hash=None)


def _ids(*people: Person) -> list[int]:
    return sorted(each.id for each in people)
