"""Watches an actor's process: its deaths are logged, its stop is waited for."""

import asyncio
from time import monotonic
from typing import Any

import structlog
from ray.exceptions import (
    ActorDiedError,
    ActorUnschedulableError,
    RayError,
    RayTaskError,
)

from rookery.actors.runtime import Actor, Stage
from rookery.actors.stopping import Hurry, stop_in_time

log = structlog.get_logger(__name__)

LOOK_AGAIN_S = 0.5
REASON_CHARS = 500


class Supervised:
    """An actor that this runtime started or took over; its deaths are logged while it is watched.

    Ray restarts it; this only tells of it, in the log of whoever runs the server.
    """

    def __init__(self, name: str, cls: type[Actor], handle: Any) -> None:
        self.name = name
        self.cls = cls
        self.handle = handle
        self.restarts = 0
        self._watching: asyncio.Task[None] | None = None

    def watch(self) -> None:
        """Tell of its deaths from now on."""
        self._watching = asyncio.get_running_loop().create_task(self._watch())

    def let_go(self) -> None:
        """Tell of nothing more: its end is wanted."""
        if self._watching is not None:
            self._watching.cancel()

    async def _watch(self) -> None:
        while True:
            try:
                await self.handle.until_death.remote()
            except ActorUnschedulableError:
                log.warning("actor ended with its node", actor=self.name)
                return
            except ActorDiedError as error:
                log.error("actor died for good", actor=self.name, reason=_reason(error))
                return
            except RayError as error:
                began_s = monotonic()
                log.warning(
                    "actor died", actor=self.name, reason=_reason(error), next="Ray restarts it"
                )
                if not await self._until_back():
                    continue
                self.restarts += 1
                took_s = round(monotonic() - began_s, 1)
                log.warning(
                    "actor restarted", actor=self.name, after_s=took_s, restarts=self.restarts
                )

    async def _until_back(self) -> bool:
        """Return when its process is there again (True), or has ended for good."""
        while True:
            try:
                await self.handle.contact.remote()
                return True
            except (ActorDiedError, ActorUnschedulableError):
                return False
            except RayError:
                await asyncio.sleep(LOOK_AGAIN_S)

    async def stop(self, hurry: Hurry) -> str | None:
        """Have it stop in its time; what went wrong, if anything did."""

        async def stop() -> None:
            try:
                await self.handle.stop.remote()
            except RayTaskError as error:
                raise error.cause from error
            except (ActorDiedError, ActorUnschedulableError):
                if self.cls.stage is Stage.STORE:
                    raise
                # Its node is gone, and nothing that it held is lost.

        return await stop_in_time(self.name, stop, self.cls.stage, self.cls.stop_s, hurry)


def _reason(error: BaseException) -> str:
    """Ray's reason for a death, in one line of bounded length."""
    return " ".join(str(error).split())[:REASON_CHARS]
