"""The whole server as its users meet it, over both runtimes."""

import asyncio
import random
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from rookery.actors import names
from rookery.actors.runtime_inline import InlineRuntime
from rookery.client import (
    ApiError,
    Counts,
    IdempotencyMismatch,
    TweetDeleted,
    TweetEdited,
    Unauthorized,
)
from rookery.compose.serving import RunningServer
from rookery.errors import Overloaded, PortTaken, StoreLocked
from rookery.services.tweets.tweets import NewTweet
from rookery.store.records.home_sources import HomeSources
from tests.integration.server.world import (
    Person,
    ServerThread,
    World,
    config,
    newest_first,
    settled,
    until,
)

pytestmark = pytest.mark.timeout(120)  # the first test starts the server

LOGOUT_S = 1.0
"""The documented bound within which a logged-out device's connection is closed."""


async def test_a_post_reaches_a_followers_open_connection(world: World) -> None:
    """With its text and author; the author's own connection gets it, too."""
    ada, bob = await world.people(2)
    await bob.follow(ada)
    listeners = [await ada.listen(), await bob.listen(encoding="json")]
    tweet_id = await ada.post("hello")
    for listener in listeners:
        await listener.until(lambda it=listener: it.tweet_ids)  # type: ignore[misc]
        assert listener.tweet_ids == [tweet_id]
        (event,) = listener.events
        assert event.tweet.text == "hello"  # type: ignore[union-attr]
        assert event.tweet.author.username == ada.username  # type: ignore[union-attr]


async def test_a_post_is_in_home_once_the_queue_is_empty(world: World) -> None:
    """In that of its author and of a follower, not in a stranger's."""
    ada, bob, eve = await world.people(3)
    await bob.follow(ada)
    tweet_id = await ada.post("hello")
    await settled(world)
    assert [await who.home() for who in (ada, bob, eve)] == [[tweet_id], [tweet_id], []]


async def test_deletions_and_edits_are_pushed(world: World) -> None:
    """In the order in which they were made; the deleted tweet is gone from home."""
    ada, bob = await world.people(2)
    await bob.follow(ada)
    listener = await bob.listen()
    tweet_id = await ada.post("frist")
    await ada.client.edit_tweet(tweet_id, "first")
    await ada.client.delete_tweet(tweet_id)
    await listener.until(lambda: listener.of(TweetDeleted))
    _, edited, deleted = listener.events
    assert isinstance(edited, TweetEdited) and edited.tweet.text == "first"
    assert isinstance(deleted, TweetDeleted) and int(deleted.tweet_id) == tweet_id
    assert await bob.home() == []


async def test_a_like_is_pushed_to_who_watches_the_tweet(world: World) -> None:
    """Anyone who says that they look at it, follower or not."""
    ada, eve = await world.people(2)
    tweet_id = await ada.post("like me")
    listener = await eve.listen(watch=[tweet_id])
    await listener.until(lambda: listener.of(Counts))
    await ada.client.like(tweet_id)

    def liked() -> bool:
        seen = [count for event in listener.of(Counts) for count in event.counts]
        return any(int(each.tweet_id) == tweet_id and each.like_count == 1 for each in seen)

    await listener.until(liked)


async def test_unfollowing_ends_delivery(world: World) -> None:
    """Nothing more is pushed, and home no longer shows what was there before."""
    ada, bob, eve = await world.people(3)
    await eve.follow(ada, bob)
    listener = await eve.listen()
    await ada.post("before")
    await listener.until(lambda: listener.tweet_ids)
    await eve.client.unfollow(ada.id)
    await ada.post("after")
    await settled(world)
    marker = await bob.post("marker")
    await listener.until(lambda: marker in listener.tweet_ids)
    assert len(listener.tweet_ids) == 2
    assert await eve.home() == [marker]


async def test_following_fills_home_with_the_past(world: World) -> None:
    """What was posted before the follow is there as soon as it is answered."""
    ada, bob = await world.people(2)
    posted = [await ada.post(f"old {number}") for number in range(3)]
    assert await bob.home() == []
    await bob.follow(ada)
    assert await bob.home() == newest_first(posted)


async def test_replies_form_a_conversation(world: World) -> None:
    """Replies are listed under their tweet, the whole thread as a conversation."""
    ada, bob = await world.people(2)
    root = await ada.post("root")
    first = await bob.post("first", reply_to=root)
    second = await ada.post("second", reply_to=first)
    other = await bob.post("other", reply_to=root)
    replies = [int(each.id) async for each in ada.client.replies(root)]
    thread = [int(each.id) async for each in bob.client.conversation(second)]
    assert replies == [first, other]
    assert thread == [root, first, second, other]
    assert (await ada.client.engagements(root)).reply_count == 2


