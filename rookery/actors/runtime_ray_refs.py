"""Handles to named actors on Ray: how they are found and called, from any process."""

import asyncio
import importlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import ray
from ray.exceptions import (
    ActorDiedError,
    ActorUnschedulableError,
    RayError,
    RayTaskError,
)

from rookery.actors.calls import methods_of, read_answer, write_request
from rookery.actors.channel import MAX_FRAME_BYTES, Channel
from rookery.actors.runtime import Actor, ActorRef
from rookery.errors import ActorUnavailable, RookeryError

_lookups = ThreadPoolExecutor(thread_name_prefix="lookup")
"""Of their own: while Ray's head is away a look-up takes a minute."""


def _actor_class(module: str, name: str) -> type[Actor]:
    """The class by whose hints an actor's answers are read."""
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    if not (isinstance(found, type) and issubclass(found, Actor)):
        raise TypeError(f"{module}.{name} is no class of actors")
    methods_of(found)  # now rather than within the first call
    return found


class RayRef:
    """A handle to a named Ray actor, looked up at the first call and after a final death.

    Calls of actors on the same machine go through a channel, others through Ray.
    """

    def __init__(self, name: str, namespace: str) -> None:
        self._name = name
        self._namespace = namespace
        self._handle: Any = None
        self._class: type[Actor] = Actor
        self._channel: Channel | None = None
        self._is_far = False
        self._opening: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        return self._name

    async def call(self, method: str, /, *args: Any) -> Any:
        request = write_request(method, args)
        if len(request) > MAX_FRAME_BYTES:
            raise RookeryError(f"{self._name}.{method}: {len(request)} bytes are too many")
        handle = self._handle
        try:
            if handle is None or not (self._is_far or self._is_connected):
                await self._open()
                handle = self._handle
            if self._is_far:
                reply = await handle.call.remote(request)
            else:
                assert self._channel is not None
                reply = await self._channel.call(request)
        except (ActorDiedError, ActorUnschedulableError) as error:
            if self._handle is handle:  # the next actor of this name is another one
                self._handle = None
            raise ActorUnavailable() from error
        except RayTaskError as error:
            raise error.cause from error
        except (RayError, OSError, ValueError) as error:  # ValueError: no actor of this name
            raise ActorUnavailable() from error
        return read_answer(self._class, method, reply)

    @property
    def _is_connected(self) -> bool:
        return self._channel is not None and self._channel.is_usable

    async def _open(self) -> None:
        """Find the actor, and connect to it if it is on this machine; once for all who wait."""
        opening = self._opening
        if opening is None or opening.get_loop() is not asyncio.get_running_loop():
            opening = self._opening = asyncio.create_task(self._find())
            opening.add_done_callback(self._opened)
        await asyncio.shield(opening)

    async def _find(self) -> None:
        handle = self._handle
        if handle is None:
            handle = await asyncio.get_running_loop().run_in_executor(
                _lookups, ray.get_actor, self._name, self._namespace
            )
        module, name, address = await handle.contact.remote()
        self._class = _actor_class(module, name)
        self._channel = await Channel.open(address)
        self._is_far = self._channel is None
        self._handle = handle

    def _opened(self, opening: asyncio.Task[None]) -> None:
        if not opening.cancelled():
            opening.exception()  # those who wait have it
        if self._opening is opening:
            self._opening = None

    def close(self) -> None:
        if self._channel is not None:
            self._channel.close()

    def __repr__(self) -> str:
        return f"RayRef({self._name!r})"


class RayDirectory:
    """Finds named actors of one namespace from any process that Ray knows."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._refs: dict[str, RayRef] = {}

    def ref(self, name: str) -> ActorRef:
        ref = self._refs.get(name)
        if ref is None:
            ref = self._refs[name] = RayRef(name, self._namespace)
        return ref

    def close(self) -> None:
        """Break the connections to all actors."""
        for ref in self._refs.values():
            ref.close()
