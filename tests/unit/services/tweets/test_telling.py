"""What events tell of tweets, and to whom."""

import pytest

from rookery.events.encoding import decoded, read_record
from rookery.events.kinds import TweetDeleted, TweetEdited, TweetPosted, TweetRecord
from rookery.models import Identity, PostKind, Tweet, TweetCounts
from rookery.services.tweets.new_tweets import NewTweet
from rookery.store.records.outbox import stored_event
from rookery.store.schema import OUTBOX
from tests.unit.services.server import Server
from tests.unit.services.tweets.people import change_user


def told(server: Server) -> TweetPosted | TweetEdited | TweetDeleted:
    """The newest event."""
    event = decoded(stored_event(server.store.documents(OUTBOX)[-1]))
    assert isinstance(event, TweetPosted | TweetEdited | TweetDeleted)
    return event


def record(server: Server) -> TweetRecord:
    event = told(server)
    assert not isinstance(event, TweetDeleted)
    return read_record(event.record)


async def people(server: Server) -> tuple[Identity, Identity]:
    return await server.sign_up("ann"), await server.sign_up("bob")


async def test_a_post_tells_all_that_showing_it_takes() -> None:
    """The author without what only the user may know."""
    server = Server()
    ann, _ = await people(server)
    await change_user(server, ann, email="ann@example.org", password_hash="secret")
    tweet = await server.post(ann)
    event = told(server)
    assert (event.id, event.tweet_id, event.author_id) == (tweet.id, tweet.id, ann.user_id)
    assert (event.audience, event.original_author_id) == (None, None)
    shown = record(server)
    assert (shown.tweet, shown.original) == (tweet, None)
    assert (shown.author.email, shown.author.password_hash) == (None, None)


@pytest.mark.parametrize("comment", ["", "look"])
async def test_retweets_and_quotes_tell_what_they_show(comment: str) -> None:
    """With its author, by whom it may be hidden."""
    server = Server()
    ann, bob = await people(server)
    await change_user(server, ann, email="ann@example.org", password_hash="secret")
    tweet = await server.post(ann)
    posted = (await server.retweets.retweet(bob, tweet.id, comment)).tweet
    event = told(server)
    assert (event.tweet_id, event.original_author_id) == (posted.id, ann.user_id)
    original = record(server).original
    assert original is not None
    assert original.tweet == tweet
    assert (original.author.email, original.author.password_hash) == (None, None)
    await server.tweets.delete(bob, posted.id)
    event = told(server)
    assert isinstance(event, TweetDeleted)
    assert event.original_author_id == ann.user_id


async def test_a_retweet_of_who_turned_private_is_told_to_who_follows_them() -> None:
    """When it is taken back: nobody else could see it any more."""
    server = Server()
    ann, bob = await people(server)
    tweet = await server.post(ann)
    retweet = (await server.retweets.retweet(bob, tweet.id)).tweet
    event = told(server)
    assert (event.original_audience, event.original_conversation_id) == (None, tweet.id)
    await change_user(server, ann, is_private=True)
    await server.tweets.delete(bob, retweet.id)
    event = told(server)
    assert (event.original_audience, event.original_author_id) == ([ann.user_id], ann.user_id)


async def test_a_tweet_for_whom_it_mentions_reaches_nobody_else() -> None:
    """Not its author's followers; an edit may add somebody."""
    server = Server()
    ann, bob = await people(server)
    cat = await server.sign_up("cat")
    tweet = await server.tweets.create(ann, NewTweet(text="@bob @nobody", visibility="mentioned"))
    assert told(server).audience == sorted([ann.user_id, bob.user_id])
    assert tweet.kind == PostKind.RESTRICTED | PostKind.MENTIONED
    edited = await server.tweets.edit(ann, tweet.id, "@bob @cat")
    assert told(server).audience == sorted([ann.user_id, bob.user_id, cat.user_id])
    assert (edited.visibility, edited.kind) == ("mentioned", tweet.kind)
    assert (await server.reading.one(cat.user_id, tweet.id)).id == tweet.id
    await server.tweets.delete(ann, tweet.id)
    assert told(server).audience == sorted([ann.user_id, bob.user_id, cat.user_id])


async def test_the_retweet_of_such_a_tweet_reaches_those_who_may_see_it() -> None:
    """Also when it is taken back; a quote of it reaches all, without it."""
    server = Server()
    ann, bob = await people(server)
    tweet = await server.tweets.create(ann, NewTweet(text="@bob", visibility="mentioned"))
    audience = sorted([ann.user_id, bob.user_id])
    retweet = (await server.retweets.retweet(ann, tweet.id)).tweet
    assert (told(server).audience, retweet.kind) == (
        audience,
        PostKind.RETWEET | PostKind.RESTRICTED | PostKind.MENTIONED,
    )
    assert record(server).original is not None
    await server.retweets.undo(ann, tweet.id)
    assert told(server).audience == audience
    quote = (await server.retweets.retweet(ann, tweet.id, "look")).tweet
    assert (told(server).audience, quote.kind) == (None, PostKind.QUOTE)
    assert record(server).original is None


