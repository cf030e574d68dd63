"""Pages joined from values that are JSON already."""

import json

import pytest

from rookery.http.native.presenting import next_cursor, page_json


@pytest.mark.parametrize("count", [0, 1, 2, 5])
@pytest.mark.parametrize("cursor", [None, "abc"])
def test_page_is_the_json_of_its_parts(count: int, cursor: str | None) -> None:
    """Whatever the number of entries, the bytes are one JSON object."""
    rendered = [b'{"id":"%d"}' % number for number in range(count)]
    page = json.loads(page_json(b"tweets", rendered, cursor))
    expected = [{"id": str(number)} for number in range(count)]
    assert page == {"tweets": expected, "nextCursor": cursor}


def test_page_leaves_what_it_joins_as_it_was() -> None:
    """Entries come from a cache and must not be changed."""
    rendered = [b"1", b"2"]
    page_json(b"tweets", rendered, None)
    assert rendered == [b"1", b"2"]


def test_position_zero_is_the_end() -> None:
    """The last page has no cursor."""
    assert next_cursor("home", 0) is None
    assert next_cursor("home", 5) is not None
