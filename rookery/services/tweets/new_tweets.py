"""From what somebody wants to post to the tweet that is stored. Pure."""

from typing import Any, NamedTuple

import msgspec

from rookery.domain.visibility import MENTIONED, PUBLIC, Facts, is_restricted
from rookery.models import PostKind, Tweet, User
from rookery.services.reading.facts import facts_of
from rookery.services.reading.shown import Shown
from rookery.services.tweets.composing import StoredEntities, kind_of

_RESTRICTED, _MENTIONED = int(PostKind.RESTRICTED), int(PostKind.MENTIONED)


class NewTweet(msgspec.Struct, frozen=True, kw_only=True):
    """What someone wants to post.

    With `retweet_of_id`, an empty text makes a retweet and any other a quote. `visibility` is one
    of `rookery.domain.visibility`; a retweet is for whoever may see what it shows.
    """

    text: str
    reply_to_id: int | None = None
    sensitive: bool = False
    lang: str | None = None
    retweet_of_id: int | None = None
    visibility: str = PUBLIC

    @property
    def is_retweet(self) -> bool:
        return self.retweet_of_id is not None and not self.text

    def request(self) -> dict[str, Any]:
        """What must be equal in a repetition with the same `Idempotency-Key`.

        Earlier releases recorded requests without a visibility, so the usual one is left out.
        """
        fields = msgspec.structs.asdict(self)
        if self.visibility == PUBLIC:
            del fields["visibility"]
        return fields


class Posted(NamedTuple):
    """A tweet, and whether it was posted just now.

    It was posted before where the same key was used, or the same tweet is retweeted once more.
    `shown` is how its author sees it, where that is known without asking.
    """

    tweet: Tweet
    is_new: bool
    shown: Shown | None = None


class Original(NamedTuple):
    """What a retweet or a quote shows."""

    tweet: Tweet
    author: User

    @property
    def facts(self) -> Facts:
        return facts_of(self.tweet, self.author)


def tweet_of(
    tweet_id: int,
    new: NewTweet,
    author: User,
    text: str,
    entities: StoredEntities,
    parent: Tweet | None,
    original: Original | None,
) -> Tweet:
    """The tweet to store; `parent` is what it replies to."""
    is_retweet = original is not None and not text
    original_id = None if original is None else original.tweet.id
    tweet = Tweet(
        id=tweet_id,
        author_id=author.id,
        text=text,
        entities=entities,
        reply_to_id=None if parent is None else parent.id,
        reply_to_user_id=None if parent is None else parent.author_id,
        conversation_id=tweet_id if parent is None else parent.conversation_id,
        retweet_of_id=original_id if is_retweet else None,
        quote_of_id=None if is_retweet else original_id,
        sensitive=new.sensitive,
        lang=new.lang,
        visibility=PUBLIC if is_retweet else new.visibility,
    )
    kind = kind_of(tweet)
    is_for_some = is_restricted(tweet.visibility, author.is_private, author.status)
    is_for_named = tweet.visibility == MENTIONED
    if is_retweet and original is not None:
        is_for_some = is_for_some or original.facts.is_restricted
        is_for_named = original.facts.visibility == MENTIONED
    if is_for_some:
        kind |= _RESTRICTED
    if is_for_named:
        kind |= _MENTIONED
    if not kind:
        return tweet
    # Who sees the count of a tweet also sees that of its retweets, whoever made them.
    return msgspec.structs.replace(tweet, kind=kind, is_counted=is_retweet or not is_for_some)
