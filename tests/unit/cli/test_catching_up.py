"""What is read of home where events were missed."""

from types import SimpleNamespace
from typing import cast

import pytest

from rookery.cli import catching_up
from rookery.cli.catching_up import CatchUp
from rookery.client import ConnectionFailed, Page, Tweet, Unauthorized


def tweet(number: int) -> Tweet:
    """One of which only the id is looked at."""
    return cast(Tweet, SimpleNamespace(id=str(number)))


class Home:
    """A home timeline in memory, whose cursors are places in it."""

    def __init__(self, *ids: int) -> None:
        self.ids = list(ids)
        self.faults: list[Exception] = []
        self._limit = 20

    def __call__(self, *, limit: int) -> "Home":
        self._limit = limit
        return self

    async def page(self, cursor: str | None = None) -> Page[Tweet]:
        if self.faults:
            raise self.faults.pop(0)
        start = int(cursor or 0)
        newest_first = sorted(self.ids, reverse=True)
        end = start + self._limit
        rest = str(end) if end < len(newest_first) else None
        return Page([tweet(each) for each in newest_first[start:end]], rest)


def catch_up(home: Home) -> tuple[CatchUp, list[str], list[float]]:
    said: list[str] = []
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    return CatchUp(home, said.append, sleep), said, waits


def ids(tweets: list[Tweet]) -> list[int]:
    return [int(each.id) for each in tweets]


async def test_begins_with_the_newest_in_order() -> None:
    """Oldest first, as people read; nothing older is fetched later."""
    home = Home(1, 2, 3, 4, 5)
    missed, _, _ = catch_up(home)
    assert ids(await missed.begin(3)) == [3, 4, 5]
    assert ids(await missed.fetch()) == []


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_what_came_meanwhile_is_printed_once_and_in_order(count: int) -> None:
    """However many were shown first; an event that comes later is no second printing."""
    home = Home(1, 2, 3)
    missed, _, _ = catch_up(home)
    await missed.begin(count)
    home.ids += [4, 5]
    assert missed.is_new("5")
    home.ids += [6]
    assert ids(await missed.fetch()) == [4, 6]
    assert not missed.is_new("6")
    assert ids(await missed.fetch()) == []


async def test_more_than_a_page_is_read_to_the_end() -> None:
    """Page after page, as far as it was printed before."""
    home = Home(1)
    missed, said, _ = catch_up(home)
    await missed.begin(10)
    home.ids += range(2, 502)
    assert ids(await missed.fetch()) == list(range(2, 502))
    assert said == []


async def test_an_empty_home_has_no_end_yet() -> None:
    """All that comes is new."""
    home = Home()
    missed, _, _ = catch_up(home)
    assert await missed.begin(10) == []
    home.ids += [7, 8]
    assert ids(await missed.fetch()) == [7, 8]


async def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forgotten tweets are not printed again, since all up to them count as printed."""
    monkeypatch.setattr(catching_up, "REMEMBERED", 10)
    home = Home()
    missed, _, _ = catch_up(home)
    await missed.begin(0)
    for number in range(1, 31):
        home.ids.append(number)
        assert missed.is_new(str(number))
    home.ids.append(31)
    assert ids(await missed.fetch()) == [31]


async def test_too_many_are_said_to_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest are printed, and nobody believes that they are all."""
    monkeypatch.setattr(catching_up, "MOST_PAGES", 2)
    home = Home(1)
    missed, said, _ = catch_up(home)
    await missed.begin(1)
    home.ids += range(2, 400)
    assert ids(await missed.fetch()) == list(range(200, 400))
    assert said == ["more than 200 tweets were missed; the older ones are left out"]


async def test_a_server_that_is_away_again_is_waited_for() -> None:
    """What was missed is not given up."""
    home = Home(1)
    missed, said, waits = catch_up(home)
    await missed.begin(1)
    home.ids.append(2)
    home.faults += [ConnectionFailed("away")] * 3
    assert ids(await missed.fetch()) == [2]
    assert waits == [0.5, 1.0, 2.0] and len(said) == 3


async def test_who_was_logged_out_is_told() -> None:
    """Trying again would not help."""
    home = Home(1)
    missed, _, _ = catch_up(home)
    home.faults.append(Unauthorized(401, "device_revoked", "This device was logged out"))
    with pytest.raises(Unauthorized):
        await missed.begin(1)
