"""Asks all the time, repeating nothing, whether reading and posting work."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable

from rookery.client import ApiError, ClientError

EVERY_S = 0.2


class Probe:
    """Asks one thing again and again; when it worked, and when it did not."""

    def __init__(self, ask: Callable[[], Awaitable[object]]) -> None:
        self._ask = ask
        self._outcomes: list[tuple[float, bool]] = []
        self.refusals: Counter[str] = Counter()
        """Failures by the server's code, or the error's name."""
        self._ended = False
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while not self._ended:
            began_s = time.monotonic()
            try:
                await self._ask()
                self._outcomes.append((began_s, True))
            except ClientError as error:
                self.refusals[error.code if isinstance(error, ApiError) else "no answer"] += 1
                self._outcomes.append((time.monotonic(), False))
            await asyncio.sleep(max(0.0, began_s + EVERY_S - time.monotonic()))

    def works_since(self, since_s: float) -> bool:
        """Whether something that was begun after `since_s` worked, and nothing failed since."""
        late = [worked for at_s, worked in self._outcomes if at_s >= since_s]
        return bool(late) and all(late)

    def last_failure_s(self, from_s: float, to_s: float) -> float | None:
        """When it failed for the last time within a span; None if it did not."""
        failed = [at_s for at_s, worked in self._outcomes if not worked and from_s <= at_s < to_s]
        return max(failed, default=None)

    async def end(self) -> None:
        """Ask no more; what is under way is waited for, so that its outcome is known."""
        self._ended = True
        await self._task
