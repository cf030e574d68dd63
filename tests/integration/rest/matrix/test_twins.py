"""Lists with something hidden in them look like those of a world in which it never was."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.integration.rest.matrix.cast import AUTHORS, VIEWERS, Viewer
from tests.integration.rest.matrix.script import PLAIN, knows_of
from tests.integration.rest.matrix.town import Town, town
from tests.integration.rest.matrix.twins import ASKED_FOR, LISTS, Twins, twin_for, uncounted

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plain() -> AsyncIterator[Town]:
    """A world with everything that a twin could have."""
    async with town(PLAIN) as made:
        yield made


@pytest.mark.parametrize("viewer", VIEWERS, ids=str)
async def test_no_page_tells_of_the_hidden(viewer: Viewer, plain: Town) -> None:
    """Neither by what is on it, nor by its length, its counts, its cursor, or the next one."""
    assert any(not knows_of(viewer, step) for step in PLAIN)
    async with twin_for(viewer) as twin:
        twins = Twins(viewer, plain, twin)
        found = [
            difference for endpoint in LISTS async for difference in twins.differences(endpoint)
        ]
        assert found[:3] == []
        assert min(twins.compared.values()) > 0


async def test_who_is_muted_is_there_when_asked_for(plain: Town) -> None:
    """As for somebody else who follows: their own lists, in full."""
    words = plain.words(uncounted("follower"))
    for way in ASKED_FOR:
        for author in AUTHORS[:2]:
            path = way.removeprefix("GET ").replace("{username}", author)
            path = path.replace("{id}", plain.ids[author])
            for query in ("?limit=2", "?limit=50"):
                pages = [
                    [words.of(page) async for page in plain.pages(viewer, path + query)]
                    for viewer in ("follower", "muting")
                ]
                assert pages[0] == pages[1]
                assert len(pages[0][0][1]["tweets"]) == 2 or query == "?limit=50"
