"""Accounts that changed of late, and which events may rely on them."""

from rookery.domain.recent_accounts import SETTLING_MS, Account, RecentAccounts, account_of
from rookery.ids import first_id_at
from rookery.models import User

NOW_MS = 1_790_000_000_000
PRIVATE = Account(is_private=True)


def test_what_decides_of_an_account() -> None:
    """Whether it is private, and whether it is in use."""
    user = User(id=1, username="ada", name="Ada")
    assert account_of(user) == Account() and account_of(user).is_open
    for changes, expected in (
        ({"is_private": True}, PRIVATE),
        ({"status": "suspended"}, Account(is_active=False)),
    ):
        changed = User(id=1, username="ada", name="Ada", **changes)
        assert account_of(changed) == expected
        assert not expected.is_open


def test_the_newest_note_counts() -> None:
    """An account that is open again is not among them."""
    accounts = RecentAccounts(NOW_MS)
    accounts.note(1, PRIVATE, NOW_MS)
    accounts.note(2, PRIVATE, NOW_MS)
    accounts.note(1, Account(), NOW_MS)
    assert (accounts.get(1), accounts.get(2), len(accounts)) == (None, PRIVATE, 1)


def test_what_happened_before_the_beginning_is_not_covered() -> None:
    """Nor what happened so shortly after it that it may have been missed."""
    accounts = RecentAccounts(NOW_MS)
    assert accounts.covers_from == first_id_at(NOW_MS + SETTLING_MS)


def test_what_was_dropped_is_not_covered() -> None:
    """Events of before then would have to know it; those noted last are kept."""
    accounts = RecentAccounts(NOW_MS, capacity=2)
    for number in range(3):
        accounts.note(number, PRIVATE, NOW_MS + 1000 * number)
    assert [accounts.get(number) for number in range(3)] == [None, PRIVATE, PRIVATE]
    assert accounts.covers_from == first_id_at(NOW_MS + SETTLING_MS)
    accounts.note(1, PRIVATE, NOW_MS + 60_000)
    accounts.note(4, PRIVATE, NOW_MS + 61_000)
    assert [accounts.get(number) for number in (1, 2, 4)] == [PRIVATE, None, PRIVATE]
    assert accounts.covers_from == first_id_at(NOW_MS + 2000 + SETTLING_MS)
