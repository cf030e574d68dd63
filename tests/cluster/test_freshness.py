"""Who may see what changes at once on all nodes: in the next read of each, and in the next push.

Each change is made through one node, and looked at through the two others as soon as it is
answered: the tweet, its author's timeline, home, and what a stream that is resumed there shows.
Readers hold a stream at the connection server of every node. There is one of each shard.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from functools import partial
from itertools import starmap
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from rookery.client import (
    ApiError,
    Counts,
    Position,
    Tweet,
    TweetDeleted,
    TweetEvent,
    TweetUnavailable,
)
from tests.cluster.ways import doors, signposts
from tests.integration.server.world import (
    SOON,
    WITHIN_S,
    Listener,
    Person,
    ServerThread,
    World,
    settled,
    until,
)

NODES = 3

pytestmark = [pytest.mark.ray, pytest.mark.timeout(180)]  # the first test starts the cluster


class Seen(NamedTuple):
    """What a reader is shown of Ada's first tweet and of Cy's retweet of it.

    `tweet`, `retweet`: the status for who asks for it. `timeline`: whether Ada's has the tweet, or
    its status where that is an error. `home`: which of them are there. `resumed`: whether a stream
    shows the retweet to whoever missed it.
    """

    tweet: int
    retweet: int
    timeline: bool | int
    home: frozenset[str]
    resumed: bool


NOTHING: frozenset[str] = frozenset()
FOLLOWER = Seen(200, 200, True, frozenset({"tweet", "retweet"}), True)
STRANGER = Seen(200, 200, True, frozenset({"retweet"}), True)
PRIVATE = Seen(404, 404, 403, NOTHING, False)
BLOCKED = Seen(404, 404, 404, NOTHING, False)
BLOCKING = Seen(404, 404, False, NOTHING, False)
MUTING = Seen(200, 200, True, NOTHING, False)
MUTING_CONVERSATION = Seen(200, 200, False, NOTHING, False)
UNDONE = Seen(200, 404, True, frozenset({"tweet"}), False)
DELETED = Seen(404, 404, False, NOTHING, False)


class Resident:
    """Somebody by node: through the gateway of each, and at the connection server of each."""

    def __init__(self, through: list[Person], at: list[Person]) -> None:
        self.through = through
        self.at = at
        self.id = through[0].id
        self.hearing: list[Listener] = []

    async def listen(self) -> None:
        self.hearing = [await each.listen() for each in self.at]

    async def has_heard(self, tweet_id: int) -> None:
        """Wait until the streams at all nodes brought a tweet."""
        for listener in self.hearing:
            await listener.until(partial(_has_heard, listener, tweet_id))


def _has_heard(listener: Listener, tweet_id: int) -> bool:
    return tweet_id in listener.tweet_ids


class Stage:
    """Ada posts, Cy retweets it; three readers, who follow Cy, hear of the retweet."""

    def __init__(self, server: ServerThread, world: World) -> None:
        self._server = server
        self._world = world

    async def prepare(self) -> None:
        """Everybody is there, and listens."""
        enter = self._world.stack.enter_async_context
        self._doors = await enter(doors(self._server))
        assert len(self._doors) == NODES
        self._signposts = await enter(signposts(self._server, await self._world.person()))
        assert len(self._signposts) == NODES
        self.ada = await self._resident(await self._world.person("ada"))
        self.cy = await self._resident(await self._world.person("cy"))
        self.readers = [await self._resident(each) for each in await self._one_of_each_shard()]
        for reader in self.readers:
            await reader.through[0].follow(self.cy.through[0])
            await reader.listen()

    async def begin(self) -> None:
        """A new tweet and its retweet, which the readers hear of."""
        self.tweet = await self.ada.through[0].post("first")
        self.retweet = int((await self.cy.through[0].client.retweet(self.tweet)).id)
        self._missed: dict[int, Position] = {}
        for reader in self.readers:
            await reader.has_heard(self.retweet)
            now = reader.hearing[0].stream.position
            (event,) = (
                each
                for each in reader.hearing[0].of(TweetEvent)
                if int(each.tweet_id) == self.retweet
            )
            assert now is not None
            self._missed[reader.id] = Position(now.epoch, event.offset - 1)

    async def _resident(self, person: Person) -> Resident:
        async def by(urls: list[str]) -> list[Person]:
            session = person.session
            clients = [await self._world.client(url, token=session.token) for url in urls]
            return [Person(client, session, self._world) for client in clients]

        return Resident(await by(self._doors), await by(self._signposts))

    async def _one_of_each_shard(self) -> list[Person]:
        view = self._server.server.view
        found: dict[str, Person] = {}
        while len(found) < len(view.serving.shards):
            person = await self._world.person("reader")
            found.setdefault(view.shard_map.owner(person.id), person)
        return list(found.values())

    async def shows(self, acted: int, expected: Seen, *readers: Resident) -> None:
        """What readers see through all nodes but that through which somebody acted just now; at
        last through that one, too."""
        others = [number for number in range(NODES) if number != acted]
        for numbers in (others, [acted]):
            looks = [(reader, number) for reader in readers or self.readers for number in numbers]
            seen = await asyncio.gather(*(self._look(*look) for look in looks))
            assert seen == [expected] * len(looks), f"acted through node {acted}: {numbers}"

    async def _look(self, reader: Resident, number: int) -> Seen:
        client = reader.through[number].client
        tweet, retweet, timeline, home, resumed = await asyncio.gather(
            answer(client.tweet(self.tweet)),
            answer(client.tweet(self.retweet)),
            answer(client.user_timeline(self.ada.id).page()),
            client.home(limit=100).page(),
            self._resumed(reader, number),
        )
        labels = {str(self.tweet): "tweet", str(self.retweet): "retweet"}
        return Seen(
            tweet if isinstance(tweet, int) else 200,
            retweet if isinstance(retweet, int) else 200,
            timeline
            if isinstance(timeline, int)
            else str(self.tweet) in [each.id for each in timeline.items],
            frozenset(labels[each.id] for each in home.items if each.id in labels),
            resumed,
        )

    async def _resumed(self, reader: Resident, number: int) -> bool:
        """Whether the retweet is shown at a node to a reader who comes back to before it."""
        missed = self._missed[reader.id]
        stream = reader.at[number].client.stream(position=missed, settings=SOON)
        async with asyncio.timeout(WITHIN_S), stream:
            event = await anext(stream)
        assert isinstance(event, TweetEvent | TweetUnavailable), event
        assert int(event.tweet_id) == self.retweet
        return isinstance(event, TweetEvent)

    async def heard(self, tweet_id: int, *readers: Resident) -> set[bool]:
        """Whether readers were pushed a tweet, at each node; all that came before is waited for."""
        await settled(self._world)
        found: set[bool] = set()
        for reader in readers or self.readers:
            await reader.has_heard(await reader.through[0].post("marker"))
            found |= {tweet_id in listener.tweet_ids for listener in reader.hearing}
        return found

    async def quote(self, number: int) -> int:
        """Have Cy quote Ada's tweet."""
        return int((await self.cy.through[number].client.retweet(self.tweet, "look")).id)

    async def quoted(self, quote_id: int, *readers: Resident) -> set[str]:
        """What a quote that was pushed shows, at each node: a text, or why there is none."""
        assert await self.heard(quote_id, *readers) == {True}
        shown = set()
        for reader in readers or self.readers:
            for listener in reader.hearing:
                events = {int(each.tweet_id): each for each in listener.of(TweetEvent)}
                quoted: dict[str, Any] = events[quote_id].raw["quoteOf"]
                shown.add(str(quoted.get("unavailable") or quoted["text"]))
        return shown


