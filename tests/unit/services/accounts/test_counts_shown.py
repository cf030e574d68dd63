"""What profiles count, beside the lists that they count."""

import pytest

from rookery.models import Identity
from rookery.services.accounts.privacy import PrivacyChanges
from rookery.services.checking.counts import Counts
from rookery.services.tweets.new_tweets import NewTweet
from tests.unit.services.graph.social import private
from tests.unit.services.server import Server
from tests.unit.services.tweets.people import block, change_user


async def pins_of(server: Server, user: Identity, viewer: Identity | None) -> tuple[int, int]:
    """How many pins the profile tells a viewer of, and how many the list shows."""
    viewer_id = None if viewer is None else viewer.user_id
    profile = await server.profiles.by_id(user.user_id, viewer_id)
    page = await server.pins.of_user(viewer_id, user.user_id, 0, 20)
    return profile.counts.pins, len(page.tweets)


async def test_pins_are_counted_as_the_viewer_sees_them() -> None:
    """The rest would tell of a tweet that is not for the viewer."""
    server = Server()
    ann, fan = await server.sign_up("ann"), await server.sign_up("fan")
    bob, muting = await server.sign_up("bob"), await server.sign_up("muting")
    await server.graph.follow(fan, ann.user_id)
    await server.mutes.mute(muting, ann.user_id)
    for text, visibility in (("hi", "public"), ("hi", "followers"), ("hi @bob", "mentioned")):
        tweet = await server.tweets.create(ann, NewTweet(text=text, visibility=visibility))
        await server.pins.pin(ann, tweet.id)
    expected = ((None, 1), (muting, 1), (fan, 2), (bob, 2), (ann, 3))
    for viewer, count in expected:
        assert await pins_of(server, ann, viewer) == (count, count)
    listed = await server.profiles.by_ids([bob.user_id, ann.user_id], fan.user_id)
    assert [each.counts.pins for each in listed] == [0, 2]
    await change_user(server, ann, is_private=True)
    profile = await server.profiles.by_id(ann.user_id, muting.user_id)
    assert profile.counts.pins == 0


async def test_where_nobody_pinned_anything_nothing_more_is_read() -> None:
    """Six reads, as without pins."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    server.store.reads.clear()
    await server.profiles.by_ids([ann.user_id, bob.user_id], ann.user_id)
    assert server.store.reads == {"get_many": 6}


async def likes_told(server: Server, user: Identity, viewer: Identity | None) -> int:
    viewer_id = None if viewer is None else viewer.user_id
    return (await server.profiles.by_id(user.user_id, viewer_id)).counts.likes


async def test_likes_are_counted_for_whom_their_list_is_open() -> None:
    """Else who likes a tweet could be told by two counts that go up together."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await private(server, "bob")
    fan = await server.sign_up("fan")
    await server.graph.follow(fan, bob.user_id)
    await server.requests.approve(bob, fan.user_id)
    tweet = await server.post(ann)
    await server.engagement.like(bob, tweet.id)
    for viewer, count in ((None, 0), (ann, 0), (fan, 1), (bob, 1)):
        assert await likes_told(server, bob, viewer) == count
    await server.privacy.update(bob, PrivacyChanges(is_private=False))
    assert await likes_told(server, bob, None) == 1
    await server.privacy.update(bob, PrivacyChanges(hide_likes=True))
    for viewer, count in ((None, 0), (ann, 0), (fan, 0), (bob, 1)):
        assert await likes_told(server, bob, viewer) == count


@pytest.mark.parametrize("visibility", ["public", "followers", "mentioned"])
async def test_a_tweet_for_whom_it_mentions_does_not_count(visibility: str) -> None:
    """It is like a message to them; the check of counts knows."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    tweet = await server.tweets.create(ann, NewTweet(text="hi @bob", visibility=visibility))
    counted = visibility != "mentioned"

    async def tweets_told(count: int) -> None:
        profile = await server.profiles.by_id(ann.user_id, bob.user_id)
        assert profile.counts.tweets == count
        found = [each.wrong async for each in Counts(server.store).run(repair=False)]
        assert not any(found)

    await tweets_told(counted)
    retweet = (await server.retweets.retweet(ann, tweet.id)).tweet
    await tweets_told(2 * counted)
    await server.tweets.edit(ann, tweet.id, "hi @bob and all")
    await server.tweets.delete(ann, retweet.id)
    await tweets_told(counted)
    await server.tweets.delete(ann, tweet.id)
    await tweets_told(0)


async def test_counts_of_people_are_the_same_for_everybody() -> None:
    """Whomever lists leave out for a viewer: only the lists tell who it is."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    fan = await server.sign_up("fan")
    await server.graph.follow(fan, ann.user_id)
    await block(server, fan, bob)
    profile = await server.profiles.by_id(ann.user_id, bob.user_id)
    assert profile.counts.followers == 1
    assert (await server.graph.followers(bob.user_id, ann.user_id, 0, 20)).ids == []
