"""Pages joined from values that are JSON already."""

import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from rookery.http.native.presenting import next_cursor, page_json, tweets_or_graves


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


async def test_graves_cost_no_further_reads() -> None:
    """All is rendered at once, and each id finds its place."""
    asked: list[list[int]] = []

    class Cards:
        async def tweets_json(self, viewer_id: int | None, ids: Sequence[int]) -> list[bytes]:
            asked.append(list(ids))
            return [b'{"id":"%d","text":"hi"}' % each for each in ids if each % 2]

    services = cast(Any, SimpleNamespace(cards=Cards()))
    shown = await tweets_or_graves(services, None, [5, 2, 3, 4])
    assert [json.loads(each) for each in shown] == [
        {"id": "5", "text": "hi"},
        {"id": "2", "unavailable": "deleted"},
        {"id": "3", "text": "hi"},
        {"id": "4", "unavailable": "deleted"},
    ]
    assert asked == [[5, 2, 3, 4]]
