"""Waits between attempts."""

from rookery.client.backoff import Backoff


def test_the_bound_doubles_up_to_the_cap() -> None:
    """With the largest random number the waits are the bounds."""
    backoff = Backoff(0.1, 1.0, lambda: 1.0)
    assert [backoff.next_s() for _ in range(6)] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


def test_the_jitter_is_full() -> None:
    """With the smallest random number there is no wait."""
    assert Backoff(0.1, 1.0, lambda: 0.0).next_s() == 0.0


def test_what_the_server_named_comes_first() -> None:
    """A Retry-After is waited for in any case, and the jitter follows it."""
    assert Backoff(0.5, 1.0, lambda: 0.5).next_s(3.0) == 3.25


def test_reset_begins_anew() -> None:
    """After a healthy while the first bound is the smallest again."""
    backoff = Backoff(0.1, 1.0, lambda: 1.0)
    backoff.next_s()
    backoff.next_s()
    backoff.reset()
    assert backoff.next_s() == 0.1


def test_it_does_not_overflow() -> None:
    """Days of failures are no trouble."""
    backoff = Backoff(0.1, 10.0, lambda: 1.0)
    assert [backoff.next_s() for _ in range(3000)][-1] == 10.0
