"""Whom a deletion is to be told to: those who could see the tweet."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from rookery.domain.visibility import ACTIVE, Facts
from rookery.models import Tweet, User
from rookery.services.reading.facts import facts_of
from rookery.store.engine import Store
from rookery.store.records.graph import GraphRepository
from rookery.store.records.removals import Removal
from rookery.store.records.tweets import TweetRepository
from rookery.store.records.users import Users


class Reach(NamedTuple):
    """`original`: the facts of what a tweet retweets or quotes, as far as they are known.
    `is_for_nobody`: the author's account is suspended."""

    original: Facts | None
    is_for_nobody: bool


class Reaching:
    """Reads what decides who could see tweets, from the store."""

    def __init__(self, store: Store) -> None:
        self._tweets = TweetRepository(store.reader)
        self._users = Users(store.reader)
        self._graph = GraphRepository(store.reader)

    async def of(
        self, tweets: Sequence[Tweet], removal: Removal | None = None, *, is_own: bool = False
    ) -> list[Reach]:
        """The reach of each of these tweets.

        `removal` is that of what all of them retweet, which is gone. `is_own`: whoever deletes them
        is their author, and so not suspended.
        """
        originals = await self._originals(tweets)
        wanted = set() if is_own else {each.author_id for each in tweets}
        wanted |= {each.author_id for each in originals.values()}
        if removal is not None and removal.author_id is not None:
            wanted.add(removal.author_id)
        found = await self._users.get_many(sorted(wanted))
        users = {user.id: user for user in found if user is not None}
        gone = None if removal is None else _facts_of_gone(removal, users)
        reached = []
        for tweet in tweets:
            original = originals.get(tweet.retweet_of_id or tweet.quote_of_id or 0)
            author = None if original is None else users.get(original.author_id)
            facts = gone if original is None or author is None else facts_of(original, author)
            reached.append(Reach(facts, _is_suspended(users.get(tweet.author_id))))
        return await self._with_retweeters(tweets, reached)

    async def _with_retweeters(
        self, tweets: Sequence[Tweet], reached: Sequence[Reach]
    ) -> list[Reach]:
        """Let those in who retweeted somebody private whom they follow: shards do not know that of
        who mutes that author, and a mute must not hide what is one's own."""
        edges = {
            tweet.id: (tweet.author_id, facts.author_id)
            for tweet, (facts, _) in zip(tweets, reached, strict=True)
            if tweet.retweet_of_id is not None
            and facts is not None
            and facts.is_restricted
            and facts.author_id != tweet.author_id
        }
        if not edges:
            return list(reached)
        follows = await self._graph.follows(list(edges.values()))
        following = {tweet_id for tweet_id, does in zip(edges, follows, strict=True) if does}
        return [
            _letting_in(reach, tweet.author_id) if tweet.id in following else reach
            for tweet, reach in zip(tweets, reached, strict=True)
        ]

    async def _originals(self, tweets: Sequence[Tweet]) -> dict[int, Tweet]:
        wanted = {each.retweet_of_id or each.quote_of_id for each in tweets} - {None}
        if not wanted:
            return {}
        found = await self._tweets.get_many(sorted(each for each in wanted if each is not None))
        return {each.id: each for each in found if each is not None}


def _facts_of_gone(removal: Removal, users: dict[int, User]) -> Facts | None:
    author = users.get(removal.author_id or 0)
    if author is None:
        return None
    return Facts(
        author_id=author.id,
        conversation_id=removal.conversation_id,
        visibility=removal.visibility,
        author_is_private=author.is_private,
        author_status=author.status,
        mentioned=frozenset(removal.mentioned),
    )


def _letting_in(reach: Reach, user_id: int) -> Reach:
    assert reach.original is not None
    mentioned = reach.original.mentioned | {user_id}
    return reach._replace(original=msgspec.structs.replace(reach.original, mentioned=mentioned))


def _is_suspended(author: User | None) -> bool:
    return author is not None and author.status != ACTIVE