async def answer(call: Awaitable[Any]) -> Any:
    """What a call gets, or the status of its error."""
    try:
        return await call
    except ApiError as error:
        return error.status


def likes_told(listener: Listener, tweet_id: int) -> int | None:
    """How many likes of a tweet a stream told last."""
    told = [each for event in listener.of(Counts) for each in event.counts]
    return next((each.like_count for each in told[::-1] if int(each.tweet_id) == tweet_id), None)


@pytest_asyncio.fixture
async def stage(server: ServerThread, world: World) -> AsyncIterator[Stage]:
    made = Stage(server, world)
    await made.prepare()
    await made.begin()
    await made.shows(0, STRANGER)
    yield made


async def test_turning_private_and_public(stage: Stage) -> None:
    """Counts that somebody watches end as well, where they are not for him any more."""
    other = await stage.cy.through[0].post("other")
    watching = [listener for reader in stage.readers for listener in reader.hearing]

    def told(tweet_id: int, likes: int) -> Any:
        return lambda: asyncio.sleep(
            0, all(likes_told(each, tweet_id) == likes for each in watching)
        )

    for listener in watching:
        await listener.stream.watch([stage.tweet, other])
    await until(told(stage.tweet, 0), what="the first counts")
    await stage.ada.through[1].client.update_privacy(is_private=True)
    await asyncio.gather(
        stage.ada.through[2].client.like(stage.tweet),
        stage.shows(1, PRIVATE),
    )
    await stage.ada.through[0].client.like(other)
    await until(told(other, 1), what="the counts of another tweet")
    assert {likes_told(each, stage.tweet) for each in watching} == {0}
    await stage.ada.through[2].client.update_privacy(is_private=False)
    quote, _ = await asyncio.gather(stage.quote(1), stage.shows(2, STRANGER))
    assert await stage.quoted(quote) == {"first"}


