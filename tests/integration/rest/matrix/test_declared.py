"""No endpoint that can show a tweet or a person is missing in the matrix."""

from dataclasses import replace

import pytest

from rookery.http.native.app import ENDPOINTS
from tests.integration.rest.matrix.cases import CASES, SHOWING_NOTHING, SHOWING_ONESELF
from tests.integration.rest.matrix.declared import can_show, forgotten, key_of, name_of


def ways() -> set[str]:
    return {way.partition(" (")[0] for way in CASES} | SHOWING_ONESELF


def test_no_endpoint_is_forgotten() -> None:
    """Whatever can show a tweet or a person is in the matrix; all else is known not to."""
    assert forgotten(ENDPOINTS, ways(), SHOWING_NOTHING) == []


def test_no_case_is_without_an_endpoint() -> None:
    """What is looked at is there."""
    assert ways() <= {key_of(each) for each in ENDPOINTS}
    assert SHOWING_NOTHING <= {name_of(each) for each in ENDPOINTS}


@pytest.mark.parametrize("path", ["/new/{id}", "/new"])
def test_a_new_endpoint_is_named(path: str) -> None:
    """By its method and path, whether its path, its answer or its body gives it away."""
    known = {name_of(each): each for each in ENDPOINTS}
    for name in ("GET /tweets/{id}", "GET /timeline/home", "POST /tweets", "GET /blocks"):
        new = replace(known[name], path=path)
        assert forgotten([*ENDPOINTS, new], ways(), {*SHOWING_NOTHING, name_of(new)}) == [
            f"{new.method} {path}"
        ]


def test_an_endpoint_that_shows_nothing_is_named_as_well() -> None:
    """Until somebody says that it shows nothing."""
    (health,) = [each for each in ENDPOINTS if each.path == "/health"]
    new = replace(health, path="/new")
    assert not can_show(new)
    assert forgotten([new], ways(), SHOWING_NOTHING) == ["GET /new"]
