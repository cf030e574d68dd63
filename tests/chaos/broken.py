"""Builds that break one promise each, on purpose: the checker must catch every one of them.

Used by `tests.chaos.driver` only; nothing of this is in the product.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import msgspec
import numpy as np

from rookery.actors.gateway import ConnectionServer
from rookery.actors.runtime import ActorContext, ActorRef, ActorSpec, Runtime
from rookery.actors.shard import TimelineShard
from rookery.actors.writer import StoreWriter
from rookery.compose.streams import StreamSurface
from rookery.config import Config
from rookery.domain.delivered import RecentIds
from rookery.domain.placement import ClusterView
from rookery.messages import Push
from rookery.store.engine import Insert, WriteBatch
from rookery.store.schema import TWEETS
from tests.chaos.salon.broken import SOCIAL_BUILDS, Build

COMMIT_LATE_S = 0.5
DROP_EVERY = 20

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[WriteBatch]).decode


class EarlyWriter(StoreWriter):
    """Answers posts half a second before it commits them."""

    async def write(self, payload: bytes) -> list[Exception | None]:
        batches = _decode(payload)
        if not any(map(_is_post, batches)):
            return await super().write(payload)
        prompt = [batch for batch in batches if not _is_post(batch)]
        late = [batch for batch in batches if _is_post(batch)]
        self.spawn(self._commit(_encode(late)))
        outcomes = iter(await super().write(_encode(prompt)) if prompt else [])
        return [None if _is_post(batch) else next(outcomes) for batch in batches]

    async def _commit(self, payload: bytes) -> None:
        await asyncio.sleep(COMMIT_LATE_S)
        await super().write(payload)


def _is_post(batch: WriteBatch) -> bool:
    return any(
        isinstance(each, Insert) and each.collection == TWEETS.name for each in batch.operations
    )


class Forgetful(RecentIds):
    """Remembers nothing."""

    def add(self, item: int) -> bool:
        return True


class ForgetfulShard(TimelineShard):
    """Takes every delivery for new."""

    def __init__(self, context: ActorContext, config: Config, view: ClusterView) -> None:
        super().__init__(context, config, view)
        self._delivered = Forgetful(1)


class LossySurface(StreamSurface):
    """Drops every n-th push, and takes its session for up to date."""

    _pushed = 0

    def push(self, batch: list[Push]) -> None:
        for push in batch:
            self._pushed += 1
            if self._pushed % DROP_EVERY:
                super().push([push])
            else:
                self._drop(push)

    def _drop(self, push: Push) -> None:
        users = np.frombuffer(push.user_ids, "<i8").tolist()
        offsets = np.frombuffer(push.offsets, "<i8").tolist()
        for user_id, offset in zip(users, offsets, strict=True):
            for peer in self._hub._by_user.get(user_id, ()):
                if peer.session.offset == offset - 1:
                    peer.session.offset = offset


async def compose_lossy(
    context: ActorContext, config: Config, view: ClusterView, port: int
) -> StreamSurface:
    surface = LossySurface(context, config, view, port)
    await surface.open()
    return surface


def _with_lossy_surface(spec: ActorSpec) -> ActorSpec:
    return replace(spec, args=(*spec.args[:-1], compose_lossy))


BUILDS: Mapping[str, Build] = {
    "acknowledge-early": (StoreWriter, lambda spec: replace(spec, cls=EarlyWriter)),
    "forget-delivered": (TimelineShard, lambda spec: replace(spec, cls=ForgetfulShard)),
    "drop-pushes": (ConnectionServer, _with_lossy_surface),
    **SOCIAL_BUILDS,
}
"""What each is called, and which actor it breaks how."""


class BrokenRuntime:
    """A `Runtime` whose actors of one class are broken ones."""

    def __init__(self, runtime: Runtime, build: str) -> None:
        self._runtime = runtime
        self._victim, self._break = BUILDS[build]

    async def start(self, *specs: ActorSpec) -> None:
        await self._runtime.start(
            *(self._break(spec) if spec.cls is self._victim else spec for spec in specs)
        )

    async def stop(self) -> list[str]:
        return await self._runtime.stop()

    def hurry(self) -> None:
        self._runtime.hurry()

    def restarts(self) -> Mapping[str, int]:
        return self._runtime.restarts()

    def ref(self, name: str) -> ActorRef:
        return self._runtime.ref(name)
