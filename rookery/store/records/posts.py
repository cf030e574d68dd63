"""The recent posts of many authors together: what a home timeline is built from."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rookery.store.engine import Reader
from rookery.store.schema import POSTS

LEAST_PER_AUTHOR = 8


async def recent_posts(
    reader: Reader, author_ids: Sequence[int], size: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8], int]:
    """The newest posts of all the authors: ids ascending, their kinds, and a floor.

    Every post of theirs at or above the floor is among them; floor 0: these are all. At most
    `size` are returned, fewer where a few authors post most of them (reading on for those alone
    would delay the reader for what is seldom wanted; below the floor one asks the store).
    """
    per_author = max(LEAST_PER_AUTHOR, 4 * size // max(1, len(author_ids)))
    lists = await reader.select_many(
        POSTS,
        ("tweet_id", "kind"),
        [(author_id,) for author_id in author_ids],
        limit=per_author,
        reverse=True,
    )
    floor = max((posts[-1][0] for posts in lists if len(posts) == per_author), default=0)
    found = [post for posts in lists for post in posts if post[0] >= floor]
    if not found:
        return np.empty(0, np.int64), np.empty(0, np.uint8), floor
    found.sort()
    if len(found) > size:
        found = found[-size:]
        floor = found[0][0]
    ids, kinds = zip(*found, strict=True)
    return np.array(ids, np.int64), np.array(kinds, np.uint8), floor
