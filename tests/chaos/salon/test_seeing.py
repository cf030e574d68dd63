"""The checker's own rules of who may see what."""

import pytest

from tests.chaos.salon.history import NO, PERHAPS, YES, History
from tests.chaos.salon.seeing import (
    Bond,
    Over,
    Said,
    Seeing,
    among_quotes,
    among_retweeters,
    hears,
    in_home,
    in_timeline,
    quoted_as,
    sees,
)

ANNA, BERT, CARL, DORA = 1, 2, 3, 4


def said(
    tweet_id: int, author: int, original: Said | None = None, quoted: Said | None = None
) -> Said:
    return Said(tweet_id, author, History(f"text {tweet_id}"), original, quoted)


@pytest.fixture
def seeing() -> Seeing:
    """Dora follows Anna and Bert."""
    made = Seeing()
    for author in (ANNA, BERT):
        made.bond("follows", DORA, author).settle(True)
    return made


@pytest.fixture
def at(seeing: Seeing) -> Over:
    return seeing.over(10.0, 11.0)


BY_ANNA = said(10, ANNA)
BERT_RETWEETS = said(11, BERT, original=BY_ANNA)
BERT_QUOTES = said(12, BERT, quoted=BY_ANNA)


def test_followers_see_all_and_others_see_what_is_public(seeing: Seeing, at: Over) -> None:
    assert in_home(at, DORA, BERT_RETWEETS) == YES
    assert in_home(at, CARL, BY_ANNA) == NO
    assert sees(at, CARL, BY_ANNA) == YES
    seeing.private(ANNA).settle(True)
    for tweet in (BY_ANNA, BERT_RETWEETS):
        assert sees(at, CARL, tweet) == NO
        assert sees(at, DORA, tweet) == YES
        assert sees(at, ANNA, tweet) == YES
    assert sees(at, BERT, BERT_RETWEETS) == NO, "not even one's own"


def test_what_a_private_account_retweets_is_for_its_followers(seeing: Seeing, at: Over) -> None:
    seeing.private(BERT).settle(True)
    assert (sees(at, CARL, BERT_RETWEETS), sees(at, DORA, BERT_RETWEETS)) == (NO, YES)
    assert among_retweeters(at, CARL, BERT_RETWEETS) == NO
    assert among_retweeters(at, DORA, BERT_RETWEETS) == YES


@pytest.mark.parametrize("pair", [(DORA, ANNA), (ANNA, DORA)])
def test_a_block_hides_both_ways_and_retweets_too(
    seeing: Seeing, at: Over, pair: tuple[int, int]
) -> None:
    seeing.bond("blocks", *pair).settle(True)
    for tweet in (BY_ANNA, BERT_RETWEETS):
        assert sees(at, DORA, tweet) == NO
        assert hears(at, DORA, tweet) == NO
    assert sees(at, BERT, BERT_RETWEETS) == YES
    assert among_retweeters(at, DORA, BERT_RETWEETS) == YES, "Bert is in no block"


def test_a_mute_hides_from_lists_only(seeing: Seeing, at: Over) -> None:
    seeing.bond("mutes", DORA, ANNA).settle(True)
    for tweet in (BY_ANNA, BERT_RETWEETS):
        assert in_home(at, DORA, tweet) == NO
        assert sees(at, DORA, tweet) == YES
    assert in_timeline(at, DORA, BY_ANNA) == YES, "of whom is asked for"
    assert in_timeline(at, DORA, BERT_RETWEETS) == NO
    assert in_home(at, DORA, BERT_QUOTES) == YES
    seeing.bond("mutes", BERT, ANNA).settle(True)
    assert in_home(at, BERT, BERT_RETWEETS) == YES, "one's own"
    seeing.bond("mutes", DORA, BERT).settle(True)
    assert among_quotes(at, DORA, BERT_QUOTES) == NO
    assert in_timeline(at, DORA, BERT_QUOTES) == YES


@pytest.mark.parametrize(
    ("bond", "pair", "value"),
    [
        ("blocks", (ANNA, DORA), True),
        ("mutes", (DORA, ANNA), True),
        ("follows", (DORA, BERT), False),
    ],
)
def test_what_got_no_answer_may_be_so_or_not(
    seeing: Seeing, at: Over, bond: Bond, pair: tuple[int, int], value: bool
) -> None:
    seeing.bond(bond, *pair).doubt(value)
    assert in_home(at, DORA, BERT_RETWEETS) == PERHAPS


def test_what_changes_while_one_looks_may_be_seen_or_not(seeing: Seeing) -> None:
    """Who looks after the answer sees what is, and nobody is shown it early."""
    blocks = seeing.bond("blocks", ANNA, DORA)
    blocks.answered(blocks.begin(10.0, True), 11.0, is_told=True)
    for from_s, to_s, due in ((8.0, 9.0, YES), (9.0, 10.5, PERHAPS), (11.0, 12.0, NO)):
        assert sees(seeing.over(from_s, to_s), DORA, BY_ANNA) == due


def test_what_was_taken_back_is_for_nobody(at: Over) -> None:
    again = said(13, BERT, original=BY_ANNA)
    again.alive.doubt(False)
    assert in_home(at, BERT, again) == PERHAPS
    again.alive.settle(False)
    assert in_home(at, BERT, again) == NO


def test_a_retweet_goes_with_its_original_and_a_quote_stays(seeing: Seeing, at: Over) -> None:
    original = said(20, ANNA)
    retweet, quote = said(21, BERT, original=original), said(22, BERT, quoted=original)
    assert quoted_as(at, DORA, quote) == {"whole"}
    original.alive.settle(False)
    assert in_home(at, DORA, retweet) == NO
    assert in_home(at, DORA, quote) == YES
    assert quoted_as(at, DORA, quote) == {"deleted"}


def test_what_is_quoted_is_hidden_from_who_may_not_see_it(seeing: Seeing, at: Over) -> None:
    seeing.bond("blocks", ANNA, DORA).settle(True)
    assert sees(at, DORA, BERT_QUOTES) == YES
    assert quoted_as(at, DORA, BERT_QUOTES) == {"hidden"}
    seeing.private(ANNA).doubt(True)
    assert quoted_as(at, CARL, BERT_QUOTES) == {"whole", "hidden"}


def test_what_was_not_acknowledged_is_known_by_what_it_says(seeing: Seeing) -> None:
    """A retweet by what it shows; nobody else's, and only once."""
    post, retweet = said(0, ANNA), Said(0, BERT, original=BY_ANNA)
    seeing.unanswered += [post, retweet]
    assert seeing.find(30, BERT, "text 0", 0) is None
    assert seeing.find(30, ANNA, "text 0", 0) is post
    assert seeing.find(31, ANNA, "text 0", 0) is None
    assert seeing.find(32, BERT, "", 99) is None
    assert seeing.find(32, BERT, "", BY_ANNA.id) is retweet
    assert [*seeing.tweets] == [30, 32]
