"""The checker finds nothing wrong with an honest server, and each fault of one that is not."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from rookery.client import TweetDeleted, TweetEvent
from tests.chaos.faults import Sort
from tests.chaos.salon.hearing import judge_heard, judge_told
from tests.chaos.salon.history import History
from tests.chaos.salon.honest import card_of, honest, tweet_of
from tests.chaos.salon.judging import Findings
from tests.chaos.salon.listing import judge_tweets
from tests.chaos.salon.network import judge_network
from tests.chaos.salon.reading import Passed, Seen
from tests.chaos.salon.seeing import Over, Said, Seeing
from tests.chaos.salon.standing import Calm, judge_standing
from tests.chaos.watching import Note

ANNA, BERT, CARL, DORA, EMIL = MEMBERS = [1, 2, 3, 4, 5]
NOW_S = 100.0

World = tuple[Seeing, Over, dict[int, Seen]]


def said(
    seeing: Seeing,
    tweet_id: int,
    author: int,
    original: Said | None = None,
    quoted: Said | None = None,
) -> Said:
    text = "" if original is not None else f"text {tweet_id}"
    began_s = float(tweet_id)
    tweet = Said(tweet_id, author, History(text), original, quoted, began_s, alive=History(False))
    tweet.answered_s = began_s + 0.5
    made = tweet.alive.begin(began_s, True)
    tweet.alive.answered(made, tweet.answered_s, is_told=True)
    return seeing.add(tweet)


@pytest.fixture
def world() -> World:
    """Dora follows Anna, Bert and Carl, who is private and retweets and quotes; Emil asks Carl.

    Anna blocks Emil, and Dora mutes Bert.
    """
    seeing = Seeing()
    for author in (ANNA, BERT, CARL):
        seeing.bond("follows", DORA, author).settle(True)
    seeing.private(CARL).settle(True)
    seeing.bond("asks", EMIL, CARL).settle(True)
    seeing.bond("blocks", ANNA, EMIL).settle(True)
    seeing.bond("mutes", DORA, BERT).settle(True)
    by_anna, by_bert = said(seeing, 10, ANNA), said(seeing, 11, BERT)
    said(seeing, 12, CARL, original=by_anna)
    said(seeing, 13, CARL, original=by_bert)
    said(seeing, 14, DORA, quoted=by_anna)
    said(seeing, 15, BERT, original=by_anna)
    at = seeing.over(NOW_S, NOW_S)
    return seeing, at, honest(seeing, MEMBERS, at)


def findings(world: World) -> Findings:
    seeing, at, seen = world
    found = Findings()
    calm = Calm(seeing, seen, {each: str(each) for each in MEMBERS}, at)
    shown = judge_standing(found, calm)
    for viewer in seen:
        view = calm.view(viewer, shown)
        judge_network(found, calm, view, seen[viewer])
        judge_tweets(found, calm, view, seen[viewer])
    return found


def test_an_honest_server_is_not_accused(world: World) -> None:
    found = findings(world)
    assert found.faults == []
    assert found.judged > 200


def replaced(tweet: Any, **values: Any) -> Any:
    return msgspec.structs.replace(tweet, **values)


def show_a_hidden_tweet(world: World) -> None:
    """To Emil, whom Anna blocks."""
    seeing, at, seen = world
    seen[EMIL].singly[0] = (seeing.tweets[10], tweet_of(at, DORA, seeing.tweets[10]))


def hide_a_tweet(world: World) -> None:
    seen = world[2][DORA]
    seen.singly[0] = (seen.singly[0][0], None)


def leave_a_tweet_out_of_home(world: World) -> None:
    del world[2][DORA].home[-1]


def show_a_retweet_of_who_is_muted(world: World) -> None:
    seeing, at, seen = world
    home = seen[DORA].home
    home.append(tweet_of(at, DORA, seeing.tweets[13]))
    home.sort(key=lambda each: int(each.id), reverse=True)


def show_a_tweet_twice(world: World) -> None:
    home = world[2][DORA].home
    home.insert(0, home[0])


def show_home_out_of_order(world: World) -> None:
    world[2][DORA].home.reverse()


def show_the_profile_of_who_blocks(world: World) -> None:
    _, _, seen = world
    seen[EMIL].others[ANNA].profile = seen[EMIL].others[BERT].profile


def open_what_is_private(world: World) -> None:
    seen = world[2]
    seen[EMIL].others[CARL].timeline = []


def name_who_is_hidden_among_followers(world: World) -> None:
    """Emil must not be named to Anna; he follows nobody besides."""
    of = world[2][ANNA].others[BERT]
    assert isinstance(of.followers, list)
    of.followers.append(EMIL)


def forget_a_request(world: World) -> None:
    world[2][CARL].asked_by.clear()


def forget_a_block(world: World) -> None:
    world[2][ANNA].blocks.clear()


def count_followers_wrong(world: World) -> None:
    seen = world[2][ANNA]
    seen.profile = replaced(seen.profile, followers_count=2)


def count_retweets_wrong(world: World) -> None:
    seen = world[2][ANNA]
    seen.timeline[0] = replaced(seen.timeline[0], retweet_count=1)


def count_quotes_wrong(world: World) -> None:
    seen = world[2][ANNA]
    seen.timeline[0] = replaced(seen.timeline[0], quote_count=0)


def count_tweets_wrong(world: World) -> None:
    seen = world[2][CARL]
    seen.profile = replaced(seen.profile, tweets_count=1)


def retweet_twice(world: World) -> None:
    seeing, at, seen = world
    said(seeing, 20, CARL, original=seeing.tweets[10])
    seen.update(honest(seeing, MEMBERS, at))


def name_a_private_retweeter(world: World) -> None:
    seen = world[2][BERT]
    found, passed = seen.passed[0]
    assert passed.retweeters is not None
    seen.passed[0] = (found, Passed([*passed.retweeters, CARL], passed.quotes))


def leave_a_retweeter_out(world: World) -> None:
    seen = world[2][DORA]
    found, passed = seen.passed[0]
    assert passed.retweeters is not None
    seen.passed[0] = (found, Passed(passed.retweeters[1:], passed.quotes))


def leave_a_quote_out(world: World) -> None:
    seen = world[2][BERT]
    found, passed = seen.passed[0]
    seen.passed[0] = (found, Passed(passed.retweeters, []))


def show_what_is_quoted_and_hidden(world: World) -> None:
    """Dora's quote of Anna, to Emil."""
    seeing, at, seen = world
    place = [each.id for each, _ in seen[EMIL].singly].index(14)
    seen[EMIL].singly[place] = (seeing.tweets[14], tweet_of(at, BERT, seeing.tweets[14]))


