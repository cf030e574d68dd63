"""The facts of a tweet: what decides who may see it, from the records. No I/O."""

import msgspec

from rookery.domain.visibility import Facts
from rookery.models import Tweet, User


def facts_of(tweet: Tweet, author: User, original: Facts | None = None) -> Facts:
    """The facts of `tweet` by `author`; `original` are those of what it retweets."""
    facts = Facts(
        author_id=author.id,
        conversation_id=tweet.conversation_id,
        visibility=tweet.visibility,
        author_is_private=author.is_private,
        author_status=author.status,
        original=original,
    )
    if not facts.is_restricted:
        return facts  # Everybody may see it: whom it mentions decides nothing.
    return msgspec.structs.replace(facts, mentioned=tweet.mentioned_ids)