async def test_home_goes_on_past_the_ring(world: World, server: ServerThread) -> None:
    """Through several times what memory holds, for each filter, whole and in order."""
    ada, bob, eve = await world.people(3)
    await eve.follow(ada, bob)
    kinds: dict[str | None, list[int]] = {None: [], "replies": [], "retweets": [], "media": []}
    use_cases = server.server.use_cases
    for number in range(60):
        author = (ada, bob)[number % 2]
        if number % 5 == 1:
            tweet_id = await author.post(f"reply {number}", reply_to=kinds[None][0])
            kinds["replies"].append(tweet_id)
        elif number % 5 == 3:
            new = NewTweet(text="", retweet_of_id=kinds[None][-1])
            identity = await server.on_loop(use_cases.authenticator.identify(author.session.token))
            tweet = await server.on_loop(use_cases.tweets.create(identity, new))
            tweet_id = tweet.id
            kinds["retweets"].append(tweet_id)
        else:
            tweet_id = await author.post(f"plain {number}")
        kinds[None].append(tweet_id)
    await settled(world)
    for name, expected in kinds.items():
        assert await eve.home(limit=7, filter=name) == newest_first(expected), name


async def test_a_repeated_post_under_one_key_is_one_tweet(world: World) -> None:
    """The same answer again, also at once and over several connections."""
    ada = await world.person()
    ids = await asyncio.gather(*(ada.post("once", idempotency_key="k1") for _ in range(8)))
    assert len(set(ids)) == 1
    assert await ada.post("once", idempotency_key="k1") == ids[0]
    with pytest.raises(IdempotencyMismatch):
        await ada.post("twice", idempotency_key="k1")
    await settled(world)
    assert await ada.home() == [ids[0]]


async def assert_locked_out(world: World, who: Person, act: Callable[[], Awaitable[None]]) -> None:
    """`act` ends the connection of `who` in time, and each gateway refuses the token."""
    listener = await who.listen()
    token = who.session.token
    assert await world.statuses("/users/me", token) == {200}  # each gateway knows it now
    began_s = time.monotonic()
    await act()
    await listener.until(lambda: listener.closed)
    assert listener.closed is not None and listener.closed.code == 4403
    assert listener.closed_s - began_s < LOGOUT_S
    assert await world.statuses("/users/me", token) == {401}


async def test_logging_out_locks_the_device_out(world: World) -> None:
    """Its connection is closed within a second, its token is refused everywhere."""
    ada = await world.person()
    await assert_locked_out(world, ada, ada.client.log_out)


async def test_revoking_a_device_locks_only_that_one_out(world: World) -> None:
    """The device that revokes stays connected."""
    ada = await world.person()
    other = await ada.another_device()
    listener = await ada.listen()
    await assert_locked_out(world, other, lambda: ada.client.revoke_device(other.session.device_id))
    await ada.post("still here")
    await listener.until(lambda: listener.tweet_ids)


async def test_devices_show_which_are_connected(world: World) -> None:
    """And no longer once the stream is closed."""
    ada = await world.person()
    other = await ada.another_device()
    listener = await other.listen()

    async def connected() -> set[str]:
        return {each.device_id for each in await ada.client.devices() if each.connected}

    async def one() -> bool:
        return await connected() == {other.session.device_id}

    async def none() -> bool:
        return await connected() == set()

    await until(one)
    await listener.aclose()
    await until(none)


async def test_rotated_keys_leave_older_tokens_valid(world: World) -> None:
    """On every gateway; tokens signed with the new key are, too."""
    ada = await world.person()
    await world.control("rotate-keys")
    other = await ada.another_device()
    for who in (ada, other):
        assert await world.statuses("/users/me", who.session.token) == {200}
        await who.listen()


async def test_homes_stay_exact_while_an_author_becomes_a_celebrity_and_ceases_to_be(
    world: World, server: ServerThread
) -> None:
    """Posts flow all the time; streams and homes have each of them exactly once."""
    ada, *fans = await world.people(7)
    await fans[0].follow(ada)
    await fans[1].follow(ada)
    listener = await fans[0].listen()
    posted: list[int] = []
    ended = asyncio.Event()

    async def post() -> None:
        while not ended.is_set():
            posted.append(await ada.post(f"post {len(posted)}"))

    async def is_celebrity() -> bool:
        return ada.id in await server.actor(names.CELEBRITY_LISTS, "members")

    async def is_ordinary() -> bool:
        return not await is_celebrity()

    async def five_more(than: int) -> None:
        await until(lambda: asyncio.sleep(0, len(posted) > than + 5))

    posting = asyncio.create_task(post())
    try:
        for _ in range(2):
            for fan in fans[2:]:
                await fan.follow(ada)
                await fan.home(limit=5)
            await until(is_celebrity, what="a celebrity")
            await five_more(len(posted))
            for fan in fans[2:]:
                await fan.client.unfollow(ada.id)
            await until(is_ordinary, what="an ordinary author")
        await fans[2].follow(ada)
        await five_more(len(posted))
    finally:
        ended.set()
        await posting
    await settled(world)
    await listener.until(lambda: len(listener.tweet_ids) >= len(posted))
    # Around a change of sides the two ways of a post may overtake each other.
    assert sorted(listener.tweet_ids) == posted
    for fan in fans[:3]:
        assert await fan.home() == newest_first(posted)
    for fan in fans[3:]:
        assert await fan.home() == []
    assert await world.faults() == []


