"""Counting against limits."""

from hypothesis import given
from hypothesis import strategies as st

from rookery.domain.windows import Windows

WINDOW_MS = 60_000
START_MS = 1_700_000_000_000 // WINDOW_MS * WINDOW_MS


def _let_through(windows: Windows, key: str, at_ms: int, hits: int) -> int:
    return sum(not windows.hit(key, at_ms).retry_after_s for _ in range(hits))


def test_each_key_has_its_limit() -> None:
    """One that is used up does not concern another."""
    windows = Windows(3)
    assert _let_through(windows, "a", START_MS, 10) == 3
    assert _let_through(windows, "b", START_MS, 1) == 1


def test_a_verdict_says_how_a_key_stands() -> None:
    """How much is left, and until when."""
    windows = Windows(3)
    assert windows.hit("a", START_MS + 15_000) == (3, 2, 45, 0)
    windows.hit("a", START_MS + 15_000)
    assert windows.hit("a", START_MS + 15_500) == (3, 0, 45, 0)
    assert windows.hit("a", START_MS + 15_500)[:3] == (3, 0, 45)


def test_a_burst_over_the_border_of_two_windows_is_not_twice_the_limit() -> None:
    """What was used just before counts on."""
    windows = Windows(100)
    assert _let_through(windows, "a", START_MS + WINDOW_MS - 1, 200) == 100
    assert _let_through(windows, "a", START_MS + WINDOW_MS + 600, 200) == 1
    assert _let_through(windows, "a", START_MS + WINDOW_MS * 3 // 2, 200) == 49


def test_all_is_forgotten_after_two_windows() -> None:
    """A key that pauses starts afresh, and takes no memory."""
    windows = Windows(5)
    _let_through(windows, "a", START_MS, 5)
    assert _let_through(windows, "b", START_MS + 2 * WINDOW_MS, 9) == 5
    assert len(windows) == 1


@given(
    st.integers(1, 50),
    st.lists(st.tuples(st.integers(0, 20_000), st.integers(1, 40)), min_size=1, max_size=30),
)
def test_waiting_as_told_is_enough_and_hits_stay_within_the_limit(
    limit: int, bursts: list[tuple[int, int]]
) -> None:
    """Whatever bursts come; no fixed window ever holds more than the limit."""
    windows = Windows(limit)
    now_ms, by_window = START_MS, dict[int, int]()
    for pause_ms, hits in bursts:
        now_ms += pause_ms
        for _ in range(hits):
            verdict = windows.hit("a", now_ms)
            if verdict.retry_after_s:
                now_ms += verdict.retry_after_s * 1000
                assert not windows.hit("a", now_ms).retry_after_s
            number = now_ms // WINDOW_MS
            by_window[number] = by_window.get(number, 0) + 1
    assert max(by_window.values()) <= limit


def test_many_keys_do_not_take_all_memory() -> None:
    """Over the capacity everything is forgotten at once."""
    windows = Windows(1, capacity=10)
    for key in range(35):
        windows.hit(key, START_MS)
    assert len(windows) == 5


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["hit", "tell", "lose"]))))
def test_processes_that_tell_each_other_know_the_sum(steps: list[tuple[int, str]]) -> None:
    """In whatever order they hit and tell, and whatever telling fails in between."""
    processes = [Windows(10_000) for _ in range(3)]
    hits, total = 0, 0
    for number, step in [*steps, *((n, "tell") for n in (0, 1, 2, 0, 1, 2))]:
        process = processes[number]
        if step == "hit":
            process.hit("a", START_MS)
            hits += 1
        elif process.standing("a", START_MS).remaining < 10_000:
            window, amount = process.take("a")
            if step == "lose":
                process.give_back("a", window, amount)
            else:
                total += amount
                process.learn("a", window, total)
    assert total == hits
    for process in processes:
        assert process.owed("a") == 0
        assert process.standing("a", START_MS).remaining in (10_000 - hits, 10_000)


def test_a_total_that_was_lost_does_not_lower_what_is_known() -> None:
    """The shared counts may start anew; what this process saw stays."""
    windows = Windows(10)
    _let_through(windows, "a", START_MS, 8)
    number, _ = windows.take("a")
    windows.learn("a", number, 3)
    assert _let_through(windows, "a", START_MS, 10) == 2


def test_a_hit_that_is_taken_back_leaves_room_for_another() -> None:
    """Also when it is of the minute before; twice, or of an older one, does nothing more."""
    windows = Windows(2)
    assert _let_through(windows, "a", START_MS, 3) == 2
    number = windows.number
    windows.take_back("a", number)
    assert _let_through(windows, "a", START_MS, 3) == 1
    assert windows.hit("a", START_MS + WINDOW_MS).retry_after_s
    windows.take_back("a", number)
    windows.take_back("a", number)
    windows.take_back("a", number)
    windows.take_back("a", number - 5)
    assert _let_through(windows, "a", START_MS + WINDOW_MS, 3) == 2


def test_what_others_took_back_is_learned_and_own_hits_stay() -> None:
    """A total that may be less lowers what was learned, never what was counted here."""
    windows = Windows(10)
    _let_through(windows, "a", START_MS, 2)
    number, _ = windows.take("a")
    windows.learn("a", number, 9)
    assert windows.standing("a", START_MS).remaining == 1
    windows.learn("a", number, 4, may_be_less=True)
    assert windows.standing("a", START_MS).remaining == 6
    windows.learn("a", number, 0, may_be_less=True)
    assert windows.standing("a", START_MS).remaining == 8
