"""A 404 of what is hidden takes about as long as that of what is not there.

Counted in reads of the store, which are what takes time: so it holds on every machine.
"""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from rookery.http.declaring.endpoint import Endpoint
from tests.integration.rest.matrix.cases import may_see
from tests.integration.rest.matrix.cast import AUTHORS
from tests.integration.rest.matrix.declared import name_of
from tests.integration.rest.matrix.looking import KNOWN, Cell, cells_of
from tests.integration.rest.matrix.script import STEPS
from tests.integration.rest.matrix.town import ABSENT, Town, town

pytestmark = pytest.mark.asyncio(loop_scope="module")

VIEWERS = (None, "stranger", "blocked")
SUBJECTS = (*(f"{each}.followers" for each in AUTHORS), "fan.retweets_closed", *AUTHORS)
FACTOR = 2
"""So many times as many reads are no other order of magnitude."""
FEW = 5
"""So many more are none either: most of them are made at once."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole() -> AsyncIterator[Town]:
    async with town(STEPS) as made:
        yield made


@pytest.mark.parametrize("is_cached", [False, True], ids=["cold", "warm"])
@pytest.mark.parametrize("endpoint", KNOWN, ids=name_of)
async def test_hidden_and_absent_take_as_many_reads(
    endpoint: Endpoint, is_cached: bool, whole: Town
) -> None:
    """About, whether the process has seen the two before or not."""
    for cell in cells_of(endpoint, VIEWERS, SUBJECTS):
        is_hidden = cell.subject and not may_see(cell.viewer, cell.case, cell.subject)
        if not is_hidden:
            continue
        hidden, absent = [
            await _reads(whole, each, is_cached) for each in (cell, cell._replace(subject=ABSENT))
        ]
        fewer, more = sorted((hidden, absent))
        assert more <= max(FACTOR * fewer, fewer + FEW), f"{cell}: {hidden}, {absent}"
        assert hidden == absent == 0 or fewer > 0, f"{cell}: {hidden}, {absent}"


async def _reads(town: Town, cell: Cell, is_cached: bool) -> int:
    """How often the store is asked for one request."""
    method, path, body = cell.request(town)
    town.forget()
    if is_cached:
        await town.ask(cell.viewer, method, path, body)
    before = sum(town.store.reads.values())
    await town.ask(cell.viewer, method, path, body)
    return sum(town.store.reads.values()) - before
