"""The matrix finds the fault of every build in which a filter is missing."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import NamedTuple

import pytest
import pytest_asyncio

from rookery.http.declaring.endpoint import Endpoint
from tests.integration.rest.matrix.broken import STAGES, Break
from tests.integration.rest.matrix.cases import CASES
from tests.integration.rest.matrix.declared import key_of, name_of
from tests.integration.rest.matrix.looking import KNOWN, Look
from tests.integration.rest.matrix.script import PLAIN, STEPS
from tests.integration.rest.matrix.town import Town, town
from tests.integration.rest.matrix.twins import LISTS, Twins, twin_for

pytestmark = pytest.mark.asyncio(loop_scope="module")

SAME_FOR_ALL = {
    "DELETE /tweets/{id}/bookmark",
    "DELETE /tweets/{id}/mute",
    "DELETE /tweets/{id}/pin",
    "GET /users/me",
    *(way.partition(" (")[0] for way, case in CASES.items() if case.is_own_act),
}
"""Endpoints without a filter: they answer the same, whatever the id they are given."""


class Towns(NamedTuple):
    """All that the matrix looks at: the worlds, and two of the twins."""

    whole: Town
    twins: tuple[Twins, Twins]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def towns() -> AsyncIterator[Towns]:
    """Made before anything is broken."""
    async with AsyncExitStack() as stack:
        whole, plain = [await stack.enter_async_context(town(each)) for each in (STEPS, PLAIN)]
        stranger, muting = [
            Twins(viewer, plain, await stack.enter_async_context(twin_for(viewer)))
            for viewer in ("stranger", "muting")
        ]
        yield Towns(whole, (stranger, muting))


async def faults(towns: Towns) -> AsyncIterator[str]:
    """What the matrix finds; the quick parts first."""
    for twins in towns.twins:
        for endpoint in LISTS:
            async for difference in twins.differences(endpoint):
                yield difference
    look = Look(towns.whole)
    for endpoint in KNOWN:
        async for fault in look.at(endpoint):
            yield fault


@pytest.mark.parametrize("stage", STAGES, ids=lambda each: each.__name__)
async def test_a_missing_filter_is_found(
    stage: Break, towns: Towns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever it is, with all others in their places."""
    stage(monkeypatch)
    assert await anext(faults(towns), None) is not None


@pytest.mark.parametrize("endpoint", KNOWN, ids=name_of)
async def test_a_path_without_filters_is_found(
    endpoint: Endpoint, towns: Towns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By what is asked of that path alone, whatever the others do."""
    for stage in STAGES:
        stage(monkeypatch)
    found = await anext(Look(towns.whole).at(endpoint), None)
    assert (found is None) is (key_of(endpoint) in SAME_FOR_ALL)
