"""From what somebody wants to post to the tweet that is stored. Pure."""

from typing import Any, NamedTuple

import msgspec

from rookery.domain.visibility import MENTIONED, PUBLIC, Facts
from rookery.models import PostKind, Tweet, User
from rookery.services.reading.facts import facts_of
from rookery.services.tweets.composing import StoredEntities, kind_of


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
    """

    tweet: Tweet
    is_new: bool


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
    shown = original.facts if original is not None and is_retweet else None
    is_restricted = facts_of(tweet, author, shown).is_restricted
    kind = kind_of(tweet) | (PostKind.RESTRICTED if is_restricted else 0)
    if MENTIONED in (tweet.visibility, None if shown is None else shown.visibility):
        kind |= PostKind.MENTIONED
    if not kind:
        return tweet
    # Who sees the count of a tweet also sees that of its retweets, whoever made them.
    is_counted = is_retweet or not is_restricted
    return msgspec.structs.replace(tweet, kind=int(kind), is_counted=is_counted)
