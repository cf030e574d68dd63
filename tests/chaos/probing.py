"""Asks all the time, repeating nothing, whether reading and posting work."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from rookery.client import ApiError, ClientError

EVERY_S = 0.2


@dataclass(frozen=True)
class Outcome:
    """One attempt. Times are `time.monotonic`."""

    began_s: float
    ended_s: float
    worked: bool


class Probe:
    """Asks one thing again and again; when it worked, and when it did not."""

    def __init__(self, ask: Callable[[], Awaitable[object]]) -> None:
        self._ask = ask
        self._outcomes: list[Outcome] = []
        self.refusals: Counter[str] = Counter()
        """Failures by the server's code."""
        self._ended = False
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while not self._ended:
            began_s = time.monotonic()
            worked = True
            try:
                await self._ask()
            except ClientError as error:
                self.refusals[error.code if isinstance(error, ApiError) else "no answer"] += 1
                worked = False
            self._outcomes.append(Outcome(began_s, time.monotonic(), worked))
            await asyncio.sleep(max(0.0, began_s + EVERY_S - time.monotonic()))

    def works_since(self, since_s: float) -> bool:
        """Whether something that was begun after `since_s` worked, and nothing failed since."""
        late = [each.worked for each in self._outcomes if each.ended_s >= since_s]
        return bool(late) and all(late)

    def back_after_s(self, began_s: float, over_s: float, next_s: float) -> float:
        """See the function of this name."""
        return back_after_s(self._outcomes, began_s, over_s, next_s)

    async def end(self) -> None:
        """Ask no more; what is under way is waited for, so that its outcome is known."""
        self._ended = True
        await self._task


def back_after_s(
    outcomes: Sequence[Outcome], began_s: float, over_s: float, next_s: float
) -> float:
    """How long after `over_s` something worked again, for good until `next_s`.

    Of a harm that began at `began_s`, before another one at `next_s`; infinite if it never worked
    again. An attempt that was under way when the other one began, and failed then, tells of that
    one, unless nothing had worked in between.
    """
    failed = [each for each in outcomes if not each.worked and each.ended_s >= began_s]
    worked_s = [each.ended_s for each in outcomes if each.worked]

    def first_success_s(failed_s: Sequence[float]) -> float:
        from_s = max([over_s, *failed_s])
        return min((at_s for at_s in worked_s if at_s >= from_s), default=float("inf"))

    back_s = first_success_s([each.ended_s for each in failed if each.ended_s < next_s])
    if back_s >= next_s:
        back_s = first_success_s([each.ended_s for each in failed if each.began_s < next_s])
    return back_s - over_s
