"""Bytes that a user, a follow and a tweet take in the store, its indexes included."""

import sqlite3
import tempfile
from pathlib import Path
from typing import NamedTuple

from bench.world import Plan, build, random_authors, regular_follows
from rookery.store import SQLITE_FILE


class StoredBytes(NamedTuple):
    user: float
    follow: float
    tweet: float


async def measure() -> StoredBytes:
    """From how SQLite files grow that differ in one of the three; a few seconds."""
    users, follows, tweets = 1_000, 10, 20_000
    base = await _size(users, follows, 0)
    per_follow = (await _size(users, follows * 6, 0) - base) / (users * follows * 5)
    per_user = (await _size(users * 3, follows, 0) - base) / (users * 2) - follows * per_follow
    per_tweet = (await _size(users, follows, tweets) - base) / tweets
    return StoredBytes(per_user, per_follow, per_tweet)


async def _size(users: int, follows: int, tweets: int) -> int:
    plan = Plan(regular_follows(users, follows), random_authors(users, tweets))
    with tempfile.TemporaryDirectory(prefix="rookery-bench-") as folder:
        await build(Path(folder), plan)
        database = sqlite3.connect(Path(folder) / SQLITE_FILE)
        try:
            pages, free, page_bytes = (
                database.execute(f"PRAGMA {what}").fetchone()[0]
                for what in ("page_count", "freelist_count", "page_size")
            )
        finally:
            database.close()
    return int((pages - free) * page_bytes)
