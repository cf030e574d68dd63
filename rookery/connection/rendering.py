"""Tweets as streams show them.

No I/O. A record is rendered once for all who get it, whatever their number; what is said of the
original of a quote may differ between two groups of them. Where it depends on each of them, the
event is fetched for each.
"""

from typing import Literal

import msgspec
import structlog

from rookery.connection.wire import UNKNOWN_KIND, Event
from rookery.events.encoding import read_record
from rookery.events.kinds import TweetRecord
from rookery.messages import Push
from rookery.models import Tweet
from rookery.views import PushedTweet, TweetCard, UnavailableTweet, tweet_card

log = structlog.get_logger(__name__)


def event_of(push: Push) -> Event | None:
    """The event that a push brings; None where what it shows is to be looked up for each user.

    One that cannot be read, since another version of the program has sent it, has its clients
    refetch.
    """
    if not push.record:
        return Event(push.event_kind, push.subject_id)
    try:
        record = read_record(push.record)
    except msgspec.MsgspecError as error:
        log.warning("a pushed tweet cannot be read", tweet_id=push.subject_id, error=str(error))
        return Event(UNKNOWN_KIND, push.subject_id)
    tweet = record.tweet
    shows = tweet.retweet_of_id or tweet.quote_of_id
    if shows is not None and record.original is None and not push.hides_quote:
        return None
    return Event(
        push.event_kind, push.subject_id, pushed_record(record, hides_quote=push.hides_quote)
    )


def pushed_record(record: TweetRecord, *, hides_quote: bool = False) -> PushedTweet:
    """A tweet for everybody whom it reaches; `hides_quote`: but for what it quotes."""
    tweet = record.tweet
    card = tweet_card(tweet, record.author)
    original = record.original
    if original is None or hides_quote:
        if tweet.quote_of_id is None:
            return pushed(card)
        return pushed(card, quote_of=unavailable(tweet.quote_of_id, "hidden"))
    return referring(tweet, card, tweet_card(original.tweet, original.author))


def referring(tweet: Tweet, card: TweetCard, original: TweetCard) -> PushedTweet:
    """A retweet or quote, with what it refers to."""
    if tweet.retweet_of_id is not None:
        return pushed(card, retweet_of=original)
    return pushed(card, quote_of=original)


def unavailable(tweet_id: int, reason: Literal["deleted", "hidden"]) -> UnavailableTweet:
    """What stands in the place of a tweet."""
    return UnavailableTweet(id=str(tweet_id), unavailable=reason)


def pushed(
    card: TweetCard,
    *,
    retweet_of: TweetCard | None = None,
    quote_of: TweetCard | UnavailableTweet | None = None,
) -> PushedTweet:
    """A tweet with this card."""
    fields = msgspec.structs.asdict(card)
    return PushedTweet(**fields, retweet_of=retweet_of, quote_of=quote_of)
