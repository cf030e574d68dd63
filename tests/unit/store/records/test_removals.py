"""What goes with a tweet."""

from rookery.store.records.removals import REFERENCES
from rookery.store.schema import COLLECTIONS, RETWEETS

OF_A_TWEET = ("tweet_id", "original_id")


def test_each_list_of_a_tweet_goes_with_it() -> None:
    """A list that was forgotten would stay for ever, and name a tweet that is gone."""
    lists = {
        each.name
        for each in COLLECTIONS
        if len(each.key) == 2 and next(iter(each.key)) in OF_A_TWEET
    }
    assert lists == {each.listed.name for each in REFERENCES} | {RETWEETS.name}
