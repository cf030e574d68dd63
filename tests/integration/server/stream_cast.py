"""A small world for streams: who posts, edits and deletes what, who listens, and what each of them
is to hear. The rules are those of the matrix over HTTP."""

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import aiohttp

from rookery.client import Counts, Position, TweetDeleted, TweetEdited, TweetEvent, TweetUnavailable
from tests.integration.rest.matrix.cast import (
    FAN,
    FOLLOWING,
    KINDS,
    SELF,
    Relation,
    Rules,
    Tweet,
    Viewer,
    relation,
)
from tests.integration.server.world import Listener, Person, World, settled, until

AUTHORS = ("open", "closed")
TIRED = "tired"
"""A stranger who follows the fan, and mutes the conversation that an open author begins."""
LISTENERS = (*KINDS, *AUTHORS, TIRED)
HEARD = (TweetEvent, TweetEdited, TweetDeleted, TweetUnavailable)
ABSENT_ID = 12345


def _tweets() -> Iterator[Tweet]:
    for author in AUTHORS:
        yield Tweet(f"{author}.public", author, mentions=True)
        yield Tweet(f"{author}.followers", author, "followers", mentions=True)
        yield Tweet(f"{author}.mentioned", author, "mentioned", mentions=True)
    yield Tweet("fan.retweet", FAN, shows="open.public")
    yield Tweet("fan.quote", FAN, quotes="open.public")
    yield Tweet("fan.answer", FAN, replies_to="open.public")


TWEETS = {each.label: each for each in _tweets()}
CONVERSATION = {"open.public", "fan.retweet", "fan.answer"}
"""What is part of it, or passes something of it on; a quote has one of its own."""
EDITED = ("open.public", "closed.public", "closed.followers", "fan.quote")
DELETED = ("open.followers", "closed.public", "closed.mentioned", "fan.retweet")


def _has_heard(listener: Listener, tweet_id: int) -> bool:
    return tweet_id in listener.tweet_ids


def _has_events(listener: Listener, count: int) -> bool:
    return len(listener.events) >= count


class Told(NamedTuple):
    """One event as a viewer is told of it: what sort of event, and of which tweet."""

    kind: str
    label: str


