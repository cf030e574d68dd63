"""The events that tell of a tweet: posted, edited, deleted. Pure."""

from typing import Any

from rookery.domain.visibility import ACTIVE, MENTIONED, PUBLIC, Facts
from rookery.events.encoding import tweet_record, without_secrets
from rookery.events.kinds import TweetDeleted, TweetEdited, TweetPosted, TweetRecord
from rookery.models import Tweet, User
from rookery.services.tweets.new_tweets import Original


def posted(tweet: Tweet, author: User, original: Original | None) -> TweetPosted:
    """A tweet was posted; `original` is what it retweets or quotes."""
    return TweetPosted(
        id=tweet.id,
        record=tweet_record(tweet, author, record_of(tweet, original)),
        **_about(tweet, None if original is None else original.facts),
    )


def edited(event_id: int, tweet: Tweet, author: User, original: Original | None) -> TweetEdited:
    """A tweet has another text; `original` is what it quotes, if that is still there."""
    return TweetEdited(
        id=event_id,
        record=tweet_record(tweet, author, record_of(tweet, original)),
        **_about(tweet, None if original is None else original.facts),
    )


def deleted(
    event_id: int, tweet: Tweet, original: Facts | None, *, is_for_nobody: bool = False
) -> TweetDeleted:
    """A tweet is gone; `original` are the facts of what it retweeted, as far as they are known.

    `is_for_nobody`: its author's account is suspended, so that nobody could see it.
    """
    about = _about(tweet, original)
    if is_for_nobody:
        about["audience"] = []
    return TweetDeleted(id=event_id, **about)


def _about(tweet: Tweet, original: Facts | None) -> dict[str, Any]:
    """What every event says of a tweet, and of whom it reaches, by the fields' names."""
    about = {
        "tweet_id": tweet.id,
        "author_id": tweet.author_id,
        "conversation_id": tweet.conversation_id,
        "kind": tweet.kind,
    }
    if original is None and tweet.visibility != MENTIONED:
        return about  # Most are for all who follow the author.
    shown = original if tweet.retweet_of_id is not None else None
    return {
        **about,
        "original_author_id": None if original is None else original.author_id,
        "audience": audience_of(tweet, shown),
        "original_conversation_id": None if shown is None else shown.conversation_id,
        "original_audience": original_audience_of(tweet, original),
    }


def audience_of(tweet: Tweet, shown: Facts | None) -> list[int] | None:
    """The only users whom a tweet may reach; None where followers decide.

    A retweet reaches nobody who may not see what it shows.
    """
    if shown is None:
        author_id, visibility, mentioned = tweet.author_id, tweet.visibility, tweet.mentioned_ids
    elif shown.author_status != ACTIVE:
        return []
    else:
        author_id, visibility, mentioned = shown.author_id, shown.visibility, shown.mentioned
    return sorted({author_id, *mentioned}) if visibility == MENTIONED else None


def original_audience_of(tweet: Tweet, original: Facts | None) -> list[int] | None:
    """Who may see what a tweet retweets or quotes beside the followers of that author.

    None where everybody may whom the tweet reaches, as where its author tweeted both.
    """
    if original is None or original.author_id == tweet.author_id:
        return None
    if original.visibility == PUBLIC and not original.author_is_private:
        return None
    return sorted({original.author_id, *original.mentioned})


def record_of(tweet: Tweet, original: Original | None) -> TweetRecord | None:
    """What a tweet shows, to be told with it; None where nobody whom it reaches may see that, or
    where those who may cannot be told apart."""
    if original is None:
        return None
    facts = original.facts
    if facts.author_status != ACTIVE:
        return None
    if facts.visibility == MENTIONED and tweet.retweet_of_id is None:
        return None
    return TweetRecord(original.tweet, without_secrets(original.author))
