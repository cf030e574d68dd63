"""The events that tell of a tweet: posted, edited, deleted. Pure."""

from typing import TypedDict

from rookery.domain.visibility import MENTIONED, Facts
from rookery.events.encoding import tweet_record, without_secrets
from rookery.events.kinds import TweetDeleted, TweetEdited, TweetPosted, TweetRecord
from rookery.models import Tweet, User
from rookery.services.reading.facts import mentioned_in
from rookery.services.tweets.new_tweets import Original


class _Reach(TypedDict):
    """Whom a change of a tweet reaches; see `rookery.events.kinds`."""

    original_author_id: int | None
    original_conversation_id: int | None
    audience: list[int] | None
    let_in: list[int] | None


def posted(tweet: Tweet, author: User, original: Original | None) -> TweetPosted:
    """A tweet was posted; `original` is what it retweets or quotes."""
    return TweetPosted(
        id=tweet.id,
        tweet_id=tweet.id,
        author_id=tweet.author_id,
        conversation_id=tweet.conversation_id,
        kind=tweet.kind,
        record=tweet_record(tweet, author, record_of(tweet, original)),
        **_reach(tweet, None if original is None else original.facts),
    )


def edited(event_id: int, tweet: Tweet, author: User, original: Original | None) -> TweetEdited:
    """A tweet has another text; `original` is what it quotes, if that is still there."""
    return TweetEdited(
        id=event_id,
        tweet_id=tweet.id,
        author_id=tweet.author_id,
        conversation_id=tweet.conversation_id,
        kind=tweet.kind,
        record=tweet_record(tweet, author, record_of(tweet, original)),
        **_reach(tweet, None if original is None else original.facts),
    )


def deleted(event_id: int, tweet: Tweet, original: Facts | None = None) -> TweetDeleted:
    """A tweet is gone; `original` is what it retweeted or quoted, as far as it is known."""
    return TweetDeleted(
        id=event_id,
        tweet_id=tweet.id,
        author_id=tweet.author_id,
        conversation_id=tweet.conversation_id,
        kind=tweet.kind,
        **_reach(tweet, original),
    )


def _reach(tweet: Tweet, original: Facts | None) -> _Reach:
    """A retweet reaches nobody who may not see what it shows."""
    shown = original if tweet.retweet_of_id is not None else None
    return _Reach(
        original_author_id=None if original is None else original.author_id,
        original_conversation_id=None if shown is None else shown.conversation_id,
        audience=_audience(tweet, shown),
        let_in=_let_in(tweet, shown),
    )


def _audience(tweet: Tweet, shown: Facts | None) -> list[int] | None:
    if shown is not None:
        if shown.visibility != MENTIONED:
            return None
        return sorted({shown.author_id, *shown.mentioned})
    if tweet.visibility != MENTIONED:
        return None
    return sorted({tweet.author_id, *mentioned_in(tweet)})


def _let_in(tweet: Tweet, shown: Facts | None) -> list[int] | None:
    """Followers of its author may see what one retweets of one's own."""
    if shown is None or not shown.is_restricted or shown.author_id == tweet.author_id:
        return None
    return sorted(shown.mentioned)


def record_of(tweet: Tweet, original: Original | None) -> TweetRecord | None:
    """What a tweet shows, to be told with it; None where somebody it reaches may not see that."""
    if original is None or not _reaches_only_who_may_see(tweet, original):
        return None
    return TweetRecord(original.tweet, without_secrets(original.author))


def _reaches_only_who_may_see(tweet: Tweet, original: Original) -> bool:
    if not original.facts.is_restricted:
        return True
    if original.tweet.author_id != tweet.author_id:
        return False
    # One's own followers may see it; a retweet has the audience of what it shows.
    return original.tweet.visibility != MENTIONED or tweet.retweet_of_id is not None