async def test_an_outdated_change_of_the_graph_changes_nothing(
    inline_world: World, inline_server: ServerThread
) -> None:
    """A follow that is told once more, after the unfollow, has nothing pushed."""
    world, server = inline_world, inline_server
    ada, bob, eve = await world.people(3)
    await eve.follow(ada, bob)
    listener = await eve.listen()
    await eve.client.unfollow(ada.id)
    await settled(world)
    shard = names.timeline_shard(0)
    await server.actor(shard, "graph_changed", [(eve.id, ada.id, True)])
    await ada.post("not for eve")
    marker = await bob.post("marker")
    await listener.until(lambda: marker in listener.tweet_ids)
    assert listener.tweet_ids == [marker]


async def test_more_readers_than_rows_never_see_a_strangers_home(
    start_inline: Callable[..., Awaitable[ServerThread]],
) -> None:
    """All at once, each reads its own home, whoever else's row had to make room for it."""
    server = await start_inline(timelines={"max_rows": 4})
    async with World(server) as world:
        people = await world.people(24)
        own = {who.id: [await who.post("mine")] for who in people}
        homes = await asyncio.gather(*(who.home() for who in people))
        assert homes == list(own.values())

        async def build_all() -> list[Any]:
            shard = server.instance(names.timeline_shard(0))
            load: Callable[[int], Awaitable[HomeSources]] = shard._sources.load

            async def slowly(user_id: int) -> HomeSources:
                await asyncio.sleep(0.001 * rng.random())  # so that others come in between
                return await load(user_id)

            shard._sources.load = slowly
            building = (shard.build(user_id) for user_id in own)
            outcomes = await asyncio.gather(*building, return_exceptions=True)
            # Not all of them find room at once; one that is refused may try again.
            assert {type(outcome) for outcome in outcomes} == {type(None), Overloaded}
            reading = (shard.build_and_read((user_id, 0, 10, 0)) for user_id in own)
            outcomes = await asyncio.gather(*reading, return_exceptions=True)
            # Who finds room is answered: nobody takes the row before it was read.
            assert {type(outcome) for outcome in outcomes} == {tuple, Overloaded}
            return list(await shard.read([(user_id, 0, 10, 0) for user_id in own]))

        rng = random.Random(1)
        pages = await server.on_loop(build_all())
        for page, expected in zip(pages, own.values(), strict=True):
            assert page is None or page[0] == expected


async def test_nothing_is_lost_by_stopping_and_starting(tmp_path: Path) -> None:
    """Accounts, follows, posts and sessions are there again."""
    server = ServerThread(config(tmp_path / "data", "inline"))
    await asyncio.to_thread(server.start)
    try:
        async with World(server) as world:
            ada, bob = await world.people(2)
            await bob.follow(ada)
            posted = [await ada.post(f"post {number}") for number in range(30)]
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(server.start)
        async with World(server) as world:
            back = await world.client(token=bob.session.token)
            assert [int(each.id) async for each in back.home()] == newest_first(posted)
            assert (await back.me()).following_count == 1
    finally:
        await asyncio.to_thread(server.stop)


async def test_a_second_server_on_the_same_data_is_refused(world: World) -> None:
    """The error says who has it and what to do; the first goes on."""
    data_dir = world.data_dir
    second = RunningServer(config(data_dir, "inline"), InlineRuntime())
    with pytest.raises(StoreLocked, match=f"{data_dir} is in use by process"):
        await asyncio.wait_for(second.start(), 10)
    await world.person()


@pytest.mark.parametrize(("section", "setting"), [("http", "http.port"), ("live", "live.port")])
async def test_a_taken_port_is_refused(tmp_path: Path, section: str, setting: str) -> None:
    """The error names the port and the setting."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        wanted = config(tmp_path / "data", "inline", **{section: {"port": port}})
        with pytest.raises(PortTaken, match=f"port {port} on 127.0.0.1 is in use.*{setting}"):
            await RunningServer(wanted, InlineRuntime()).start()


async def test_a_forged_or_foreign_token_is_refused_everywhere(world: World) -> None:
    """By gateways and connection servers alike."""
    ada = await world.person()
    forged = ada.session.token[:-4] + "AAAA"
    assert await world.statuses("/users/me", forged) == {401}
    client = await world.client(token=forged)
    with pytest.raises((Unauthorized, ApiError)):
        await client.me()
