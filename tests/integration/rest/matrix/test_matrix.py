"""Every endpoint that can show a tweet or a person, against every kind of viewer."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from rookery.http.declaring.endpoint import Auth, Endpoint
from rookery.http.native.app import ENDPOINTS
from tests.integration.rest.matrix.cases import CASES
from tests.integration.rest.matrix.cast import AUTHORS, HOST, VIEWERS, Viewer
from tests.integration.rest.matrix.declared import name_of
from tests.integration.rest.matrix.looking import KNOWN, Look
from tests.integration.rest.matrix.script import RULES, STEPS
from tests.integration.rest.matrix.town import Town, town

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole() -> AsyncIterator[Town]:
    """A world in which all of the script was played."""
    async with town(STEPS) as made:
        yield made


@pytest.mark.parametrize("endpoint", KNOWN, ids=name_of)
async def test_nothing_leaks(endpoint: Endpoint, whole: Town) -> None:
    """What a viewer may not see is as if it were not there; what the viewer may see is there."""
    look = Look(whole)
    assert [fault async for fault in look.at(endpoint)] == []
    subjects = {CASES[way].subject for way in look.ways}
    assert look.seen[True] > 0
    assert look.seen[False] > 0 or subjects == {"own"}


@pytest.mark.parametrize(
    "endpoint", [each for each in ENDPOINTS if each.auth is not Auth.NONE], ids=name_of
)
async def test_who_is_suspended_acts_no_more(endpoint: Endpoint, whole: Town) -> None:
    """Whatever it is, with the token that was good before; also where none is needed."""
    tables = whole.store.saved()
    path = endpoint.path.replace("{username}", HOST).replace("{userId}", whole.ids[HOST])
    for subject in (HOST, "gone", "host.root", "gone.public"):
        asked = path.replace("{id}", whole.ids[subject])
        answer = await whole.ask("gone", endpoint.method, asked)
        assert (answer.status, answer.body["code"]) == (401, "device_revoked")
    assert whole.store.saved() == tables


@pytest.mark.parametrize("viewer", VIEWERS, ids=str)
async def test_what_leads_to_the_hidden_shows_a_place(viewer: Viewer, whole: Town) -> None:
    """Quotes of it, answers to it, and what goes on below it: there it stands by its id alone."""
    for author in AUTHORS:
        quote = await whole.ok(viewer, "GET", f"/tweets/{whole.ids[f'fan.quotes_{author}']}")
        answer = await whole.ok(
            viewer, "GET", f"/tweets/{whole.ids[f'fan.answers_{author}']}/context"
        )
        below = await whole.ok(viewer, "GET", f"/tweets/{whole.ids['host.root']}/context?limit=50")
        (reply,) = [
            place for place in below["descendants"] if place["id"] == whole.ids[f"{author}.reply"]
        ]
        for place, label, may_see in (
            (quote["quoteOf"], f"{author}.public", RULES.sees),
            (answer["ancestors"][0], f"{author}.public", RULES.sees),
            (reply, f"{author}.reply", RULES.lists),  # Of those below, what is muted is hidden.
        ):
            hidden = {"id": whole.ids[label], "unavailable": "hidden"}
            assert (place == hidden) is not may_see(viewer, label), (author, place)
