"""Compares a world with its twin, in which what a viewer may not know of never was.

All that differs between them is ids, moments, and counts of what counts for all: whoever may see a
tweet sees how many like it, whoever they are.
"""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

from msgspec.structs import fields

from rookery.http.declaring.endpoint import Endpoint
from tests.integration.rest.matrix.cast import Viewer, relation
from tests.integration.rest.matrix.declared import key_of, name_of
from tests.integration.rest.matrix.looking import KNOWN, Cell, cells_of
from tests.integration.rest.matrix.script import PLAIN, SURROUNDED, counted, knows_of, unlisted
from tests.integration.rest.matrix.town import Town, town

LIMITS = (2, 50)
_VARIED = {"page": ("1", "2", "3"), "filter": ("media", "replies", "retweets")}
"""Further parameters of lists, with the values that are tried."""
ASKED_FOR = frozenset(
    {"GET /timeline/user/{id}", "GET /users/{username}/tweets", "GET /users/{id}/pinned"}
)
"""Lists of a person in which a mute of the person does not count."""


def twin_for(viewer: Viewer) -> AbstractAsyncContextManager[Town]:
    """A world without what the viewer may not know of."""
    steps = [step for step in PLAIN if knows_of(viewer, step)]
    return town(steps, lambda step: unlisted(viewer, step))


def uncounted(viewer: Viewer) -> Counter[tuple[str, str]]:
    """What counts for all in the world, and never was in the viewer's twin of it."""
    return Counter(
        each for step in PLAIN if not knows_of(viewer, step) for each in counted(viewer, step)
    )


LISTS = tuple(each for each in KNOWN if each.method == "GET" and key_of(each) == name_of(each))
"""What is compared. Endpoints by name answer as those by id."""


class Twins:
    """A world and a viewer's twin of it. `compared` counts the pages of each endpoint."""

    def __init__(self, viewer: Viewer, world: Town, twin: Town) -> None:
        self._viewer = viewer
        self._world = world
        self._twin = twin
        self._worlds_words = world.words(uncounted(viewer))
        self._twins_words = twin.words(Counter())
        self.compared: Counter[str] = Counter()

    async def differences(self, endpoint: Endpoint) -> AsyncIterator[str]:
        """What the viewer could tell the two worlds apart by, of all that both have."""
        for cell in cells_of(endpoint, [self._viewer]):
            if self._is_compared(cell):
                for query in queries_of(endpoint):
                    found = await self._difference(cell, query)
                    if found:
                        yield f"{cell} {query}: {found}"

    def _is_compared(self, cell: Cell) -> bool:
        if not cell.subject:
            return True
        if cell.case.subject == "tweet" and cell.subject not in SURROUNDED:
            return False
        is_asked_for = cell.way in ASKED_FOR and relation(self._viewer, cell.subject) == "muting"
        return cell.subject in self._twin.ids and not is_asked_for

    async def _difference(self, cell: Cell, query: str) -> str:
        """The first page that differs, in both worlds."""
        of_world = [page async for page in self._pages(self._world, cell, query)]
        of_twin = [page async for page in self._pages(self._twin, cell, query)]
        self.compared[cell.way] += len(of_twin)
        for number, (one, other) in enumerate(zip(of_world, of_twin, strict=False)):
            if one != other:
                return f"page {number} is {one}, in the twin {other}"
        return "" if len(of_world) == len(of_twin) else "another number of pages"

    async def _pages(self, of: Town, cell: Cell, query: str) -> AsyncIterator[Any]:
        words = self._worlds_words if of is self._world else self._twins_words
        _, path, _ = cell.request(of)
        async for page in of.pages(self._viewer, path + query):
            yield words.of(page, cell.subject)


def queries_of(endpoint: Endpoint) -> Iterator[str]:
    """The ways to ask for a list: in pages of several sizes, and with all else it takes."""
    names = {field.encode_name for field in fields(endpoint.query_type)}
    if "limit" not in names:
        assert not names, f"{endpoint.path}: say in _VARIED how to ask with {names}"
        yield ""
        return
    yield from (f"?limit={limit}" for limit in LIMITS)
    for name in sorted(names - {"cursor", "limit"}):
        assert name in _VARIED, f"{endpoint.path}: say in _VARIED how to ask with {name}"
        yield from (f"?limit=2&{name}={value}" for value in _VARIED[name])
