"""Timelines and connections: the consumer that brings changes to them."""

from rookery.events.kinds import TweetDeleted, TweetEdited, TweetPosted
from rookery.messages import Delivery
from rookery.models import EventKind

KINDS: dict[type, EventKind] = {
    TweetPosted: EventKind.TWEET,
    TweetEdited: EventKind.TWEET_EDITED,
    TweetDeleted: EventKind.TWEET_DELETED,
}


def delivery_of(event: TweetPosted | TweetEdited | TweetDeleted) -> Delivery:
    """What shards are told of a change of a tweet."""
    return Delivery(
        event_id=event.id,
        event_kind=KINDS[type(event)],
        tweet_id=event.tweet_id,
        author_id=event.author_id,
        post_kind=event.kind,
        conversation_id=event.conversation_id,
        original_author_id=event.original_author_id,
        audience=event.audience,
        record=b"" if isinstance(event, TweetDeleted) else event.record,
    )
