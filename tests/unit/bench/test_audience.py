"""The drawn audience has the asked mean and power law, and the fits find what was put in."""

import numpy as np
import pytest

from bench.audience import activity_of, draw, fitted


def test_mean_and_total_are_as_asked() -> None:
    """However few numbers stand for all users, follows and tweets add up."""
    drawn = draw(1e8, 200, exponent=2.2, activity=0.26, most=1e8, seed=1)
    assert drawn.users.sum() == pytest.approx(1e8)
    assert (drawn.followers * drawn.users).sum() / 1e8 == pytest.approx(200)
    assert drawn.tweets.sum() == pytest.approx(1)
    assert drawn.largest <= 1e8


def test_tail_falls_as_the_power_law() -> None:
    """Ten times the followers are had by 10 ** (exponent - 1) times fewer users."""
    drawn = draw(1e7, 200, exponent=2.2, activity=0, most=1e7, seed=1)
    some, fewer = (drawn.users[drawn.followers >= least].sum() for least in (1e4, 1e5))
    assert some / fewer == pytest.approx(10**1.2, rel=0.1)


def test_same_seed_draws_the_same() -> None:
    """A result can be had again; another seed gives another."""
    one, same, other = (
        draw(1e6, 200, exponent=2.2, activity=0.26, most=1e6, seed=seed).followers
        for seed in (1, 1, 2)
    )
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_more_active_authors_with_more_followers_reach_more() -> None:
    """A tweet reaches the mean number of followers only if all post alike."""
    alike, unlike = (
        draw(1e6, 200, exponent=2.2, activity=activity, most=1e6, seed=1).of_a_tweet
        for activity in (0.0, 0.26)
    )
    assert alike == pytest.approx(200)
    assert unlike > 2 * alike


def test_an_audience_that_cannot_be_is_refused() -> None:
    """Nobody can follow more users than there are."""
    with pytest.raises(ValueError, match="more users"):
        draw(100, 200, exponent=2.2, activity=0, most=1e6, seed=1)


def test_fit_finds_the_exponent() -> None:
    """The exponent of numbers drawn from a power law is found."""
    rng = np.random.default_rng(3)
    counts = np.floor(4.5 * rng.random(20_000) ** (1 / (1 - 2.3)) + 0.5)
    assert fitted(counts).exponent == pytest.approx(2.3, abs=0.1)


def test_fit_needs_followers() -> None:
    """Too little data is refused rather than fitted."""
    with pytest.raises(ValueError, match="fewer than"):
        fitted(np.zeros(100))


def test_activity_is_the_slope_between_logarithms() -> None:
    """Posts that grow as a power of followers show that power."""
    followers = np.repeat(2.0 ** np.arange(4, 12), 10)
    assert activity_of(followers, 3 * followers**0.5) == pytest.approx(0.5, abs=0.02)
