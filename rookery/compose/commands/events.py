"""``events`` and ``retry-events``: what consumers of events could not take."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec

from rookery.actors import names
from rookery.compose.commands.served import Served, telling
from rookery.control import Command, single
from rookery.store.records.events import FailedEvent
from rookery.views import iso_time


class EventCommands:
    """See the module."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self.by_name: dict[str, Command] = {
            "events": self._events,
            "retry-events": telling("retry-events", single(self._retry), "consumer"),
        }

    async def _events(self, arguments: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """What was put aside, at most `limit` events; of one `consumer`, or of all."""
        worker = self._served.runtime.ref(names.FANOUT_WORKER)
        consumer, limit = arguments.get("consumer"), int(arguments.get("limit", 100))
        for failed in await worker.call("failed_events", consumer, limit):
            yield _described(failed)

    async def _retry(self, arguments: Mapping[str, Any]) -> int:
        """Hand out again what a `consumer`, or any, could not take; how many events."""
        worker = self._served.runtime.ref(names.FANOUT_WORKER)
        count: int = await worker.call("retry_events", arguments.get("consumer"))
        return count


def _described(failed: FailedEvent) -> dict[str, Any]:
    """An event that was put aside, for people."""
    try:
        kind = str(msgspec.msgpack.decode(failed.event)["type"])
    except (msgspec.MsgspecError, KeyError, TypeError):
        kind = "unreadable"
    return {
        "consumer": failed.consumer,
        "id": str(failed.id),
        "kind": kind,
        "tries": failed.tries,
        "failed_at": iso_time(failed.failed_ms),
        "reason": failed.reason,
    }
