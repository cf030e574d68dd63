"""Every method of the client, by reflection, against a whole server."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from rookery.client import (
    BookmarkState,
    Client,
    Conflict,
    Device,
    Engagements,
    FollowState,
    Health,
    LikeState,
    MissingTweet,
    NotFound,
    Page,
    Pages,
    PinState,
    PrivacySettings,
    Readiness,
    RetweetState,
    Session,
    StreamAddress,
    StreamTicket,
    Tokens,
    Tweet,
    TweetVersion,
    User,
)
from tests.integration.server.world import PASSWORD, ServerThread, config


@pytest.fixture(scope="module")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """An inline server for this module."""
    server = ServerThread(config(tmp_path_factory.mktemp("methods") / "data", "inline"))
    server.start()
    yield server.http_url
    server.stop()


@dataclass
class People:
    """Ann, who asks, and Bob, who has posted, replied, deleted and followed."""

    ann: Client
    bob: Client
    bob_id: str
    tweet: Tweet
    reply: Tweet
    """Of Ann, to a reply of Bob that is deleted."""


@pytest.fixture
async def people(server_url: str, request: pytest.FixtureRequest) -> AsyncIterator[People]:
    async with Client(server_url) as ann, Client(server_url) as bob:
        number = abs(hash(request.node.name)) % 10**9
        found = []
        for client, name in ((ann, f"ann{number}"), (bob, f"bob{number}")):
            session = await client.sign_up(
                email=f"{name}@example.org", username=name, password=PASSWORD, name=name
            )
            found.append(session.user)
        tweet = await bob.post("hello @nobody #tag $TAG https://example.org/")
        middle = await bob.post("middle", reply_to=tweet.id)
        reply = await ann.post("reply", reply_to=middle.id)
        await bob.delete_tweet(middle.id)
        await bob.edit_tweet(tweet.id, "edited")
        await bob.follow(found[0].id)
        await ann.follow(found[1].id)
        await ann.like(tweet.id)
        yield People(ann, bob, found[1].id, tweet, reply)


async def of(result: Any) -> Any:
    """What a method gives in the end: the value, or all that is in its pages."""
    if isinstance(result, Pages):
        return [item async for item in result]
    return await result if inspect.isawaitable(result) else result


async def all_are(result: Any, kind: type) -> None:
    """It is a list with something in it, and of nothing else."""
    found = await of(result)
    assert found
    assert all(isinstance(each, kind) for each in found)


async def is_a(result: Awaitable[Any], kind: type) -> None:
    assert isinstance(await result, kind)


async def _sign_up(p: People) -> None:
    name = f"c{p.bob_id[-9:]}"
    await is_a(
        p.ann.sign_up(email=f"{name}@example.org", username=name, password=PASSWORD, name="C"),
        Session,
    )


async def _log_in(p: People) -> None:
    name = (await p.ann.me()).username
    await is_a(p.ann.log_in(PASSWORD, username=name), Session)


async def _log_out(p: People) -> None:
    assert await p.ann.log_out() is None  # type: ignore[func-returns-value]
    assert p.ann.token is None


async def _revoke_device(p: People) -> None:
    other = await p.bob.log_in(PASSWORD, username=(await p.bob.me()).username)
    await p.bob.revoke_device(other.device_id)


async def _delete(p: People) -> None:
    await p.ann.delete_tweet(p.reply.id)
    with pytest.raises(NotFound):
        await p.ann.tweet(p.reply.id)


async def _stream(p: People) -> None:
    async with p.ann.stream(watch=[p.tweet.id]) as stream:
        await stream.wait_connected()
        posted = await p.bob.post("live")
        async with asyncio.timeout(10):
            async for event in stream:
                if getattr(event, "offset", None) is not None:
                    assert event.tweet.id == posted.id  # type: ignore[union-attr]
                    break


async def _history(p: People) -> None:
    versions = await of(p.ann.history(p.tweet.id, limit=1))
    assert [version.text for version in versions] == ["edited", p.tweet.text]
    await all_are(p.ann.history(p.tweet.id), TweetVersion)


async def _context(p: People) -> None:
    above = await p.ann.context(p.reply.id)
    assert [type(entry) for entry in above.ancestors] == [Tweet, MissingTweet]
    below = await p.ann.context(p.tweet.id, limit=1)
    assert [type(entry) for entry in below.descendants] == [MissingTweet]
    rest = await p.ann.context(p.tweet.id, limit=1, cursor=below.next_cursor)
    assert [entry.id for entry in rest.descendants] == [p.reply.id]


async def _replies(p: People) -> None:
    answer = await p.bob.post("answer", reply_to=p.reply.id)
    assert [tweet.id for tweet in await of(p.ann.replies(p.reply.id))] == [answer.id]


async def _user_tweets(p: People) -> None:
    name = (await p.bob.me()).username
    page = await p.ann.user_tweets(name)
    assert isinstance(page, Page)
    assert [tweet.id for tweet in page.items] == [p.tweet.id]
    assert (await p.ann.user_tweets(name, page=2)).items == []


async def _user(p: People) -> None:
    name = (await p.bob.me()).username
    assert await p.ann.user(f"@{name}") == await p.ann.user(p.bob_id)


async def _ask(p: People) -> str:
    """Have Ann ask to follow Bob, who turns private for it; her id."""
    await p.ann.unfollow(p.bob_id)
    await p.bob.update_profile(is_private=True)
    assert (await p.ann.follow(p.bob_id)).requested
    return (await p.ann.me()).id


async def _follow_requests(p: People) -> None:
    await _ask(p)
    await all_are(p.bob.follow_requests(), User)


async def _sent_follow_requests(p: People) -> None:
    await _ask(p)
    await all_are(p.ann.sent_follow_requests(limit=1), User)


async def _approve_follow_request(p: People) -> None:
    await p.bob.approve_follow_request(await _ask(p))
    assert (await p.ann.user(p.bob_id)).following


async def _deny_follow_request(p: People) -> None:
    await p.bob.deny_follow_request(await _ask(p))
    assert (await p.ann.user(p.bob_id)).requested is False


async def _remove_follower(p: People) -> None:
    await p.ann.remove_follower(p.bob_id)
    assert (await p.ann.user(p.bob_id)).followed_by is False


async def _blocks(p: People) -> None:
    assert (await p.ann.block(p.bob_id)).blocking
    await all_are(p.ann.blocks(), User)
    with pytest.raises(NotFound):
        await p.bob.user((await p.ann.me()).id)
    assert not (await p.ann.unblock(p.bob_id)).blocking


async def _mutes(p: People) -> None:
    assert (await p.ann.mute(p.bob_id, duration_s=60)).muted_until is not None
    assert (await p.ann.mute(p.bob_id)).muted_until is None
    await all_are(p.ann.mutes(), User)
    assert not (await p.ann.unmute(p.bob_id)).muting


async def _mute_conversation(p: People) -> None:
    await p.ann.mute_conversation(p.tweet.id)
    await p.ann.unmute_conversation(p.tweet.id)


async def _update_privacy(p: People) -> None:
    settings = await p.ann.update_privacy(hide_likes=True, muted_users=[p.bob_id], blocked_users=[])
    assert settings.hide_likes
    assert await p.ann.privacy() == settings
    assert (await p.ann.user(p.bob_id)).muting


async def _retweet(p: People) -> None:
    retweet = await p.ann.retweet(p.tweet.id)
    assert retweet.retweet_of is not None
    assert (retweet.retweet_of.id, retweet.retweet_of.retweet_count) == (p.tweet.id, 1)
    assert (await p.ann.retweet(p.tweet.id)).id == retweet.id
    quote = await p.ann.retweet(p.tweet.id, "look")
    quoted = quote.quote_of
    assert isinstance(quoted, Tweet)
    assert (quoted.id, quoted.retweeted) == (p.tweet.id, True)
    await p.bob.delete_tweet(p.tweet.id)
    assert isinstance((await p.ann.tweet(quote.id)).quote_of, MissingTweet)


async def _undo_retweet(p: People) -> None:
    await p.ann.retweet(p.tweet.id)
    state = await p.ann.undo_retweet(p.tweet.id)
    assert (state.retweeted, state.retweet_count) == (False, 0)
    await is_a(p.ann.undo_retweet(p.tweet.id), RetweetState)


async def _retweeters(p: People) -> None:
    await p.ann.retweet(p.tweet.id)
    assert [user.id for user in await of(p.bob.retweeters(p.tweet.id))] == [p.reply.author.id]


async def _quotes(p: People) -> None:
    quotes = [await p.ann.retweet(p.tweet.id, "look"), await p.ann.post("here", quote=p.tweet.id)]
    found = await of(p.bob.quotes(p.tweet.id, limit=1))
    assert [tweet.id for tweet in found] == [tweet.id for tweet in reversed(quotes)]


async def _bookmarks(p: People) -> None:
    await is_a(p.ann.bookmark(p.tweet.id), BookmarkState)
    (found,) = await of(p.ann.bookmarks())
    assert (found.id, found.bookmarked) == (p.tweet.id, True)
    assert not (await p.ann.remove_bookmark(p.tweet.id)).bookmarked
    assert await of(p.ann.bookmarks()) == []


async def _pins(p: People) -> None:
    tweets = [await p.ann.post(f"number {number}") for number in range(6)]
    for tweet in tweets[:5]:
        await is_a(p.ann.pin(tweet.id), PinState)
    with pytest.raises(Conflict):
        await p.ann.pin(tweets[5].id)
    found = await of(p.bob.pinned(p.reply.author.id, limit=2))
    assert [tweet.id for tweet in found] == [tweet.id for tweet in reversed(tweets[:5])]
    assert all(tweet.pinned for tweet in found)
    assert not (await p.ann.unpin(tweets[0].id)).pinned


METHODS: dict[str, Callable[[People], Awaitable[None]]] = {
    "sign_up": _sign_up,
    "log_in": _log_in,
    "log_out": _log_out,
    "refresh": lambda p: is_a(p.ann.refresh(), Tokens),
    "devices": lambda p: all_are(p.ann.devices(), Device),
    "device_pages": lambda p: all_are(p.ann.device_pages(limit=1), Device),
    "revoke_device": _revoke_device,
    "revoke_other_devices": lambda p: is_a(p.ann.revoke_other_devices(), type(None)),
    "me": lambda p: is_a(p.ann.me(), User),
    "user": _user,
    "user_by_name": lambda p: is_a(p.ann.user_by_name(p.tweet.author.username), User),
    "update_profile": lambda p: is_a(p.ann.update_profile(bio="new"), User),
    "follow": lambda p: is_a(p.ann.follow(f"@{p.tweet.author.username}"), FollowState),
    "unfollow": lambda p: is_a(p.ann.unfollow(p.bob_id), FollowState),
    "followers": lambda p: all_are(p.ann.followers(p.bob_id), User),
    "following": lambda p: all_are(p.ann.following(f"@{p.tweet.author.username}"), User),
    "remove_follower": _remove_follower,
    "follow_requests": _follow_requests,
    "sent_follow_requests": _sent_follow_requests,
    "approve_follow_request": _approve_follow_request,
    "deny_follow_request": _deny_follow_request,
    "block": _blocks,
    "unblock": _blocks,
    "blocks": _blocks,
    "mute": _mutes,
    "unmute": _mutes,
    "mutes": _mutes,
    "mute_conversation": _mute_conversation,
    "unmute_conversation": _mute_conversation,
    "privacy": lambda p: is_a(p.ann.privacy(), PrivacySettings),
    "update_privacy": _update_privacy,
    "post": lambda p: is_a(p.ann.post("new", lang="en", sensitive=True), Tweet),
    "tweet": lambda p: is_a(p.ann.tweet(p.tweet.id), Tweet),
    "delete_tweet": _delete,
    "edit_tweet": lambda p: is_a(p.ann.edit_tweet(p.reply.id, "new"), Tweet),
    "history": _history,
    "context": _context,
    "replies": _replies,
    "conversation": lambda p: all_are(p.ann.conversation(p.tweet.id), Tweet),
    "like": lambda p: is_a(p.ann.like(p.tweet.id), LikeState),
    "unlike": lambda p: is_a(p.ann.unlike(p.tweet.id), LikeState),
    "retweet": _retweet,
    "undo_retweet": _undo_retweet,
    "retweeters": _retweeters,
    "quotes": _quotes,
    "bookmark": _bookmarks,
    "remove_bookmark": _bookmarks,
    "bookmarks": _bookmarks,
    "pin": _pins,
    "unpin": _pins,
    "pinned": _pins,
    "likers": lambda p: all_are(p.ann.likers(p.tweet.id), User),
    "likes": lambda p: all_are(p.ann.likes(p.reply.author.id), Tweet),
    "engagements": lambda p: is_a(p.ann.engagements(p.tweet.id), Engagements),
    "home": lambda p: all_are(p.ann.home(), Tweet),
    "user_timeline": lambda p: all_are(p.ann.user_timeline(f"@{p.tweet.author.username}"), Tweet),
    "user_tweets": _user_tweets,
    "discover_stream": lambda p: is_a(p.ann.discover_stream(), StreamAddress),
    "stream_ticket": lambda p: is_a(p.ann.stream_ticket(), StreamTicket),
    "stream": _stream,
    "health": lambda p: is_a(p.ann.health(), Health),
    "ready": lambda p: is_a(p.ann.ready(), Readiness),
}
CLOSING = {"close"}
"""What the fixture itself does."""


def test_no_method_is_forgotten() -> None:
    """Whoever adds a method to the client adds it here."""
    public = {
        name
        for name, _ in inspect.getmembers(Client, inspect.isfunction)
        if not name.startswith("_")
    }
    assert public - CLOSING == METHODS.keys()


@pytest.mark.parametrize("method", METHODS)
async def test_it_works_against_a_server(people: People, method: str) -> None:
    """Its request is understood, and its answer fits the model."""
    await METHODS[method](people)
