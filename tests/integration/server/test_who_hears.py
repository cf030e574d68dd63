"""Who hears of what over a stream: blocks, mutes, audiences, retweets and quotes on a whole server.

What is hidden is written to the store, and told to the shards as the use-cases tell it.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
import pytest_asyncio

from rookery.client import Counts, Position, TweetDeleted, TweetEdited, TweetEvent, TweetUnavailable
from tests.integration.server.hand import Hand
from tests.integration.server.world import Listener, Person, ServerThread, World, settled, until


class Stage:
    """Ada, whom Bob and Cy follow; both of them, and Dan, listen. Nobody follows Dan."""

    def __init__(self, world: World, hand: Hand) -> None:
        self.world = world
        self.hand = hand

    async def prepare(self) -> None:
        self.ada, self.bob, self.cy, self.dan = await self.world.people(4)
        for who in (self.bob, self.cy):
            await who.follow(self.ada)
        self.hearing = {who: await who.listen() for who in (self.bob, self.cy, self.dan)}

    async def heard(self, *people: Person) -> list[list[int]]:
        """What each has heard so far, in order; all that was committed is delivered."""
        await settled(self.world)
        for who in people:
            await self._marker(who)
        return [[i for i in self.ids(who) if i not in self.markers] for who in people]

    async def _marker(self, who: Person) -> None:
        marker = await who.post("marker")
        await self.hearing[who].until(lambda: marker in self.ids(who))

    async def cut(self, who: Person) -> Position:
        """Close somebody's stream; where it was."""
        listener = self.hearing[who]
        position = listener.stream.position
        assert position is not None
        await listener.aclose()
        return position

    async def resumed(self, who: Person, position: Position, count: int) -> list[dict[str, Any]]:
        """What somebody who comes back is shown first: so many tweets, or what is left of them."""
        listener = await who.listen(position=position)
        await listener.until(lambda: len(listener.events) >= count)
        shown: list[dict[str, Any]] = []
        for event in listener.events[:count]:
            assert isinstance(event, TweetEvent | TweetUnavailable), event
            if isinstance(event, TweetEvent):
                shown.append(event.raw)
            else:
                shown.append({"id": event.tweet_id, "gone": True})
        return shown

    def ids(self, who: Person) -> list[int]:
        return self.hearing[who].tweet_ids

    def tweet(self, who: Person, tweet_id: int) -> dict[str, Any]:
        """A tweet as it was pushed to somebody."""
        events = self.hearing[who].of(TweetEvent)
        return next(each.raw for each in events if int(each.tweet_id) == tweet_id)

    @property
    def markers(self) -> set[int]:
        return {
            int(event.tweet_id)
            for listener in self.hearing.values()
            for event in listener.of(TweetEvent)
            if event.raw["text"] == "marker"
        }


@pytest.fixture
def server(inline_server: ServerThread) -> ServerThread:
    return inline_server


@pytest_asyncio.fixture
async def stage(world: World, server: ServerThread) -> AsyncIterator[Stage]:
    made = Stage(world, Hand(server))
    await made.prepare()
    yield made


def _offset(listener: Listener) -> int:
    offset = listener.stream.position
    assert offset is not None
    return offset.offset


async def test_a_mute_counts_from_the_next_push_on(stage: Stage) -> None:
    """And until it is taken back; nobody else is concerned."""
    one = await stage.ada.post("one")
    await stage.heard(stage.bob)
    await stage.hand.mute(stage.bob, stage.ada)
    two = await stage.ada.post("two")
    assert await stage.heard(stage.bob, stage.cy) == [[one], [one, two]]
    await stage.hand.unmute(stage.bob, stage.ada)
    three = await stage.ada.post("three")
    assert await stage.heard(stage.bob) == [[one, three]]


async def test_a_timed_mute_ends_by_itself(stage: Stage) -> None:
    """Whoever is connected hears the next post; nobody had to read."""
    ends_s = await stage.hand.mute(stage.bob, stage.ada, for_s=1.0)
    muted = await stage.ada.post("muted")
    assert await stage.heard(stage.bob) == [[]]
    assert time.time() < ends_s, "the machine is too slow for this test"
    await asyncio.sleep(ends_s - time.time() + 0.5)
    audible = await stage.ada.post("audible")
    assert await stage.heard(stage.bob) == [[audible]]
    assert muted in await stage.bob.home()


