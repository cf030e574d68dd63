"""From what an author typed to what is stored: checked text, entities, kind."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from rookery.errors import InvalidText
from rookery.models import PostKind, Tweet
from rookery.store.records.users import username_key
from rookery.text import Entities, TextProblem, parse

StoredEntities = dict[str, list[Any]]
IdsOfNames = Callable[[Iterable[str]], Awaitable[dict[str, int]]]
"""From usernames to user ids by lower-case name, without those of nobody."""

_NO_ENTITIES: StoredEntities = {"mentions": [], "hashtags": [], "cashtags": [], "urls": []}
"""Shared by all tweets without any, since most are kept in a cache; nobody changes it."""
_REPLY, _RETWEET = int(PostKind.REPLY), int(PostKind.RETWEET)
_MEDIA, _QUOTE = int(PostKind.MEDIA), int(PostKind.QUOTE)


async def compose(text: str, max_length: int, named: IdsOfNames) -> tuple[str, StoredEntities]:
    """The text as it is kept, and its entities with the ids of the users it mentions.

    Only if the text mentions someone are the ids asked for, by `named`.

    Raises:
        InvalidText: the text may not be posted.
    """
    try:
        parsed = parse(text, max_length)
    except TextProblem as problem:
        raise InvalidText(problem.reason, problem.code) from problem
    found = parsed.entities
    mentioned: dict[str, int] = {}
    if found.mentions:
        mentioned = await named(mention.username for mention in found.mentions)
    return parsed.text, stored_entities(found, mentioned)


def stored_entities(found: Entities, mentioned: dict[str, int]) -> StoredEntities:
    """Entities as they are stored and shown; `mentioned` are user ids by lower-case name.

    The id of a mention is a decimal string, as all ids in JSON, or None if nobody has the name.
    Mentions of lists are no mentions of their owners, and are left out.
    """
    if not found:
        return _NO_ENTITIES
    return {
        "mentions": [
            {
                "username": mention.username,
                "id": _text_id(mentioned.get(username_key(mention.username))),
                "start": mention.start,
                "end": mention.end,
            }
            for mention in found.mentions
            if mention.list_slug is None
        ],
        "hashtags": [
            {"tag": tag.tag, "start": tag.start, "end": tag.end} for tag in found.hashtags
        ],
        "cashtags": [
            {"symbol": tag.symbol, "start": tag.start, "end": tag.end} for tag in found.cashtags
        ],
        "urls": [{"url": url.url, "start": url.start, "end": url.end} for url in found.urls],
    }


def _text_id(user_id: int | None) -> str | None:
    return None if user_id is None else str(user_id)


def kind_of(tweet: Tweet) -> int:
    """The `PostKind` bits of a tweet, from its other fields."""
    kind = 0
    if tweet.reply_to_id is not None:
        kind |= _REPLY
    if tweet.retweet_of_id is not None:
        kind |= _RETWEET
    if tweet.media:
        kind |= _MEDIA
    if tweet.quote_of_id is not None:
        kind |= _QUOTE
    return kind
