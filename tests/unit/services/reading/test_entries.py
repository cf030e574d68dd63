"""Pages of tweets from the cache."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from rookery.http.native.rendering import new_tweet_json, tweets_json
from rookery.models import Identity, Tweet, User
from rookery.services.ports import Invalidation
from rookery.services.reading.entries import COUNTS_TTL_MS
from rookery.services.reading.viewers import TTL_MS
from rookery.services.tweets.new_tweets import NewTweet
from rookery.store.engine import Collection, WriteBatch
from rookery.store.records.users import Users
from rookery.store.schema import TWEET_COUNTS, TWEETS, USERS
from tests.unit.services.server import Clock, PausableStore, Server


async def _page(server: Server, viewer_id: int | None, *ids: int) -> list[dict[str, Any]]:
    """What each tweet shows, as JSON."""
    return [msgspec.json.decode(body) for body in await _bodies(server, viewer_id, *ids)]


async def _bodies(server: Server, viewer_id: int | None, *ids: int) -> list[bytes]:
    return tweets_json(await server.reading.tweets(viewer_id, ids))


async def test_a_cached_page_needs_no_read() -> None:
    """Neither for cards, nor counts, nor the viewer's flags."""
    writer, reader = _two_gateways()
    ann = await writer.sign_up("ann")
    ids = [(await writer.post(ann)).id for _ in range(5)]
    first = await _bodies(reader, ann.user_id, *ids)
    reader.store.reads.clear()
    assert await _bodies(reader, ann.user_id, *ids) == first
    assert reader.store.reads == {}


def _two_gateways(clock: Clock | None = None) -> tuple[Server, Server]:
    one = Server(clock=clock)
    return one, Server(one.store, one.clock, worker=1)


async def test_a_cold_page_is_read_in_one_batch() -> None:
    """Tweets, counts, authors, and each kind of what the viewer marks and hides: one call each,
    however many there are."""
    writer, reader = _two_gateways()
    authors = [await writer.sign_up(f"user{n}") for n in range(4)]
    ids = [(await writer.post(author)).id for author in authors]
    reader.store.reads.clear()
    assert len(await _page(reader, authors[0].user_id, *ids)) == 4
    assert reader.store.reads == {"get_many": 3, "select_several": 1}


async def test_the_order_is_that_of_the_ids_and_missing_ones_are_left_out() -> None:
    """A hole does not disturb its neighbours."""
    writer, reader = _two_gateways()
    ann = await writer.sign_up("ann")
    ids = [(await writer.post(ann)).id for _ in range(3)]
    wanted = [ids[1], 404, ids[2], ids[0], 405]
    page = await _page(reader, None, *wanted)
    assert [tweet["id"] for tweet in page] == [str(ids[1]), str(ids[2]), str(ids[0])]


async def test_a_like_is_seen_at_once_on_its_gateway_and_later_where_nobody_told() -> None:
    """Flag and count, where no broadcast arrived."""
    here, there = _two_gateways()
    ann = await here.sign_up("ann")
    tweet = await here.post(ann)
    for server in (here, there):
        [shown] = await _page(server, ann.user_id, tweet.id)
        assert (shown["liked"], shown["likeCount"]) == (False, 0)
    await here.engagement.like(ann, tweet.id)
    [shown] = await _page(here, ann.user_id, tweet.id)
    assert (shown["liked"], shown["likeCount"]) == (True, 1)
    here.clock.now_ms += max(TTL_MS, COUNTS_TTL_MS)
    [shown] = await _page(there, ann.user_id, tweet.id)
    assert (shown["liked"], shown["likeCount"]) == (True, 1)


async def test_invalidated_counts_are_read_again_and_the_card_is_not() -> None:
    """One read of counts, none of tweets."""
    here, there = _two_gateways()
    ann = await here.sign_up("ann")
    tweet = await here.post(ann)
    await _page(there, None, tweet.id)
    await here.engagement.like(ann, tweet.id)
    there.reading.invalidate(Invalidation(counts=[tweet.id]))
    there.store.reads.clear()
    [shown] = await _page(there, None, tweet.id)
    assert shown["likeCount"] == 1
    assert there.store.reads == {"get_many": 1}


async def test_a_deleted_tweet_vanishes_with_its_invalidation() -> None:
    """On the gateway that deleted it at once, on others when they are told."""
    here, there = _two_gateways()
    ann = await here.sign_up("ann")
    tweet = await here.post(ann)
    assert await _page(there, None, tweet.id)
    await here.tweets.delete(ann, tweet.id)
    assert await _page(here, None, tweet.id) == []
    there.reading.invalidate(here.broadcasts.sent[-1])
    assert await _page(there, None, tweet.id) == []


async def test_a_missed_invalidation_is_made_good_by_expiry() -> None:
    """A deleted tweet is gone everywhere after `card_ttl_ms`."""
    here, there = _two_gateways()
    ann = await here.sign_up("ann")
    tweet = await here.post(ann)
    await _page(there, None, tweet.id)
    await here.tweets.delete(ann, tweet.id)
    here.clock.now_ms += 30_000
    assert await _page(there, None, tweet.id) == []


async def test_an_edited_tweet_is_shown_anew() -> None:
    """With its new text and version."""
    here, there = _two_gateways()
    ann = await here.sign_up("ann")
    tweet = await here.post(ann, "before")
    await _page(there, None, tweet.id)
    await here.tweets.edit(ann, tweet.id, "after")
    there.reading.invalidate(here.broadcasts.sent[-1])
    for server in (here, there):
        [shown] = await _page(server, None, tweet.id)
        assert (shown["text"], shown["version"]) == ("after", 2)