async def test_requests_to_follow(stage: Stage) -> None:
    """Denied, approved, and followers removed."""
    ada, readers = stage.ada, stage.readers
    await ada.through[0].client.update_privacy(is_private=True)

    async def asks(reader: Resident, number: int) -> tuple[bool | None, bool]:
        profile = await reader.through[number].client.user(ada.id)
        asking = await ada.through[number].client.follow_requests().page()
        return profile.requested, str(reader.id) in [each.id for each in asking.items]

    for acted, reader in enumerate(readers):
        others = [number for number in range(NODES) if number != acted]
        await reader.through[acted].follow(ada.through[0])
        seen = await asyncio.gather(*(asks(reader, number) for number in others))
        assert seen == [(True, True)] * len(others)
        await stage.shows(acted, PRIVATE, reader)
        await ada.through[acted].client.deny_follow_request(reader.id)
        seen = await asyncio.gather(*(asks(reader, number) for number in others))
        assert seen == [(False, False)] * len(others)
        await stage.shows(acted, PRIVATE, reader)
    denied = await ada.through[0].post("for followers")
    assert await stage.heard(denied) == {False}

    for acted, reader in enumerate(readers):
        await reader.through[0].follow(ada.through[0])
        await ada.through[acted].client.approve_follow_request(reader.id)
        approved, _ = await asyncio.gather(
            ada.through[acted - 1].post("for followers"), stage.shows(acted, FOLLOWER, reader)
        )
        assert await stage.heard(approved, reader) == {True}

    for acted, reader in enumerate(readers):
        await ada.through[acted].client.remove_follower(reader.id)
        removed, _ = await asyncio.gather(
            ada.through[acted - 1].post("for followers"), stage.shows(acted, PRIVATE, reader)
        )
        assert await stage.heard(removed, reader) == {False}


@pytest.mark.parametrize("who_blocks", ["author", "reader"])
async def test_blocks(stage: Stage, who_blocks: str) -> None:
    """They hide each from the other; the follow that ended does not come back."""
    ada = stage.ada
    for acted, reader in enumerate(stage.readers):
        await reader.through[acted].follow(ada.through[0])
        await stage.shows(acted, FOLLOWER, reader)
        his = await reader.through[acted].post("his")
        one, other = (ada, reader) if who_blocks == "author" else (reader, ada)
        others = [number for number in range(NODES) if number != acted]

        async def sees_his(
            numbers: list[int] = others, tweet_id: int = his, ada: Resident = ada
        ) -> set[bool]:
            """Whether Ada is shown what the reader posted, through other nodes."""
            found = await asyncio.gather(
                *(answer(ada.through[number].client.tweet(tweet_id)) for number in numbers)
            )
            return {isinstance(each, Tweet) for each in found}

        assert await sees_his() == {True}
        await one.through[acted].client.block(other.id)
        post, quote, his_is_seen, _ = await asyncio.gather(
            ada.through[acted - 1].post("for followers"),
            stage.quote(acted - 2),
            sees_his(),
            stage.shows(acted, BLOCKED if one is ada else BLOCKING, reader),
        )
        assert his_is_seen == {False}
        assert await stage.heard(post, reader) == {False}
        assert await stage.quoted(quote, reader) == {"hidden"}
        await one.through[acted].client.unblock(other.id)
        post, quote, his_is_seen, _ = await asyncio.gather(
            ada.through[acted - 1].post("for followers"),
            stage.quote(acted - 2),
            sees_his(),
            stage.shows(acted, STRANGER, reader),
        )
        assert his_is_seen == {True}
        assert await stage.heard(post, reader) == {False}
        assert await stage.quoted(quote, reader) == {"first"}


