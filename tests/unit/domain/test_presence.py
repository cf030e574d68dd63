"""`rookery.domain.presence`: whom a connection server has to look at."""

import numpy as np
import pytest

from rookery.domain.presence import Presence

HERE, THERE = "ConnectionServer-0", "ConnectionServer-1"


@pytest.fixture
def presence() -> Presence:
    """Users 100 to 103 in rows 0 to 3; the first three here, 102 there too, 103 there."""
    made = Presence(rows=8, max_logs=8, log_events=4)
    here, there = made.server(HERE, "a"), made.server(THERE, "a")
    for row, servers in enumerate(((here,), (here,), (here, there), (there,))):
        for server in servers:
            made.attach(100 + row, row, server, None, None, f"epoch{row}")
    return made


def notified(presence: Presence, server: str, after: int) -> set[int]:
    return set(presence.recently_notified(presence.server(server, "a"), after).tolist())


def test_users_who_got_events_are_told(presence: Presence) -> None:
    """Those of the server that asks, since the moment it names."""
    presence.notify(np.array([0]), 1, 1)
    before = presence.logs.appended
    presence.notify(np.array([1, 3]), 1, 2)
    assert notified(presence, HERE, before) == {101}
    assert notified(presence, HERE, 0) == {100, 101}
    assert notified(presence, HERE, presence.logs.appended) == set()
    # Of a second server of a user, which is seldom, it is not looked up.
    assert notified(presence, THERE, before) == {102, 103}


def test_a_log_that_was_opened_anew_has_had_no_events(presence: Presence) -> None:
    """Its slot had."""
    presence.notify(np.array([0]), 1, 1)
    presence.forget(100)
    presence.attach(104, 4, presence.server(HERE, "a"), None, None, "epoch4")
    assert 104 not in notified(presence, HERE, 0)


def test_forgetting_a_connected_user_is_counted(presence: Presence) -> None:
    """So that their server looks at everybody."""
    presence.forget(100)
    presence.forget(999)
    assert presence.forgotten == 1