@pytest.mark.parametrize("who_blocks", ["reader", "author"])
async def test_a_block_counts_from_the_next_push_on(stage: Stage, who_blocks: str) -> None:
    """Though the store still has the follow, as after a load of data."""
    if who_blocks == "reader":
        await stage.hand.block(stage.bob, stage.ada)
    else:
        await stage.hand.block(stage.ada, stage.bob)
    one = await stage.ada.post("one")
    assert await stage.heard(stage.bob, stage.cy) == [[], [one]]


async def test_a_follower_who_is_no_more_hears_nothing(stage: Stage) -> None:
    """From the answer to whoever changed it on."""
    await stage.bob.client.unfollow(stage.ada.id)
    one = await stage.ada.post("one")
    assert await stage.heard(stage.bob, stage.cy) == [[], [one]]


async def test_a_new_follower_hears_the_next_post(stage: Stage) -> None:
    """As one who was approved."""
    await stage.dan.follow(stage.ada)
    one = await stage.ada.post("one")
    assert await stage.heard(stage.dan) == [[one]]


async def test_a_tweet_for_some_reaches_those_who_follow(stage: Stage) -> None:
    """Neither the other followers, nor who is named and does not follow; so its deletion."""
    audience = [stage.bob, stage.dan]
    tweet = await stage.hand.post(stage.ada, "for you", audience=audience)
    assert await stage.heard(stage.bob, stage.cy, stage.dan) == [[tweet.id], [], []]
    before = _offset(stage.hearing[stage.cy])
    await stage.hand.delete(tweet, audience=audience, author=stage.ada)
    listener = stage.hearing[stage.bob]
    await listener.until(lambda: listener.of(TweetDeleted))
    await settled(stage.world)
    assert stage.hearing[stage.cy].of(TweetDeleted) == []
    assert _offset(stage.hearing[stage.cy]) == before


async def test_a_retweet_of_somebody_hidden_is_not_heard(stage: Stage) -> None:
    """Muted or blocked; who hides nobody gets it with its original."""
    original = await stage.dan.post("first")
    await stage.hand.mute(stage.bob, stage.dan)
    retweet = await stage.hand.post(stage.ada, retweets=original)
    assert await stage.heard(stage.bob, stage.cy) == [[], [retweet.id]]
    assert stage.tweet(stage.cy, retweet.id)["retweetOf"]["text"] == "first"
    await stage.hand.block(stage.dan, stage.cy)
    await stage.hand.unmute(stage.bob, stage.dan)
    again = await stage.hand.post(stage.ada, retweets=await stage.dan.post("second"))
    assert await stage.heard(stage.bob, stage.cy) == [[again.id], [retweet.id]]


async def test_a_quote_comes_without_what_a_block_hides(stage: Stage) -> None:
    """To the others, who only mute or hide nobody, it comes whole."""
    original = await stage.dan.post("first")
    await stage.hand.block(stage.bob, stage.dan)
    await stage.hand.mute(stage.cy, stage.dan)
    quote = await stage.hand.post(stage.ada, "look", quotes=original)
    assert await stage.heard(stage.bob, stage.cy) == [[quote.id], [quote.id]]
    hidden, whole = (stage.tweet(who, quote.id)["quoteOf"] for who in (stage.bob, stage.cy))
    assert hidden == {"id": str(original), "unavailable": "hidden"}
    assert whole["text"] == "first"


async def test_a_muted_conversation_is_not_heard(stage: Stage) -> None:
    """Other posts of the same people are."""
    start = await stage.ada.post("start")
    await stage.hand.mute_conversation(stage.bob, start)
    answer = await stage.ada.post("answer", reply_to=start)
    other = await stage.ada.post("other")
    assert await stage.heard(stage.bob, stage.cy) == [[start, other], [start, answer, other]]


async def test_celebrities_are_no_exception(stage: Stage) -> None:
    """What goes to a list is pushed by the same rules."""
    for fan in await stage.world.people(5):
        await fan.follow(stage.ada)

    async def is_celebrity() -> bool:
        lists = await stage.hand.server.actor("CelebrityLists", "members")
        return stage.ada.id in lists

    await until(is_celebrity, what="a celebrity")
    original = await stage.dan.post("first")
    await stage.hand.mute(stage.bob, stage.ada)
    await stage.hand.block(stage.cy, stage.dan)
    plain = await stage.ada.post("plain")
    await stage.hand.post(stage.ada, retweets=original)
    for_bob = await stage.hand.post(stage.ada, "for you", audience=[stage.bob])
    assert await stage.heard(stage.bob, stage.cy) == [[], [plain]]
    await stage.hand.unmute(stage.bob, stage.ada)
    assert {plain, for_bob.id} <= set(await stage.bob.home())


