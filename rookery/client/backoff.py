"""How long to wait before trying again. Pure: randomness is an argument."""

import random
from collections.abc import Callable


class Backoff:
    """Exponential backoff with full jitter: each wait is uniform between 0 and a doubling bound.

    See "Exponential Backoff And Jitter" in the AWS Architecture Blog: spread over the whole
    interval, clients that were cut off together do not come back together.
    """

    def __init__(
        self, base_s: float, cap_s: float, uniform: Callable[[], float] = random.random
    ) -> None:
        self._base_s = base_s
        self._cap_s = cap_s
        self._uniform = uniform
        self._failures = 0

    def reset(self) -> None:
        """Begin with the shortest bound again."""
        self._failures = 0

    def next_s(self, at_least_s: float = 0.0) -> float:
        """The wait after one more failure; `at_least_s`, which a server named, comes before it."""
        bound_s = min(self._cap_s, self._base_s * 2.0 ** min(self._failures, 60))
        self._failures += 1
        return at_least_s + self._uniform() * bound_s
