"""Whether the store answers, for those who ask whether the server is ready.

Must not import http, connection or actors.
"""

import asyncio

from rookery.errors import Unavailable
from rookery.store.engine import Reader
from rookery.store.schema import SIGNING_KEYS


async def store_answers(reader: Reader, within_s: float) -> bool:
    """Whether a small read succeeds in time; raises nothing."""
    try:
        async with asyncio.timeout(within_s):
            await reader.select(SIGNING_KEYS, ("kid",), limit=1)
    except (Unavailable, TimeoutError):
        return False
    return True