async def test_a_changed_profile_is_shown_in_cached_tweets() -> None:
    """The author's name is part of each card."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    tweets = [await server.post(ann), await server.post(bob)]
    ids = [tweet.id for tweet in tweets]
    await _page(server, None, *ids)
    await _rename(server, ann.user_id)
    server.reading.invalidate(server.broadcasts.sent[-1])
    page = await _page(server, None, *ids)
    assert [tweet["author"]["name"] for tweet in page] == ["Changed", "Bob"]


async def _rename(server: Server, user_id: int) -> None:
    users = Users(server.store.reader)
    former = await users.get(user_id)
    assert former is not None
    changed: User = msgspec.structs.replace(former, name="Changed", version=former.version + 1)
    await server.store.write(WriteBatch(users.replace(former, changed)))
    await server.broadcasts.broadcast(Invalidation(users=[user_id]))


Change = Callable[[Server, Identity, Tweet], Awaitable[object]]


async def _read_while_it_changes(held: Collection, change: Change) -> tuple[Server, Tweet]:
    """A reader's cold read sees `held` as it was before the change, and ends after it."""
    store = PausableStore()
    reader = Server(store)
    writer = Server(store, reader.clock, worker=1)
    ann = await writer.sign_up("ann")
    tweet = await writer.post(ann, "before")
    store.hold(held)
    under_way = asyncio.create_task(_page(reader, None, tweet.id))
    await store.held()
    await change(writer, ann, tweet)
    await writer.changes.settled()
    for invalidation in writer.broadcasts.sent:
        reader.reading.invalidate(invalidation)
    store.release()
    assert len(await under_way) == 1
    return reader, tweet


async def test_a_read_under_way_does_not_bring_back_a_former_text() -> None:
    """What was read before the edit is not kept."""
    reader, tweet = await _read_while_it_changes(
        TWEETS, lambda server, ann, tweet: server.tweets.edit(ann, tweet.id, "after")
    )
    [shown] = await _page(reader, None, tweet.id)
    assert shown["text"] == "after"


async def test_a_read_under_way_does_not_bring_back_a_deleted_tweet() -> None:
    """What was read before the deletion is not kept."""
    reader, tweet = await _read_while_it_changes(
        TWEETS, lambda server, ann, tweet: server.tweets.delete(ann, tweet.id)
    )
    assert await _page(reader, None, tweet.id) == []


async def test_a_read_under_way_does_not_bring_back_former_counts() -> None:
    """What was read before the like is not kept."""
    reader, tweet = await _read_while_it_changes(
        TWEET_COUNTS, lambda server, ann, tweet: server.engagement.like(ann, tweet.id)
    )
    [shown] = await _page(reader, None, tweet.id)
    assert shown["likeCount"] == 1


async def test_a_read_under_way_does_not_bring_back_a_former_name() -> None:
    """What was read before the change of profile is not kept."""
    reader, tweet = await _read_while_it_changes(
        USERS, lambda server, ann, tweet: _rename(server, ann.user_id)
    )
    [shown] = await _page(reader, None, tweet.id)
    assert shown["author"]["name"] == "Changed"


async def test_a_request_that_begins_after_an_invalidation_waits_for_a_new_read() -> None:
    """It does not share the result of the read that began before."""
    store = PausableStore()
    reader = Server(store)
    writer = Server(store, reader.clock, worker=1)
    ann = await writer.sign_up("ann")
    tweet = await writer.post(ann)
    store.hold(TWEETS)
    before = asyncio.create_task(_page(reader, None, tweet.id))
    await store.held()
    await writer.tweets.delete(ann, tweet.id)
    reader.reading.invalidate(Invalidation(tweets=[tweet.id]))
    after = asyncio.create_task(_page(reader, None, tweet.id))
    await asyncio.sleep(0)
    store.release()
    assert len(await before) == 1
    assert await after == []


async def test_the_cache_is_bounded() -> None:
    """However many tweets are read."""
    server = Server(cache_size=10)
    ann = await server.sign_up("ann")
    ids = [(await server.post(ann)).id for _ in range(40)]
    assert len(await _page(server, None, *ids)) == 40
    assert len(server.reading.entries) <= 10


async def test_the_answer_to_a_post_needs_no_read() -> None:
    """The author has the tweet back from memory."""
    server = Server()
    ann = await server.sign_up("ann")
    posted = await server.tweets.post(ann, NewTweet(text="hi"))
    assert posted.shown is not None
    assert [new_tweet_json(posted.shown)] == await _bodies(server, ann.user_id, posted.tweet.id)


async def test_the_answer_to_a_quote_is_read() -> None:
    """What it quotes is shown as the author may see it by now."""
    server = Server()
    ann = await server.sign_up("ann")
    tweet = await server.post(ann)
    posted = await server.tweets.post(ann, NewTweet(text="so", retweet_of_id=tweet.id))
    assert posted.is_new
    assert posted.shown is None


async def test_authors_are_kept_without_their_secrets() -> None:
    """A cache that shows people to others has nothing of them that others may not know."""
    server = Server()
    ann = await server.sign_up("ann")
    author = await server.reading.authors.get(ann.user_id)
    assert (author.email, author.password_hash) == (None, None)
