"""Who has how many followers and posts how much: a power law, as large networks have it.

Pure; randomness is seeded. Users are drawn in proportion: each of the best known for themselves,
the others in groups of whom one stands for all, so that a hundred million users take a
hundred thousand numbers.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

DRAWN_EACH = 50_000
GROUPS = 50_000
TAIL_AT_LEAST = 50


@dataclass(frozen=True)
class Audience:
    """`users[i]` users have `followers[i]` followers each, and post `tweets[i]` of all tweets."""

    followers: Floats
    users: Floats
    tweets: Floats

    @property
    def of_a_tweet(self) -> float:
        """The followers of a tweet's author, on average over tweets."""
        return float((self.followers * self.tweets).sum())

    @property
    def largest(self) -> float:
        return float(self.followers.max())


def draw(
    users: float, follows: float, *, exponent: float, activity: float, most: float, seed: int
) -> Audience:
    """An audience of so many users who follow `follows` others each on average.

    The share of users with `x` followers or more falls as ``(1 + x / scale) ** (1 - exponent)``
    (a Pareto distribution of the second kind: a power law for the well-known, and most users with
    few followers), up to `most` or all users. How much a user posts grows as
    ``(1 + x) ** activity``.

    Raises:
        ValueError: the exponent is not above 1, or nobody may have as many followers as the mean.
    """
    most = min(most, users)
    if exponent <= 1 or not 0 < follows < most:
        raise ValueError("needs an exponent above 1, and more users than each follows")
    rng = np.random.default_rng(seed)
    each = int(min(DRAWN_EACH, users))
    # The least of many uniform numbers, in order: what the highest ranks would draw.
    ranks = [np.cumsum(rng.exponential(size=each)) / users]
    counts = [np.ones(each)]
    if users > each:
        width = (users - each) / GROUPS
        ranks.append((each + (np.arange(GROUPS) + rng.random(GROUPS)) * width) / users)
        counts.append(np.full(GROUPS, width))
    unscaled = np.minimum(np.concatenate(ranks), 1.0) ** (1 / (1 - exponent)) - 1
    count = np.concatenate(counts)
    low, high = 0.0, most
    for _ in range(60):
        scale = (low + high) / 2
        mean = (np.minimum(unscaled * scale, most) * count).sum() / count.sum()
        low, high = (scale, high) if mean < follows else (low, scale)
    followers = np.minimum(unscaled * high, most)
    posts = (1 + followers) ** activity * count
    return Audience(followers, count, posts / posts.sum())


@dataclass(frozen=True)
class Tail:
    """A power law fitted to the counts at or above `least`; `distance` is the largest gap between
    the two distributions."""

    exponent: float
    least: float
    count: int
    distance: float


def fitted(counts: Floats) -> Tail:
    """The power law that fits best, where it begins included.

    Clauset, Shalizi and Newman, Power-Law Distributions in Empirical Data (2009): for each
    possible beginning the likeliest exponent; the beginning with the least distance counts.

    Raises:
        ValueError: fewer than 50 counts are above 0.
    """
    best: Tail | None = None
    for least in np.unique(counts[counts > 0]):
        tail = tail_from(counts, float(least))
        if tail.count < TAIL_AT_LEAST:
            break
        if best is None or tail.distance < best.distance:
            best = tail
    if best is None:
        raise ValueError(f"fewer than {TAIL_AT_LEAST} users have followers")
    return best


def tail_from(counts: Floats, least: float) -> Tail:
    """The likeliest power law of the whole numbers at or above `least`."""
    tail = counts[counts >= least]
    logs = np.log(tail / (least - 0.5)).sum()
    exponent = 1 + len(tail) / float(logs)
    values, times = np.unique(tail, return_counts=True)
    have = np.cumsum(times) / len(tail)
    should = 1 - ((values + 0.5) / (least - 0.5)) ** (1 - exponent)
    return Tail(exponent, least, len(tail), float(np.abs(have - should).max()))


def activity_of(followers: Floats, posts: Floats, least: float = 1) -> float:
    """How posts grow with followers, from `least` on: the slope between logarithms, of groups that
    double in followers and count by the root of their size."""
    known = followers >= least
    followers, posts = followers[known], posts[known]
    groups = np.floor(np.log2(followers))
    points = [
        (np.log(1 + followers[mine].mean()), np.log(posts[mine].mean()), np.sqrt(mine.sum()))
        for mine in (groups == group for group in np.unique(groups))
        if posts[mine].sum()
    ]
    x, y, weight = np.array(points).T
    return float(np.polyfit(x, y, 1, w=weight)[0])
