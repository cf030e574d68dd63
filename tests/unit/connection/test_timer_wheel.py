"""The one timer of all connections."""

from rookery.connection.timer_wheel import TICK_S, TimerWheel


class Target:
    def __init__(self) -> None:
        self.alarm_tick = 0


def test_alarms_come_in_time_and_never_early() -> None:
    """At most two ticks late."""
    wheel: TimerWheel[Target] = TimerWheel(50.0)
    target = Target()
    wheel.set(target, 60.0)

    assert wheel.expire(60.0) == []
    assert wheel.expire(60.0 + 2 * TICK_S) == [target]
    assert wheel.expire(1000.0) == []


def test_a_later_setting_replaces_the_earlier() -> None:
    """There is one alarm for each target."""
    wheel: TimerWheel[Target] = TimerWheel(0.0)
    target = Target()
    wheel.set(target, 10.0)
    wheel.set(target, 5.0)

    assert wheel.expire(6.0) == [target]
    assert wheel.expire(20.0) == []


def test_cancelled_alarms_do_not_come() -> None:
    """And nothing keeps the target alive."""
    wheel: TimerWheel[Target] = TimerWheel(0.0)
    target = Target()
    wheel.set(target, 1.0)
    wheel.cancel(target)
    wheel.cancel(target)

    assert wheel.expire(2.0) == []
    assert not wheel._buckets


def test_what_is_overdue_comes_with_the_next_tick() -> None:
    """A due time in the past is not lost."""
    wheel: TimerWheel[Target] = TimerWheel(0.0)
    wheel.expire(10.0)
    target = Target()
    wheel.set(target, 3.0)

    assert wheel.expire(10.0 + 2 * TICK_S) == [target]
