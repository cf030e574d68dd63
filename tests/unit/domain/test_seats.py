"""Who has to give way where connections are bounded."""

from dataclasses import dataclass

from rookery.domain.seats import BY_ADDRESS, IN_ALL, Eviction, Seats


@dataclass(eq=False)
class Holder:
    name: str
    is_busy: bool = False
    active_s: float = 0.0


def _fill(seats: Seats[Holder], address: str, count: int) -> list[Holder]:
    holders = [Holder(f"{address}-{number}") for number in range(count)]
    for holder in holders:
        assert seats.take(holder, address) is None
    return holders


def test_the_oldest_silent_connection_of_a_full_address_goes() -> None:
    """The newcomer stays: it may be the one who wants something."""
    seats: Seats[Holder] = Seats(100, 3)
    first, *_ = _fill(seats, "a", 3)
    eviction = seats.take(Holder("new"), "a")
    assert eviction == Eviction(first, "a", BY_ADDRESS)
    assert len(seats) == 3


def test_an_address_pushes_out_none_but_its_own() -> None:
    """Whoever is alone keeps its seat, however long it is silent, while another holds many."""
    seats: Seats[Holder] = Seats(10, 0)
    alone = Holder("alone")
    seats.take(alone, "good")
    _fill(seats, "bad", 9)
    for number in range(50):
        eviction = seats.take(Holder(f"more-{number}"), "bad")
        assert eviction is not None
        assert (eviction.address, eviction.limit) == ("bad", IN_ALL)
        assert eviction.holder is not alone


def test_a_newcomer_finds_room_where_another_address_holds_all() -> None:
    """Who comes to a full server takes the place of a silent one of the largest address."""
    seats: Seats[Holder] = Seats(5, 0)
    first, *_ = _fill(seats, "bad", 5)
    assert seats.take(Holder("new"), "good") == Eviction(first, "bad", IN_ALL)


def test_who_was_active_goes_after_who_was_silent() -> None:
    """Being the oldest is no fault."""
    seats: Seats[Holder] = Seats(100, 3)
    old, silent, _ = _fill(seats, "a", 3)
    old.active_s = 5.0
    assert seats.take(Holder("new"), "a") == Eviction(silent, "a", BY_ADDRESS)


def test_who_is_being_answered_stays() -> None:
    """Where all are, the newcomer is turned away."""
    seats: Seats[Holder] = Seats(100, 2)
    one, two = _fill(seats, "a", 2)
    one.is_busy = True
    assert seats.take(Holder("new"), "a") == Eviction(two, "a", BY_ADDRESS)
    for holder in (one, two):
        seats.leave(holder)
    for holder in _fill(seats, "b", 2):
        holder.is_busy = True
    newcomer = Holder("new")
    assert seats.take(newcomer, "b") == Eviction(newcomer, "b", BY_ADDRESS)


def test_a_seat_that_is_left_is_free() -> None:
    """Leaving twice is leaving once."""
    seats: Seats[Holder] = Seats(2, 2)
    one, two = _fill(seats, "a", 2)
    for _ in range(2):
        seats.leave(one)
    assert seats.take(Holder("new"), "b") is None
    assert seats.take(Holder("newer"), "b") is not None
    seats.leave(two)
    assert len(seats) <= 2


def test_a_trusted_proxy_has_no_bound_of_its_own() -> None:
    """Everybody comes from there; the bound in all still holds, and others go first."""
    seats: Seats[Holder] = Seats(4, 1)
    proxied = [Holder(f"p{number}") for number in range(3)]
    for holder in proxied:
        assert seats.take(holder, "proxy", is_trusted=True) is None
    direct = Holder("direct")
    assert seats.take(direct, "a") is None
    eviction = seats.take(Holder("p3"), "proxy", is_trusted=True)
    assert eviction is not None
    assert eviction.holder is direct
    eviction = seats.take(Holder("p4"), "proxy", is_trusted=True)
    assert eviction is not None
    assert eviction.holder is proxied[0]


def test_sizes_stay_right_over_many_comings_and_goings() -> None:
    """The largest address is always the one that has most."""
    seats: Seats[Holder] = Seats(6, 0)
    large = _fill(seats, "a", 4)
    small = _fill(seats, "b", 2)
    for holder in large[:3]:
        seats.leave(holder)
    _fill(seats, "c", 3)
    eviction = seats.take(Holder("new"), "d")
    assert eviction is not None
    assert eviction.address == "c"
    eviction = seats.take(Holder("newer"), "d")
    assert eviction is not None
    assert eviction.address in ("b", "c")
    assert small
