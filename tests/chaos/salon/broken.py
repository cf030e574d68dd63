"""Builds that break one promise each about who may see what; see `tests.chaos.broken`."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

import msgspec

from rookery.actors.account_changes import Accounts
from rookery.actors.gateway import Gateway
from rookery.actors.runtime import Actor, ActorContext, ActorSpec
from rookery.actors.shard import TimelineShard
from rookery.actors.writer import StoreWriter
from rookery.compose.gateway import GatewaySurface
from rookery.config import Config
from rookery.domain.placement import ClusterView
from rookery.domain.visibility import Facts, Viewer
from rookery.http.native.services import Services
from rookery.messages import Delivery, Invalidation
from rookery.models import EventKind, PostKind
from rookery.services.reading import filters, showing
from rookery.services.reading.gathering import Gathered
from rookery.services.reading.shown import Place, Unavailable
from rookery.store.engine import Increment, Insert, Operation, Put, WriteBatch
from rookery.store.records.removals import Remains, Removal
from rookery.store.schema import BLOCKS, RETWEETED, TWEET_COUNTS

Build: TypeAlias = tuple[type[Actor], Callable[[ActorSpec], ActorSpec]]

ANSWERED_EARLY_S = 0.5

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[WriteBatch]).decode


# Shards.


class HeedlessShard(TimelineShard):
    """Goes on pushing to whom somebody blocked or was muted by, by what it knew at first."""

    async def hidden_changed(self, user_ids: list[int]) -> list[None]:
        return [None] * len(user_ids)


class LoyalShard(TimelineShard):
    """Goes on pushing to who follows no more, as whoever is blocked does not."""

    async def graph_changed(self, changes: list[tuple[int, int, bool]]) -> list[None]:
        await super().graph_changed([each for each in changes if each[2]])
        return [None] * len(changes)


class ClingingShard(TimelineShard):
    """Tells nobody that a retweet was taken back, or went with its original."""

    def _deliver(self, batch: list[Delivery], accounts: Accounts, *, listed: bool) -> int:
        told = [
            each
            for each in batch
            if each.event_kind != EventKind.TWEET_DELETED or not each.post_kind & PostKind.RETWEET
        ]
        return super()._deliver(told, accounts, listed=listed)


# The store.


class OtherWriter(StoreWriter):
    """Writes something else than it was asked to."""

    async def write(self, payload: bytes) -> list[Exception | None]:
        batches = _decode(payload)
        other = [WriteBatch(tuple(map(self.other, batch.operations))) for batch in batches]
        return await super().write(_encode(other))

    @staticmethod
    def other(operation: Operation) -> Operation:
        raise NotImplementedError


class LenientWriter(OtherWriter):
    """Lets a tweet be retweeted by the same person again and again."""

    @staticmethod
    def other(operation: Operation) -> Operation:
        if isinstance(operation, Insert) and operation.collection == RETWEETED.name:
            return Put(operation.collection, operation.document)
        return operation


class CarelessWriter(OtherWriter):
    """Does not count retweets."""

    @staticmethod
    def other(operation: Operation) -> Operation:
        if (
            isinstance(operation, Increment)
            and operation.collection == TWEET_COUNTS.name
            and "retweets" in operation.deltas
        ):
            deltas = {**operation.deltas, "retweets": 0}
            return msgspec.structs.replace(operation, deltas=deltas)
        return operation


class MildWriter(StoreWriter):
    """Acknowledges that somebody is blocked, and does not write it."""

    async def write(self, payload: bytes) -> list[Exception | None]:
        batches = _decode(payload)
        rest = [batch for batch in batches if not _blocks(batch)]
        outcomes = iter(await super().write(_encode(rest)) if rest else [])
        return [None if _blocks(batch) else next(outcomes) for batch in batches]


def _blocks(batch: WriteBatch) -> bool:
    return any(
        isinstance(each, Insert) and each.collection == BLOCKS.name for each in batch.operations
    )


# Gateways.


def trust_viewers(services: Services) -> None:
    """Go by what was first known of a viewer, until that is too old."""

    def forget(user_id: int) -> None:
        pass

    services.reading.viewers.forget = forget  # type: ignore[method-assign]


def keep_cards(services: Services) -> None:
    """Go by what was first known of authors, as whether they are private."""
    invalidate = services.reading.entries.invalidate

    def without_users(change: Invalidation) -> None:
        invalidate(msgspec.structs.replace(change, users=[]))

    services.reading.entries.invalidate = without_users  # type: ignore[method-assign]


def skip_filter(services: Services) -> None:
    """Show everything to everybody."""

    def may_see(viewer: Viewer, facts: Facts) -> bool:
        return True

    vars(filters)["may_see"] = may_see


def show_quoted(services: Services) -> None:
    """Show what is quoted to whoever may see the quote."""

    def quoted(gathered: Gathered, tweet_id: int) -> Place:
        entry = gathered.entries.get(tweet_id)
        if entry is None:
            return Unavailable(tweet_id, "deleted")
        return showing.shown_of(gathered, entry, is_quoted=True)

    showing._quoted = quoted


def answer_early(services: Services) -> None:
    """Answer a change of how people stand to each other before anybody is told."""
    tell, later = services.graph_changes.tell, set[asyncio.Task[None]]()

    async def tell_later(**changes: Any) -> None:
        async def wait_and_tell() -> None:
            await asyncio.sleep(ANSWERED_EARLY_S)
            await tell(**changes)

        task = asyncio.create_task(wait_and_tell())
        later.add(task)
        task.add_done_callback(later.discard)

    services.graph_changes.tell = tell_later  # type: ignore[method-assign]


def forget_requests(services: Services) -> None:
    """Leave the requests to an account that turns public."""

    async def begin(subject_id: int) -> None:
        pass

    services.openings.begin = begin  # type: ignore[method-assign]


def leave_retweets(services: Services) -> None:
    """Leave the retweets of what is deleted."""
    removals = services.tweets.removals._removals
    remains = removals.remains

    async def without_retweets(removal: Removal, limit: int) -> Remains:
        return msgspec.structs.replace(await remains(removal, limit), retweets=[])

    removals.remains = without_retweets  # type: ignore[method-assign]


async def compose_broken(
    break_: Callable[[Services], None],
    context: ActorContext,
    config: Config,
    view: ClusterView,
    port: int,
) -> GatewaySurface:
    surface = GatewaySurface(context, config, view, port)
    break_(surface._services)
    await surface.open()
    return surface


def _gateway(break_: Callable[[Services], None]) -> Build:
    composed = partial(compose_broken, break_)
    return Gateway, lambda spec: replace(spec, args=(*spec.args[:-1], composed))


def _actor(kind: type[Actor], broken: type[Actor]) -> Build:
    return kind, lambda spec: replace(spec, cls=broken)


SOCIAL_BUILDS: Mapping[str, Build] = {
    "push-to-hidden": _actor(TimelineShard, HeedlessShard),
    "push-to-former": _actor(TimelineShard, LoyalShard),
    "keep-retweets": _actor(TimelineShard, ClingingShard),
    "retweet-twice": _actor(StoreWriter, LenientWriter),
    "miscount": _actor(StoreWriter, CarelessWriter),
    "lose-blocks": _actor(StoreWriter, MildWriter),
    "trust-viewers": _gateway(trust_viewers),
    "keep-cards": _gateway(keep_cards),
    "skip-filter": _gateway(skip_filter),
    "show-quoted": _gateway(show_quoted),
    "answer-early": _gateway(answer_early),
    "forget-requests": _gateway(forget_requests),
    "leave-retweets": _gateway(leave_retweets),
}
