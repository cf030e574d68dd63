"""The collections as the release before had them, to build stores that are to be upgraded."""

from dataclasses import replace

from rookery.store.engine import Collection
from rookery.store.schema import COLLECTIONS

ADDED = {
    "retweeted",
    "quotes",
    "bookmarks",
    "bookmarkers",
    "pins",
    "follow_requests",
    "sent_requests",
    "blocks",
    "blocked_by",
    "mutes",
    "muted_conversations",
    "event_backlog",
    "failed_events",
}
"""Collections that SQLite's version 5 and MongoDB's version 4 added."""
ADDED_COLUMNS = {
    "user_counts": {"pins"},
    "tweet_counts": {"pins"},
    "retweets": {"author_id"},
}
SQLITE_VERSION = 4
MONGO_VERSION = 3


def _former(collection: Collection) -> Collection:
    added = ADDED_COLUMNS.get(collection.name, set())
    columns = {name: type_ for name, type_ in collection.columns.items() if name not in added}
    return replace(collection, columns=columns)


FORMER_COLLECTIONS = tuple(_former(each) for each in COLLECTIONS if each.name not in ADDED)