async def test_a_retweet_from_a_muted_conversation_is_not_heard(stage: Stage) -> None:
    """As lists leave it out."""
    start = await stage.dan.post("start")
    answer = await stage.dan.post("answer", reply_to=start)
    await stage.bob.client.mute_conversation(start)
    retweet = await stage.ada.client.retweet(answer)
    assert await stage.heard(stage.bob, stage.cy) == [[], [int(retweet.id)]]
    assert int(retweet.id) not in await stage.bob.home()


def ends_heard(stage: Stage, who: Person) -> list[int]:
    return [int(event.tweet_id) for event in stage.hearing[who].of(TweetDeleted)]


@pytest.mark.parametrize("is_undone", [False, True])
async def test_the_end_of_a_retweet_is_heard_by_who_could_see_it(
    stage: Stage, is_undone: bool
) -> None:
    """Taken back, or gone with its original: not by who hides the original's author."""
    original, other = await stage.dan.post("first"), await stage.dan.post("second")
    await stage.bob.client.mute(stage.dan.id)
    retweets = [int((await stage.ada.client.retweet(each)).id) for each in (original, other)]
    assert await stage.heard(stage.bob, stage.cy) == [[], retweets]
    await stage.bob.client.unmute(stage.dan.id)
    await stage.bob.client.block(stage.dan.id)
    for each in (original, other):
        if is_undone:
            await stage.ada.client.undo_retweet(each)
        else:
            await stage.dan.client.delete_tweet(each)
    await stage.heard(stage.bob, stage.cy)
    assert ends_heard(stage, stage.cy) == retweets
    assert ends_heard(stage, stage.bob) == []


@pytest.mark.parametrize("is_undone", [False, True])
async def test_the_end_of_a_retweet_of_who_turned_private_is_for_followers(
    stage: Stage, is_undone: bool
) -> None:
    """Cy, who does not follow Dan, could not see it any more."""
    original = await stage.dan.post("first")
    await stage.bob.follow(stage.dan)
    retweet = int((await stage.ada.client.retweet(original)).id)
    await stage.dan.client.update_privacy(is_private=True)
    if is_undone:
        await stage.ada.client.undo_retweet(original)
    else:
        await stage.dan.client.delete_tweet(original)
    await stage.heard(stage.bob, stage.cy)
    assert retweet in ends_heard(stage, stage.bob)
    assert ends_heard(stage, stage.cy) == []


async def test_who_retweets_hears_the_end_of_it_whomever_they_mute(stage: Stage) -> None:
    """Nothing of one's own is muted: Bob's retweet of Dan, whom he mutes, and who is private."""
    original = await stage.dan.post("first")
    await stage.bob.follow(stage.dan)
    await stage.bob.client.mute(stage.dan.id)
    retweet = int((await stage.bob.client.retweet(original)).id)
    await stage.dan.client.update_privacy(is_private=True)
    await stage.bob.client.undo_retweet(original)
    await stage.heard(stage.bob)
    assert retweet in ends_heard(stage, stage.bob)


async def edited_quote(stage: Stage, who: Person, quote_id: int) -> dict[str, Any]:
    """What an edited quote shows to somebody of what it quotes."""
    listener = stage.hearing[who]
    await listener.until(lambda: listener.of(TweetEdited))
    [event] = listener.of(TweetEdited)
    assert (int(event.tweet_id), event.raw["text"]) == (quote_id, "look again")
    quoted: dict[str, Any] = event.raw["quoteOf"]
    return quoted


async def test_an_edited_quote_says_that_what_it_quotes_is_deleted(stage: Stage) -> None:
    """Not that it is hidden, which would be something else."""
    original = await stage.dan.post("first")
    quote = int((await stage.ada.client.retweet(original, "look")).id)
    await stage.dan.client.delete_tweet(original)
    await stage.ada.client.edit_tweet(quote, "look again")
    gone = {"id": str(original), "unavailable": "deleted"}
    assert await edited_quote(stage, stage.bob, quote) == gone


async def test_an_edited_quote_shows_each_what_they_may_see(stage: Stage) -> None:
    """Of what turned private meanwhile: the whole to who follows its author."""
    original = await stage.dan.post("first")
    await stage.bob.follow(stage.dan)
    quote = int((await stage.ada.client.retweet(original, "look")).id)
    await stage.heard(stage.bob, stage.cy)
    await stage.dan.client.update_privacy(is_private=True)
    await stage.ada.client.edit_tweet(quote, "look again")
    hidden = {"id": str(original), "unavailable": "hidden"}
    assert (await edited_quote(stage, stage.bob, quote))["text"] == "first"
    assert await edited_quote(stage, stage.cy, quote) == hidden