def show_another_text(world: World) -> None:
    seen = world[2][DORA]
    seen.timeline[0] = replaced(seen.timeline[0], text="another")


def show_a_retweet_of_something_else(world: World) -> None:
    _, at, seen = world
    home = seen[DORA].home
    place = next(n for n, each in enumerate(home) if each.retweet_of is not None)
    other = tweet_of(at, DORA, world[0].tweets[11])
    home[place] = replaced(home[place], retweet_of=other)


def forget_that_one_retweets(world: World) -> None:
    seen = world[2][CARL]
    place = [each.id for each, _ in seen.singly].index(10)
    tweet = seen.singly[place][1]
    seen.singly[place] = (seen.singly[place][0], replaced(tweet, retweeted=False))


def leave_requests_to_who_is_public(world: World) -> None:
    seeing, at, seen = world
    seeing.private(CARL).settle(False)
    seen.update(honest(seeing, MEMBERS, at))


@pytest.mark.parametrize(
    ("lie", "sort"),
    [
        (show_a_hidden_tweet, Sort.LEAKED),
        (hide_a_tweet, Sort.LOST),
        (leave_a_tweet_out_of_home, Sort.LOST),
        (show_a_retweet_of_who_is_muted, Sort.LEAKED),
        (show_a_tweet_twice, Sort.DOUBLED),
        (show_home_out_of_order, Sort.WRONG),
        (show_the_profile_of_who_blocks, Sort.LEAKED),
        (open_what_is_private, Sort.LEAKED),
        (name_who_is_hidden_among_followers, Sort.WRONG),
        (forget_a_request, Sort.WRONG),
        (forget_a_block, Sort.WRONG),
        (count_followers_wrong, Sort.WRONG),
        (count_retweets_wrong, Sort.WRONG),
        (count_quotes_wrong, Sort.WRONG),
        (count_tweets_wrong, Sort.WRONG),
        (retweet_twice, Sort.DOUBLED),
        (name_a_private_retweeter, Sort.LEAKED),
        (leave_a_retweeter_out, Sort.LOST),
        (leave_a_quote_out, Sort.LOST),
        (show_what_is_quoted_and_hidden, Sort.LEAKED),
        (show_another_text, Sort.WRONG),
        (show_a_retweet_of_something_else, Sort.WRONG),
        (forget_that_one_retweets, Sort.STALE),
        (leave_requests_to_who_is_public, Sort.STALE),
    ],
)
def test_a_lie_is_found(world: World, lie: Callable[[World], None], sort: Sort) -> None:
    """As what it is."""
    lie(world)
    assert sort in {fault.sort for fault in findings(world).faults}