async def test_a_quote_of_ones_own_tweet_for_followers_takes_it_along() -> None:
    """Whoever is told follows its author."""
    server = Server()
    ann, _ = await people(server)
    tweet = await server.tweets.create(ann, NewTweet(text="hi", visibility="followers"))
    await server.retweets.retweet(ann, tweet.id, "look")
    original = record(server).original
    assert original is not None
    assert original.tweet.id == tweet.id
    quote_id = told(server).tweet_id
    await server.tweets.edit(ann, quote_id, "look here")
    assert isinstance(told(server), TweetEdited)
    assert record(server).original == original


async def test_the_deletion_of_a_retweet_is_told_to_who_may_see_the_original() -> None:
    """As that is when it is deleted: followers of its author, and those whom it mentions."""
    server = Server()
    ann, bob = await people(server)
    tweet = await server.post(ann, "hello @bob")
    await server.retweets.retweet(bob, tweet.id)
    assert told(server).original_audience is None
    await change_user(server, ann, is_private=True)
    await server.retweets.undo(bob, tweet.id)
    event = told(server)
    assert isinstance(event, TweetDeleted)
    assert event.original_audience == sorted([ann.user_id, bob.user_id])
    assert (event.original_author_id, event.audience) == (ann.user_id, None)


@pytest.mark.parametrize("who", ["the retweeter", "the original's author"])
async def test_the_deletion_of_what_nobody_sees_is_told_to_nobody(who: str) -> None:
    """Of a suspended account, by a moderator."""
    server = Server()
    ann, bob = await people(server)
    moderator = await server.sign_up("mod", role="moderator")
    tweet = await server.post(ann)
    retweet = (await server.retweets.retweet(bob, tweet.id)).tweet
    await change_user(server, bob if who == "the retweeter" else ann, status="suspended")
    await server.tweets.delete(moderator, retweet.id)
    event = told(server)
    assert isinstance(event, TweetDeleted)
    assert event.audience == []


async def test_retweets_that_go_with_their_original_are_told_like_any_other() -> None:
    """To whom the original was for, though it is gone; and by what it may be muted by."""
    server = Server()
    ann, bob = await people(server)
    root = await server.post(bob)
    tweet = await server.post(ann, "hello @bob", root)
    await server.retweets.retweet(bob, tweet.id)
    await change_user(server, ann, is_private=True)
    await server.tweets.delete(ann, tweet.id)
    event = told(server)
    assert isinstance(event, TweetDeleted)
    assert event.author_id == bob.user_id
    assert event.original_author_id == ann.user_id
    assert event.original_conversation_id == root.id
    assert event.original_audience == sorted([ann.user_id, bob.user_id])


async def test_a_quote_that_is_edited_takes_what_turned_private_along() -> None:
    """For those who may see it: they are told apart where it is pushed."""
    server = Server()
    ann, bob = await people(server)
    tweet = await server.post(ann)
    quote = (await server.retweets.retweet(bob, tweet.id, "look")).tweet
    for change, is_told in (({"is_private": True}, True), ({"status": "suspended"}, False)):
        await change_user(server, ann, **change)
        await server.tweets.edit(bob, quote.id, f"look {change}")
        event = told(server)
        assert (event.audience, event.original_audience) == (None, [ann.user_id])
        assert (record(server).original is not None) is is_told


@pytest.mark.parametrize("comment", ["", "look"])
async def test_a_retweet_tells_its_originals_conversation(comment: str) -> None:
    """By which it may be muted; a quote is part of its own alone."""
    server = Server()
    ann, bob = await people(server)
    root = await server.post(ann)
    reply = await server.post(ann, "reply", root)
    posted = (await server.retweets.retweet(bob, reply.id, comment)).tweet
    event = told(server)
    assert event.conversation_id == posted.id
    assert event.original_conversation_id == (None if comment else root.id)


async def test_whoever_is_private_posts_what_is_restricted() -> None:
    """The visibility stays what was given: it counts again when the account is public."""
    server = Server()
    ann, bob = await people(server)
    await change_user(server, ann, is_private=True)
    tweet = await server.post(ann)
    assert (tweet.visibility, tweet.kind) == ("public", PostKind.RESTRICTED)
    await change_user(server, ann, is_private=False)
    assert (await server.reading.one(bob.user_id, tweet.id)).id == tweet.id


async def counts_of(server: Server, tweet: Tweet) -> TweetCounts:
    (counts,) = await server.engagement.counts([tweet.id])
    return counts


@pytest.mark.parametrize(("visibility", "is_private"), [("followers", False), ("public", True)])
async def test_replies_and_quotes_that_are_not_for_everybody_are_not_counted(
    visibility: str, is_private: bool
) -> None:
    """The counts would give them away; one that was, is, whatever its author turns to later."""
    server = Server()
    ann, bob = await people(server)
    tweet = await server.post(ann)
    counted = await server.post(bob, "reply", tweet)
    await change_user(server, bob, is_private=is_private)
    reply = await server.tweets.create(
        bob, NewTweet(text="reply", reply_to_id=tweet.id, visibility=visibility)
    )
    quote = await server.tweets.create(
        bob, NewTweet(text="quote", retweet_of_id=tweet.id, visibility=visibility)
    )
    assert await counts_of(server, tweet) == TweetCounts(replies=1)
    for each in (reply, quote):
        await server.tweets.delete(bob, each.id)
    assert await counts_of(server, tweet) == TweetCounts(replies=1)
    await server.tweets.delete(bob, counted.id)
    assert await counts_of(server, tweet) == TweetCounts()
