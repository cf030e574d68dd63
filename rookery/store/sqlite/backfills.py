"""What the steps from one schema version to the next do to the tables and to what is in them.

Each runs in the transaction of its step, see `migrations`. An earlier step may have created a
table as it is declared now, so a column is added only where it is not there.
"""

import sqlite3
from collections.abc import Iterable

import msgspec

from rookery.models import PostKind
from rookery.store.engine import Collection
from rookery.store.sqlite.tables import tables

AT_ONCE = 1000
"""So many documents are taken up at a time."""

_decode = msgspec.msgpack.Decoder().decode


def create_all(connection: sqlite3.Connection, collections: Iterable[Collection]) -> None:
    """Create the tables and indexes of `collections`."""
    for table in tables(collections).values():
        for statement in table.create_sql():
            connection.execute(statement)


def create_missing(connection: sqlite3.Connection, collections: Iterable[Collection]) -> None:
    """Create the tables of those `collections` that have none yet."""
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    found = {name for (name,) in rows}
    create_all(connection, [each for each in collections if each.name not in found])


def note_removals(connection: sqlite3.Connection, collections: Iterable[Collection]) -> None:
    """Add tombstones, removals and retweets, and note what tweets deleted so far left behind.

    The removals themselves are done by the running server, step by step, with their counts.
    """
    create_missing(connection, collections)
    names = {each.name for each in collections}
    if not {"removals", "retweets", "posts", "tweets", "favouriters", "conversations"} <= names:
        return  # a part of the collections, as tests make it
    retweets = connection.execute(
        "SELECT p.tweet_id, t.body FROM posts AS p JOIN tweets AS t ON t.id = p.tweet_id"
        " WHERE p.kind & ?",
        (int(PostKind.RETWEET),),
    )
    while some := retweets.fetchmany(AT_ONCE):
        pairs = [(_decode(body)["retweet_of_id"], tweet_id) for tweet_id, body in some]
        connection.executemany(
            "INSERT OR IGNORE INTO retweets (original_id, tweet_id) VALUES (?, ?)", pairs
        )
    connection.execute(
        "DELETE FROM conversations WHERE conversation_id = tweet_id"
        " AND tweet_id IN (SELECT tweet_id FROM retweets)"
    )
    for table, field in (("favouriters", "tweet_id"), ("retweets", "original_id")):
        connection.execute(
            f"INSERT OR IGNORE INTO removals (tweet_id, token) SELECT DISTINCT {field}, 1"
            f" FROM {table} WHERE {field} NOT IN (SELECT id FROM tweets)"
        )


def list_retweets_and_quotes(
    connection: sqlite3.Connection, collections: Iterable[Collection]
) -> None:
    """Add collections and columns of retweets, quotes, pins, requests, blocks and mutes.

    Who retweets and who quotes what is listed from the tweets. Of several retweets of a tweet by
    the same user, which former releases took, the oldest is listed as that user's. For the others
    removals are noted: the running server deletes them, with all that this takes.
    """
    create_missing(connection, collections)
    names = {each.name for each in collections}
    for table, column, default in (
        ("user_counts", "pins", " DEFAULT 0"),
        ("tweet_counts", "pins", " DEFAULT 0"),
        ("retweets", "author_id", ""),
    ):
        if table in names:
            _add_column(connection, table, column, default)
    if not {"retweets", "retweeted", "quotes", "removals", "posts", "tweets"} <= names:
        return  # a part of the collections, as tests make it
    connection.execute(
        "UPDATE retweets SET author_id ="
        " (SELECT author_id FROM tweets WHERE tweets.id = retweets.tweet_id)"
    )
    connection.execute(
        "INSERT INTO retweeted (author_id, original_id, tweet_id)"
        " SELECT author_id, original_id, min(tweet_id) FROM retweets"
        " WHERE author_id IS NOT NULL GROUP BY author_id, original_id"
    )
    connection.execute(
        "INSERT OR IGNORE INTO removals (tweet_id, token)"
        " SELECT r.tweet_id, 1 FROM retweets AS r JOIN retweeted AS o"
        " ON o.author_id = r.author_id AND o.original_id = r.original_id"
        " WHERE o.tweet_id <> r.tweet_id"
    )
    _list_quotes(connection)


def _list_quotes(connection: sqlite3.Connection) -> None:
    quotes = connection.execute(
        "SELECT p.author_id, p.tweet_id, t.body FROM posts AS p JOIN tweets AS t"
        " ON t.id = p.tweet_id WHERE p.kind & ?",
        (int(PostKind.QUOTE),),
    )
    while some := quotes.fetchmany(AT_ONCE):
        connection.executemany(
            "INSERT INTO quotes (original_id, tweet_id, author_id, counted)"
            " SELECT ?1, ?2, ?3, 1 WHERE EXISTS (SELECT 1 FROM tweets WHERE id = ?1)",
            [
                (_decode(body)["quote_of_id"], tweet_id, author_id)
                for author_id, tweet_id, body in some
            ],
        )


def _add_column(connection: sqlite3.Connection, table: str, column: str, default: str) -> None:
    found = connection.execute("SELECT name FROM pragma_table_info(?)", (table,)).fetchall()
    if (column,) not in found:
        connection.execute(f"ALTER TABLE {table} ADD COLUMN {column} INTEGER{default}")