def test_what_was_right_before_is_stale(world: World) -> None:
    """Bert blocks Dora, who is still shown him."""
    seeing, at, seen = world
    blocks = seeing.bond("blocks", BERT, DORA)
    blocks.answered(blocks.begin(50.0, True), 51.0, is_told=True)
    old = seen[DORA].singly
    seen.update(honest(seeing, MEMBERS, at))
    assert findings(world).faults == []
    seen[DORA].singly = old
    assert {fault.sort for fault in findings(world).faults} == {Sort.STALE}


# Streams.


def heard(world: World, *notes: Note, viewer: int = DORA) -> list[Sort]:
    found = Findings()
    judge_heard(found, world[0], viewer, str(viewer), notes)
    return [fault.sort for fault in found.faults]


def told(world: World, tweet_id: int, at_s: float) -> Note:
    """A push to Dora."""
    seeing = world[0]
    card = card_of(seeing.over(NOW_S, NOW_S), DORA, seeing.tweets[tweet_id])
    return Note(at_s, TweetEvent(1, card))


def test_a_push_of_what_is_at_home_is_right(world: World) -> None:
    assert heard(world, told(world, 10, 11.0), told(world, 12, 13.0)) == []


def test_a_push_of_what_is_hidden_is_a_leak(world: World) -> None:
    """Of who is muted, and a retweet of who is muted."""
    assert heard(world, told(world, 11, 12.0), told(world, 13, 14.0)) == [Sort.LEAKED] * 2


def test_a_push_that_was_decided_before_a_change_may_come_after_it(world: World) -> None:
    """One of a tweet that was posted after the change may not; nor one that nobody was told of."""
    seeing = world[0]
    mutes = seeing.bond("mutes", DORA, ANNA)
    mutes.answered(mutes.begin(20.0, True), 21.0, is_told=True)
    said(seeing, 22, ANNA)
    assert heard(world, told(world, 10, 25.0)) == []
    assert heard(world, told(world, 22, 25.0)) == [Sort.LEAKED]
    mutes.answered(mutes.begin(30.0, False), 31.0, is_told=True)
    assert heard(world, told(world, 22, 29.0)) == [Sort.LEAKED]
    assert heard(world, told(world, 22, 32.0)) == [], "held back until then"


def test_the_end_of_a_tweet_is_told_to_those_alone_who_know_of_it(world: World) -> None:
    seeing = world[0]
    for tweet_id in (10, 11):
        alive = seeing.tweets[tweet_id].alive
        alive.answered(alive.begin(40.0, False), 41.0, is_told=True)
    ends = [Note(42.0, TweetDeleted(n, str(tweet_id))) for n, tweet_id in enumerate((10, 11))]
    assert heard(world, *ends) == [Sort.LEAKED]


def test_what_nobody_said_is_a_leak(world: World) -> None:
    card = told(world, 10, 11.0)
    card.event.raw["id"] = "99"  # type: ignore[union-attr]
    assert heard(world, card) == [Sort.LEAKED]


def not_told(world: World, shown: dict[int, str]) -> list[Sort]:
    found = Findings()
    judge_told(found, world[0], DORA, "dora", shown, NOW_S)
    return [fault.sort for fault in found.faults]


def test_all_that_was_at_home_all_along_must_be_told(world: World) -> None:
    """In its present text, and that it is gone."""
    seeing = world[0]
    assert not_told(world, {10: "text 10", 12: "", 14: "text 14"}) == []
    assert not_told(world, {10: "text 10", 14: "text 14"}) == [Sort.LOST]
    text = seeing.tweets[10].text
    text.answered(text.begin(50.0, "edited"), 51.0, is_told=True)
    assert not_told(world, {10: "text 10", 12: "", 14: "text 14"}) == [Sort.LOST]
    alive = seeing.tweets[10].alive
    alive.answered(alive.begin(60.0, False), 61.0, is_told=True)
    assert not_told(world, {14: "text 14"}) == []
    assert not_told(world, {10: "edited", 12: "", 14: "text 14"}) == [Sort.LEAKED] * 2


def test_of_what_was_hidden_for_a_while_nothing_need_be_told(world: World) -> None:
    mutes = world[0].bond("mutes", DORA, ANNA)
    mutes.answered(mutes.begin(5.0, True), 6.0, is_told=True)
    mutes.answered(mutes.begin(30.0, False), 31.0, is_told=True)
    assert not_told(world, {14: "text 14"}) == []
