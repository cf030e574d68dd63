"""``settle``, ``delivered`` and the checks: what is under way, and whether all is right."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from rookery.actors import names
from rookery.compose.commands.served import Served, telling
from rookery.control import Command, single
from rookery.services.checking.audit import Audit
from rookery.services.checking.references import References


class UpkeepCommands:
    """See the module."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self.by_name: dict[str, Command] = {
            "settle": single(self._settle),
            "delivered": single(self._delivered),
            "fsck": telling("fsck", self._fsck, "repair"),
            "fsck-references": telling("fsck-references", self._fsck_references, "repair"),
        }

    async def _settle(self, arguments: Mapping[str, Any]) -> None:
        await self._served.settle()

    async def _delivered(self, arguments: Mapping[str, Any]) -> dict[str, float]:
        """Events taken and rows reached since the worker's start."""
        worker = self._served.runtime.ref(names.FANOUT_WORKER)
        return dict(await worker.call("delivered"))

    async def _fsck(self, arguments: Mapping[str, Any]) -> AsyncIterator[Any]:
        backend = self._served.backend
        may_watch = self._served.use_cases.reading.may_watch
        audit = Audit(backend.store, backend.shards, may_watch, self._served.settle)
        async for progress in audit.run(repair=bool(arguments.get("repair"))):
            yield progress

    async def _fsck_references(self, arguments: Mapping[str, Any]) -> AsyncIterator[Any]:
        served = self._served
        references = References(served.backend.store, served.use_cases.tweets.removals)
        async for progress in references.run(repair=bool(arguments.get("repair"))):
            yield progress