# Coming back.


async def missed(stage: Stage) -> tuple[Position, list[int], int]:
    """Bob misses a post, a retweet and a quote by Ada; both of something that Dan said."""
    original = await stage.dan.post("first")
    await stage.heard(stage.bob)
    position = await stage.cut(stage.bob)
    post = await stage.ada.post("one")
    retweet = await stage.hand.post(stage.ada, retweets=original)
    quote = await stage.hand.post(stage.ada, "look", quotes=original)
    await settled(stage.world)
    return position, [post, retweet.id, quote.id], original


def gone(tweet_id: int) -> dict[str, Any]:
    return {"id": str(tweet_id), "gone": True}


async def test_what_was_missed_comes_whole(stage: Stage) -> None:
    """Retweets and quotes as they are pushed."""
    position, ids, original = await missed(stage)
    shown = await stage.resumed(stage.bob, position, 3)
    assert [int(each["id"]) for each in shown] == ids
    assert shown[1]["retweetOf"]["id"] == shown[2]["quoteOf"]["id"] == str(original)


async def test_what_a_block_hides_meanwhile_is_gone(stage: Stage) -> None:
    """Whoever of the two blocks: the retweet as if it were deleted, the quote without it."""
    position, ids, original = await missed(stage)
    await stage.hand.block(stage.dan, stage.bob)
    shown = await stage.resumed(stage.bob, position, 3)
    assert shown[0]["text"] == "one"
    assert shown[1] == gone(ids[1])
    assert shown[2]["quoteOf"] == {"id": str(original), "unavailable": "hidden"}


async def test_who_is_muted_meanwhile_is_not_heard(stage: Stage) -> None:
    """Neither what they post nor what they pass on."""
    position, ids, _ = await missed(stage)
    await stage.hand.mute(stage.bob, stage.ada)
    assert await stage.resumed(stage.bob, position, 3) == [gone(each) for each in ids]


async def test_what_turns_private_meanwhile_is_gone(stage: Stage) -> None:
    """As if it were deleted."""
    position, ids, original = await missed(stage)
    await stage.hand.turn_private(stage.dan)
    shown = await stage.resumed(stage.bob, position, 3)
    assert [int(each["id"]) for each in shown] == ids
    assert shown[1] == gone(ids[1])
    assert shown[2]["quoteOf"] == {"id": str(original), "unavailable": "hidden"}


# Watching.


async def counts_of(listener: Listener, tweet_id: int, likes: int) -> bool:
    """Whether the newest counts of a tweet that came are these."""
    found = [
        each.like_count
        for event in listener.of(Counts)
        for each in event.counts
        if int(each.tweet_id) == tweet_id
    ]
    return bool(found) and found[-1] == likes


async def test_counts_end_where_a_block_begins(stage: Stage) -> None:
    """The others who watch go on; a tweet that is hidden is as silent as one that is not there."""
    one, other = await stage.dan.post("one"), await stage.ada.post("other")
    watching = {who: stage.hearing[who] for who in (stage.bob, stage.cy)}
    for listener in watching.values():
        await listener.stream.watch([one, other, 12345])
        await until(partial(counts_of, listener, one, 0), what="the first counts")
    await stage.hand.block(stage.dan, stage.bob)
    await stage.ada.client.like(one)
    await until(lambda: counts_of(watching[stage.cy], one, 1), what="counts of Cy")
    await stage.ada.client.like(other)
    await until(lambda: counts_of(watching[stage.bob], other, 1), what="other counts of Bob")
    assert await counts_of(watching[stage.bob], one, 0)
    anew = await stage.bob.listen(watch=[one, other, 12345])
    await until(lambda: counts_of(anew, other, 1), what="counts of a new stream")
    assert {each.tweet_id for event in anew.of(Counts) for each in event.counts} == {str(other)}


async def test_counts_end_where_an_author_turns_private(stage: Stage) -> None:
    """For those who do not follow."""
    one, other = await stage.dan.post("one"), await stage.ada.post("other")
    listener = stage.hearing[stage.bob]
    await listener.stream.watch([one, other])
    await until(lambda: counts_of(listener, one, 0), what="the first counts")
    await stage.hand.turn_private(stage.dan)
    await stage.dan.client.like(one)
    await stage.dan.client.like(other)
    await until(lambda: counts_of(listener, other, 1), what="other counts")
    assert await counts_of(listener, one, 0)
