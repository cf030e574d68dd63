"""``post``, ``posted-by``, ``warm`` and ``home``: what load and replay do in users' names."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from rookery.bulk.replaying import Posted, posted_by
from rookery.compose.commands.served import Served
from rookery.control import Command, single
from rookery.models import Identity, Tweet
from rookery.security_log import Event, record
from rookery.services.tweets.tweets import NewTweet

POSTING_S = 60.0


class PostCommands:
    """See the module."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._posted_s = -POSTING_S
        self.by_name: dict[str, Command] = {
            "post": single(self._post),
            "posted-by": single(self._posted_by),
            "warm": single(self._warm),
            "home": single(self._home),
        }

    async def _post(self, arguments: Mapping[str, Any]) -> list[int]:
        """Post tweets of the given authors; their ids, in the order given.

        Ids are made in that order too, so that timelines have it.
        """
        self._record_posting(arguments)
        next_id = self._served.backend.lease.next_id
        # All are waited for, also after a failure: who asks again must find what was posted.
        posted = await asyncio.gather(
            *(
                self._served.use_cases.tweets.create(
                    Identity(author_id, "", "control"),
                    NewTweet(text=text, reply_to_id=reply_to, retweet_of_id=retweet_of),
                    tweet_id=next_id(),
                )
                for author_id, text, reply_to, retweet_of in arguments["posts"]
            ),
            return_exceptions=True,
        )
        for outcome in posted:
            if isinstance(outcome, BaseException):
                raise outcome
        return [tweet.id for tweet in posted if isinstance(tweet, Tweet)]

    def _record_posting(self, arguments: Mapping[str, Any]) -> None:
        """Log that an operator posts in others' names: once for a replay, which calls often."""
        now_s = time.monotonic()
        if now_s - self._posted_s > POSTING_S:
            who = arguments.get("operator", "")
            record(Event.OPERATOR, "success", act="post", operator=who)
        self._posted_s = now_s

    async def _posted_by(self, arguments: Mapping[str, Any]) -> list[Posted]:
        return await posted_by(self._served.backend.reader, arguments["author_ids"])

    async def _warm(self, arguments: Mapping[str, Any]) -> int:
        shards = self._served.backend.shards
        user_ids = arguments["user_ids"]
        await asyncio.gather(*(shards.read(user_id, 0, 1, 0) for user_id in user_ids))
        return len(user_ids)

    async def _home(self, arguments: Mapping[str, Any]) -> list[list[int]]:
        """The whole home timelines of users, newest first, read page by page as a client would."""
        return list(
            await asyncio.gather(*(self._whole_home(user) for user in arguments["user_ids"]))
        )

    async def _whole_home(self, user_id: int) -> list[int]:
        timelines = self._served.use_cases.timelines
        identity = Identity(user_id, "", "control")
        page = await timelines.home(identity, 0, 100)
        whole = page.ids
        while page.next_id:
            page = await timelines.home(identity, page.next_id, 100)
            whole += page.ids
        return whole
