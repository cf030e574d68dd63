"""Looks at every answer and says what is wrong with it. Finding nothing is what is wanted."""

from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterator
from typing import Any, NamedTuple

from rookery.http.declaring.endpoint import Endpoint
from rookery.http.native.app import ENDPOINTS
from tests.integration.rest.matrix.cases import CASES, Case, may_see
from tests.integration.rest.matrix.cast import AUTHORS, HOST, VIEWERS, Viewer, sees_person
from tests.integration.rest.matrix.declared import key_of, name_of
from tests.integration.rest.matrix.script import ACTED_ON, PERSONS, RULES, SUBJECTS, TWEETS
from tests.integration.rest.matrix.town import ABSENT, Answer, Town

_REFERRING = frozenset(
    {"inReplyToId", "inReplyToUserId", "quoteOfId", "conversationId", "mentions"}
)
"""Fields that may name what is hidden: the text that leads there is not."""


class Cell(NamedTuple):
    """A viewer asks an endpoint, in one of its ways, about a subject."""

    endpoint: Endpoint
    way: str
    viewer: Viewer
    subject: str

    @property
    def case(self) -> Case:
        return CASES[self.way]

    @property
    def is_left_out(self) -> bool:
        """Whether another cell like it is enough, as long as the subject is no secret."""
        changes = self.endpoint.method != "GET"
        return changes and self.case.subject == "tweet" and self.subject not in ACTED_ON

    def __str__(self) -> str:
        way = self.way[self.way.find(" (") :] if " (" in self.way else ""
        about = f" about {self.subject}" if self.subject else ""
        return f"{self.viewer or 'nobody'} asks {name_of(self.endpoint)}{way}{about}"

    def request(self, town: Town) -> tuple[str, str, Any]:
        """Method, path and body."""
        path = self.endpoint.path
        name = ABSENT if self.subject == ABSENT else self.subject
        known = town.id_of(self.subject) if self.subject else ""
        path = path.replace("{username}", name).replace("{userId}", known).replace("{id}", known)
        return self.endpoint.method, path, self.case.body(known) if self.case.body else None


def ways_of(endpoint: Endpoint) -> list[str]:
    """The names of its cases."""
    key = key_of(endpoint)
    return [each for each in CASES if each.partition(" (")[0] == key]


KNOWN = tuple(each for each in ENDPOINTS if ways_of(each))
"""The endpoints that are looked at."""


def cells_of(
    endpoint: Endpoint, viewers: Collection[Viewer] = VIEWERS, subjects: Collection[str] = ()
) -> Iterator[Cell]:
    """Every cell of an endpoint; with `subjects` only those about one of these."""
    needs_user = endpoint.auth.value == "required"
    for way in ways_of(endpoint):
        kind = CASES[way].subject
        labels = {"tweet": SUBJECTS, "person": PERSONS, "own": ("",)}[kind]
        if key_of(endpoint) != name_of(endpoint):
            labels = (HOST, *AUTHORS)  # By name, which is found before all else.
        for viewer in viewers:
            if viewer is None and needs_user:
                continue
            for label in labels:
                if not subjects or not label or label in subjects:
                    yield Cell(endpoint, way, viewer, label)


class Look:
    """The matrix over one town. `ways` are those that were asked, `seen` counts by whether the
    subject was to be seen."""

    def __init__(self, town: Town) -> None:
        self._town = town
        self._tables = town.store.saved()
        self._absent: dict[tuple[str, str, Viewer], Answer] = {}
        self._ids = {each: label for label, each in town.ids.items()}
        self.seen: Counter[bool] = Counter()
        self.ways: set[str] = set()

    async def at(self, endpoint: Endpoint, subjects: Collection[str] = ()) -> AsyncIterator[str]:
        """What is wrong with an endpoint's answers."""
        for cell in cells_of(endpoint, subjects=subjects):
            for fault in await self._at(cell):
                yield f"{cell}: {fault}"

    async def _at(self, cell: Cell) -> list[str]:
        is_seen = not cell.subject or may_see(cell.viewer, cell.case, cell.subject)
        if is_seen and cell.is_left_out:
            return []
        self.seen[is_seen] += 1
        self.ways.add(cell.way)
        answer = await self._answer(cell)
        writes = await self._undone()
        faults = self.leaks(cell.viewer, answer.body)
        if not is_seen:
            absent = await self._absent_answer(cell)
            if answer != absent:
                faults.append(f"{answer} is not as of what is not there, {absent}")
            if writes and not cell.case.may_write:
                faults.append("something was written")
            return faults
        right = cell.case.statuses(cell.viewer, cell.subject)
        if answer.status not in right:
            faults.append(f"{answer.status} {answer.body}, not {right}")
        return faults

    async def _answer(self, cell: Cell) -> Answer:
        """The answer, in which the id that was asked for may stand."""
        method, path, body = cell.request(self._town)
        answer = await self._town.ask(cell.viewer, method, path, body)
        if answer.status < 300 or not cell.subject:
            return answer
        error = answer.body["error"].replace(self._town.id_of(cell.subject), "(its id)")
        return answer._replace(body={**answer.body, "error": error})

    async def _absent_answer(self, cell: Cell) -> Answer:
        key = (name_of(cell.endpoint), cell.way, cell.viewer)
        if key not in self._absent:
            self._absent[key] = await self._answer(cell._replace(subject=ABSENT))
        return self._absent[key]

    async def _undone(self) -> bool:
        """Whether the last request wrote; all is then as before."""
        if self._town.store.saved() == self._tables:
            return False
        await self._town.world.services.changes.settled()
        self._town.store.restore(self._tables)
        self._town.forget()
        return True

    def leaks(self, viewer: Viewer, body: Any) -> list[str]:
        """What an answer says of tweets and people whom the viewer may not know of."""
        return [
            f"{label} is told in {field or 'the body'}"
            for label, field in self._told(body, "")
            if not self._may_know(viewer, label)
        ]

    def _may_know(self, viewer: Viewer, label: str) -> bool:
        return RULES.sees(viewer, label) if label in TWEETS else sees_person(viewer, label)

    def _told(self, value: Any, field: str) -> Iterator[tuple[str, str]]:
        """The tweets and people that a value tells of, and in which field."""
        if field in _REFERRING:
            return
        if isinstance(value, list):
            for each in value:
                yield from self._told(each, field)
        elif isinstance(value, dict):
            hides = "unavailable" in value
            for name, each in value.items():
                if not (hides and name == "id"):
                    yield from self._told(each, name)
        elif isinstance(value, str):
            label = self._ids.get(value) or value.partition("[")[2].partition("]")[0]
            if label in self._town.ids:
                yield label, field