async def test_mutes(stage: Stage) -> None:
    """Lists and pushes leave out what whoever asks for it is shown."""
    ada = stage.ada
    for acted, reader in enumerate(stage.readers):
        await reader.through[acted].follow(ada.through[0])
        await stage.shows(acted, FOLLOWER, reader)
        await reader.through[acted].client.mute(ada.id)
        post, _ = await asyncio.gather(
            ada.through[acted - 1].post("for followers"), stage.shows(acted, MUTING, reader)
        )
        assert await stage.heard(post, reader) == {False}
        await reader.through[acted].client.unmute(ada.id)
        post, _ = await asyncio.gather(
            ada.through[acted - 1].post("for followers"), stage.shows(acted, FOLLOWER, reader)
        )
        assert await stage.heard(post, reader) == {True}


async def test_mutes_of_conversations(stage: Stage) -> None:
    """Of the same people everything else is shown and pushed."""
    ada = stage.ada

    async def answer_and_post(number: int) -> tuple[int, int]:
        through = ada.through[number]
        answer = await through.post("an answer", reply_to=stage.tweet)
        return answer, await through.post("something else")

    for acted, reader in enumerate(stage.readers):
        await reader.through[acted].follow(ada.through[0])
        await stage.shows(acted, FOLLOWER, reader)
        await reader.through[acted].client.mute_conversation(stage.tweet)
        (reply, post), _ = await asyncio.gather(
            answer_and_post(acted - 1), stage.shows(acted, MUTING_CONVERSATION, reader)
        )
        assert await stage.heard(reply, reader) == {False}
        assert await stage.heard(post, reader) == {True}
        await reader.through[acted].client.unmute_conversation(stage.tweet)
        (reply, _), _ = await asyncio.gather(
            answer_and_post(acted - 1), stage.shows(acted, FOLLOWER, reader)
        )
        assert await stage.heard(reply, reader) == {True}


async def gone(stage: Stage, *tweet_ids: int) -> None:
    """Wait until readers were told at each node that tweets are gone."""
    for reader in stage.readers:
        for listener in reader.hearing:
            await listener.until(
                lambda listener=listener: (  # type: ignore[misc]
                    {int(each.tweet_id) for each in listener.of(TweetDeleted)} >= set(tweet_ids)
                )
            )


async def test_undoing_a_retweet(stage: Stage) -> None:
    """Its count and its list show it, too."""

    async def retweets(number: int) -> tuple[int, list[str]]:
        client = stage.readers[number].through[number].client
        tweet = await client.tweet(stage.tweet)
        return tweet.retweet_count, [each.id async for each in client.retweeters(stage.tweet)]

    for reader in stage.readers:
        await reader.through[0].follow(stage.ada.through[0])
    for acted in range(NODES):
        await stage.shows(acted, FOLLOWER)
        others = [number for number in range(NODES) if number != acted]
        listed = (1, [str(stage.cy.id)])
        assert await asyncio.gather(*map(retweets, others)) == [listed] * len(others)
        await stage.cy.through[acted].client.undo_retweet(stage.tweet)
        seen, _ = await asyncio.gather(
            asyncio.gather(*map(retweets, others)), stage.shows(acted, UNDONE)
        )
        assert seen == [(0, [])] * len(others)
        await gone(stage, stage.retweet)
        await stage.begin()


async def test_deleting_an_original(stage: Stage) -> None:
    """Its retweets go with it; a quote stays, without it."""

    async def shown_by(quote: int, number: int) -> Any:
        shown = await stage.readers[number].through[number].client.tweet(quote)
        assert shown.quote_of_raw is not None
        return shown.quote_of_raw.get("unavailable")

    for reader in stage.readers:
        await reader.through[0].follow(stage.ada.through[0])
    for acted in range(NODES):
        quote = await stage.quote(acted)
        await stage.shows(acted, FOLLOWER)
        others = [number for number in range(NODES) if number != acted]
        quotes = [(quote, number) for number in others]
        assert await asyncio.gather(*starmap(shown_by, quotes)) == [None] * len(others)
        await stage.ada.through[acted].client.delete_tweet(stage.tweet)
        seen, _ = await asyncio.gather(
            asyncio.gather(*starmap(shown_by, quotes)), stage.shows(acted, DELETED)
        )
        assert seen == ["deleted"] * len(others)
        await gone(stage, stage.tweet, stage.retweet)
        await stage.begin()
