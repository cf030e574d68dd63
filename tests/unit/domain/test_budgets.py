"""Who gives way where a budget of bytes is used up."""

from rookery.domain.budgets import Budget

A, B, C = "192.0.2.1", "192.0.2.2", "192.0.2.3"


class Holder:
    def __init__(self) -> None:
        self.is_busy = False


def _fill(budget: Budget[Holder], address: str, count: int, size_bytes: int) -> list[Holder]:
    holders = [Holder() for _ in range(count)]
    for each in holders:
        assert budget.take(each, address, False, size_bytes) == {}
    return holders


def test_an_address_that_holds_all_gives_way_to_another() -> None:
    """Its oldest goes, and no more than are needed."""
    budget: Budget[Holder] = Budget(100)
    first, second, *_ = _fill(budget, A, 10, 10)
    assert budget.take(Holder(), B, False, 15) == {first: A, second: A}
    assert budget.held_bytes == 95


def test_an_address_pushes_out_none_but_its_own() -> None:
    """However much it asks for, as long as it would hold more than the others do."""
    budget: Budget[Holder] = Budget(100)
    _fill(budget, B, 1, 20)
    own = _fill(budget, A, 4, 20)
    for each in own:
        assert budget.take(Holder(), A, False, 20) == {each: A}


def test_the_largest_address_goes_first() -> None:
    """Then the next, if it holds as much as whoever asks."""
    budget: Budget[Holder] = Budget(100)
    small, middle, large = (_fill(budget, a, 1, n)[0] for a, n in ((C, 10), (B, 40), (A, 50)))
    assert budget.take(Holder(), "192.0.2.4", False, 40) == {large: A}
    assert budget.take(Holder(), "192.0.2.5", False, 35) in ({middle: B}, {small: C, middle: B})


def test_who_asks_for_more_than_all_others_is_refused_itself() -> None:
    """And nobody goes for that."""
    budget: Budget[Holder] = Budget(100)
    _fill(budget, A, 1, 60)
    greedy = Holder()
    assert budget.take(greedy, B, False, 30) == {}
    assert budget.take(greedy, B, False, 40) is None
    assert budget.held_bytes == 90


def test_who_is_being_answered_stays() -> None:
    """What it was asked for may have an effect already."""
    budget: Budget[Holder] = Budget(100)
    busy, idle = _fill(budget, A, 2, 50)
    busy.is_busy = True
    assert budget.take(Holder(), B, False, 50) == {idle: A}
    assert budget.take(Holder(), C, False, 60) is None


def test_trusted_proxies_go_last() -> None:
    """They give way to none but themselves, and everybody else to them."""
    budget: Budget[Holder] = Budget(100)
    proxied = Holder()
    assert budget.take(proxied, A, True, 80) == {}
    direct = _fill(budget, B, 1, 20)
    assert budget.take(Holder(), C, False, 30) is None
    assert budget.take(Holder(), A, True, 20) == {direct[0]: B}
    assert budget.take(Holder(), A, True, 20) == {proxied: "trusted proxies"}


def test_what_is_released_is_free() -> None:
    """Once; and nothing stays behind."""
    budget: Budget[Holder] = Budget(100)
    holders = _fill(budget, A, 3, 30)
    for each in (*holders, *holders):
        budget.release(each)
    assert budget.held_bytes == 0
    _fill(budget, B, 1, 100)


def test_the_sum_is_right_over_many_comings_and_goings() -> None:
    """As a plain sum has it."""
    budget: Budget[Holder] = Budget(1000)
    held: dict[Holder, int] = {}
    for step in range(2000):
        holder = Holder()
        size_bytes = 1 + step * 37 % 300
        leaving = budget.take(holder, f"192.0.2.{step * step % 7}", step % 11 == 0, size_bytes)
        if leaving is not None:
            held[holder] = size_bytes
            for each in leaving:
                del held[each]
        if held and step % 3 == 0:
            gone = next(iter(held))
            budget.release(gone)
            del held[gone]
        assert budget.held_bytes == sum(held.values()) <= 1000
