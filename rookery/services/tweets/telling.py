"""The events that tell of a tweet: posted, edited, deleted. Pure."""

from rookery.domain.visibility import MENTIONED
from rookery.events.encoding import tweet_record, without_secrets
from rookery.events.kinds import TweetDeleted, TweetEdited, TweetPosted, TweetRecord
from rookery.models import Tweet, User
from rookery.services.reading.facts import mentioned_in
from rookery.services.tweets.new_tweets import Original


def posted(tweet: Tweet, author: User, original: Original | None) -> TweetPosted:
    """A tweet was posted; `original` is what it retweets or quotes."""
    return TweetPosted(
        id=tweet.id,
        tweet_id=tweet.id,
        author_id=tweet.author_id,
        conversation_id=tweet.conversation_id,
        kind=tweet.kind,
        original_author_id=None if original is None else original.tweet.author_id,
        audience=audience_of(tweet, original),
        record=tweet_record(tweet, author, record_of(tweet, original)),
    )


def edited(event_id: int, tweet: Tweet, author: User, original: Original | None) -> TweetEdited:
    """A tweet has another text; `original` is what it quotes, if that is still there."""
    return TweetEdited(
        id=event_id,
        tweet_id=tweet.id,
        author_id=tweet.author_id,
        conversation_id=tweet.conversation_id,
        kind=tweet.kind,
        original_author_id=None if original is None else original.tweet.author_id,
        audience=audience_of(tweet, original),
        record=tweet_record(tweet, author, record_of(tweet, original)),
    )


def deleted(
    event_id: int, tweet: Tweet, original_author_id: int | None, original: Original | None = None
) -> TweetDeleted:
    """A tweet is gone; `original` is what it retweeted, where that was not for everybody."""
    return TweetDeleted(
        id=event_id,
        tweet_id=tweet.id,
        author_id=tweet.author_id,
        conversation_id=tweet.conversation_id,
        kind=tweet.kind,
        original_author_id=original_author_id,
        audience=audience_of(tweet, original),
    )


def audience_of(tweet: Tweet, original: Original | None) -> list[int] | None:
    """The only users whom a tweet may reach; None where followers decide.

    A retweet reaches nobody who may not see what it shows.
    """
    decides = tweet
    if original is not None and tweet.retweet_of_id is not None:
        decides = original.tweet
    if decides.visibility != MENTIONED:
        return None
    return sorted({decides.author_id, *mentioned_in(decides)})


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
