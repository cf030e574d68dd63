"""The checker's own rules of who may see what."""

import pytest

from tests.chaos.seeing import Said, Seeing

ANNA, BERT, CARL, DORA = 1, 2, 3, 4
BY_ANNA = Said(10, ANNA)
BERT_RETWEETS = Said(11, BERT, BY_ANNA)


@pytest.fixture
def seeing() -> Seeing:
    """Dora follows Anna and Bert."""
    made = Seeing()
    for author in (ANNA, BERT):
        made.value("follows", DORA, author).set(True)
    return made


SURELY, PERHAPS, NEVER = (True, True), (False, True), (False, False)


def test_followers_see_all_and_others_see_what_is_public(seeing: Seeing) -> None:
    assert seeing.in_home(DORA, BERT_RETWEETS) == SURELY
    assert seeing.in_home(CARL, BY_ANNA) == NEVER
    assert seeing.sees(CARL, BY_ANNA) == SURELY
    seeing.private.add(ANNA)
    assert seeing.sees(CARL, BY_ANNA) == NEVER
    assert seeing.sees(DORA, BY_ANNA) == SURELY


@pytest.mark.parametrize("pair", [(DORA, ANNA), (ANNA, DORA)])
def test_a_block_hides_both_ways_and_retweets_too(seeing: Seeing, pair: tuple[int, int]) -> None:
    seeing.value("blocks", *pair).set(True)
    for tweet in (BY_ANNA, BERT_RETWEETS):
        assert seeing.sees(DORA, tweet) == NEVER
    assert seeing.sees(BERT, BERT_RETWEETS) == SURELY


def test_a_mute_hides_from_lists_only(seeing: Seeing) -> None:
    seeing.value("mutes", DORA, ANNA).set(True)
    for tweet in (BY_ANNA, BERT_RETWEETS):
        assert seeing.in_home(DORA, tweet) == NEVER
        assert seeing.sees(DORA, tweet) == SURELY
    seeing.value("mutes", BERT, ANNA).set(True)
    assert seeing.in_home(BERT, BERT_RETWEETS) == SURELY, "one's own"


@pytest.mark.parametrize(
    ("what", "pair", "value"),
    [
        ("blocks", (ANNA, DORA), True),
        ("mutes", (DORA, ANNA), True),
        ("follows", (DORA, BERT), False),
    ],
)
def test_what_got_no_answer_may_be_so_or_not(
    seeing: Seeing, what: str, pair: tuple[int, int], value: bool
) -> None:
    seeing.value(what, *pair).doubt(value)
    assert seeing.in_home(DORA, BERT_RETWEETS) == PERHAPS


def test_what_was_taken_back_is_for_nobody(seeing: Seeing) -> None:
    again = Said(12, BERT, BY_ANNA)
    again.alive.doubt(False)
    assert seeing.in_home(BERT, again) == PERHAPS
    again.alive.set(False)
    assert seeing.in_home(BERT, again) == NEVER