class Stage:
    """People by label, with a stream of each; tweets by label."""

    def __init__(self, world: World, http: aiohttp.ClientSession) -> None:
        self._world = world
        self._http = http
        self.people: dict[str, Person] = {}
        self.hearing: dict[str, Listener] = {}
        self.started: dict[str, Position] = {}
        self.ids: dict[str, int] = {}

    async def ask(self, who: str, method: str, path: str, body: Any = None) -> Any:
        """The body of an answer that must be a success."""
        headers = {"Authorization": f"Bearer {self.people[who].session.token}"}
        url = f"{self._world.url}/api/v1{path}"
        async with self._http.request(method, url, json=body, headers=headers) as answer:
            found = await answer.json()
            assert answer.status < 300, (who, method, path, found)
            return found

    # What happens.

    async def prepare(self) -> None:
        """Everybody is there, stands as the name says, and listens."""
        names = (FAN, *LISTENERS)
        made = await asyncio.gather(*(self._world.person(name[:8]) for name in names))
        self.people = dict(zip(names, made, strict=True))
        await self.ask("closed", "PUT", "/account/privacy", {"isPrivate": True})
        for name in LISTENERS:
            await self.act(name, "follow", FAN)
        for author in AUTHORS:
            for name in (FAN, *KINDS):
                if name == FAN or relation(name, author) in FOLLOWING | {"requested"}:
                    await self.act(name, "follow", author)
            await self.act(author, "block", "blocked")
            await self.act("blocking", "block", author)
            await self.act("muting", "mute", author)
            await self.act(author, "mute", "muted")
        for name in (FAN, *KINDS):
            if name == FAN or relation(name, "closed") in FOLLOWING:
                asking = self.people[name].id
                await self.ask("closed", "POST", f"/follow-requests/{asking}/approve")
        for name in LISTENERS:
            self.hearing[name] = await self.people[name].listen()
            position = self.hearing[name].stream.position
            assert position is not None
            self.started[name] = position

    async def act(self, who: str, act: str, whom: str) -> None:
        await self.ask(who, "POST", f"/users/{self.people[whom].id}/{act}")

    async def play(self) -> None:
        """All posts, then edits, then deletions; when this returns, all of it was heard."""
        for tweet in TWEETS.values():
            self.ids[tweet.label] = await self._post(tweet)
            if tweet.label == "open.public":
                await self.ask(TIRED, "POST", f"/tweets/{self.ids[tweet.label]}/mute")
        for label in EDITED:
            text = f"[{label}] edited @{self.people['mentioned'].username}"
            await self.ask(_author(label), "PATCH", f"/tweets/{self.ids[label]}", {"text": text})
        for label in DELETED:
            await self.ask(_author(label), "DELETE", f"/tweets/{self.ids[label]}")
        await self.marked()

    async def _post(self, tweet: Tweet) -> int:
        if tweet.shows:
            path = f"/tweets/{self.ids[tweet.shows]}/retweet"
            return int((await self.ask(tweet.author, "POST", path, {}))["retweetId"])
        body = {"text": f"[{tweet.label}]", "visibility": tweet.visibility}
        if tweet.mentions:
            body["text"] += f" @{self.people['mentioned'].username}"
        if tweet.quotes:
            body["quoteTweetId"] = str(self.ids[tweet.quotes])
        if tweet.replies_to:
            body["replyToTweetId"] = str(self.ids[tweet.replies_to])
        return int((await self.ask(tweet.author, "POST", "/tweets", body))["tweetId"])

    async def marked(self) -> None:
        """Wait until everybody has heard of all that was committed."""
        await settled(self._world)
        marker = await self.people[FAN].post("the end")
        self.ids["marker"] = marker
        for listener in self.hearing.values():
            await listener.until(partial(_has_heard, listener, marker))

    async def come_back(self) -> None:
        """Everybody comes back to where they began, once more to the end."""
        for name, listener in list(self.hearing.items()):
            await listener.aclose()
            missed = len(self.told(name)) + 1
            back = self.hearing[name] = await self.people[name].listen(position=self.started[name])
            await back.until(partial(_has_events, back, missed))

    async def watch(self) -> None:
        """Everybody watches every tweet, one that is not there, and the marker, of which all are
        told at last."""
        ids = [*self.ids.values(), ABSENT_ID]
        for listener in self.hearing.values():
            await listener.stream.watch(ids)
        await self.people[FAN].client.like(self.ids["marker"])
        for name in self.hearing:
            await until(partial(self._counted, name), what=name)

    async def _counted(self, name: str) -> bool:
        """Whether somebody was told of a like of the marker."""
        marker = str(self.ids["marker"])
        counts = [each for event in self.hearing[name].of(Counts) for each in event.counts]
        return any(each.tweet_id == marker and each.like_count == 1 for each in counts)

    # What was heard.

    def told(self, name: str) -> list[Told]:
        """What somebody's stream told, in order, up to the marker."""
        labels = {str(each): label for label, each in self.ids.items()}
        found = []
        for event in self.hearing[name].events:
            if isinstance(event, HEARD):
                found.append(Told(type(event).__name__, labels[event.tweet_id]))
        return [each for each in found if each.label != "marker"]

    def watched(self, name: str) -> set[str]:
        """The tweets of which somebody was told the counts."""
        labels = {str(each): label for label, each in self.ids.items()}
        counts = [each for event in self.hearing[name].of(Counts) for each in event.counts]
        return {labels.get(each.tweet_id, each.tweet_id) for each in counts}

    def shown(self, name: str) -> Iterator[dict[str, Any]]:
        """The tweets that somebody's stream showed, as they came."""
        for event in self.hearing[name].events:
            if isinstance(event, TweetEvent | TweetEdited):
                yield event.raw

    def has_no_gaps(self, name: str) -> bool:
        """Whether offsets go on one by one, so that nothing was left out there."""
        offsets = [event.offset for event in self.hearing[name].events if isinstance(event, HEARD)]
        first = self.started[name].offset + 1
        return offsets == list(range(first, first + len(offsets)))


def _author(label: str) -> str:
    return label.partition(".")[0]


Stands = Callable[[Viewer, str], Relation]


def gets(stands: Stands, viewer: str, label: str) -> bool:
    """Whether a tweet comes into somebody's home."""
    tweet = TWEETS[label]
    follows = tweet.author == FAN or stands(viewer, tweet.author) in FOLLOWING | {SELF}
    is_muted = viewer == TIRED and label in CONVERSATION
    return follows and not is_muted and Rules(TWEETS, stands).lists(viewer, label)
