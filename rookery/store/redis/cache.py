"""Tweets and users in Redis, shared by all processes: a layer between their caches and the store.

How old a read may be. A change is written here by whoever committed it, before its `write`
returns; so a read that begins after that sees it, as it would in the store. There are exceptions,
all of them bounded by `TTL_S` after the document was put here (and the time that the read of the
store took which it came from):

* The writer died between the commit and the change here: what was here before stays until the
  fan-out worker comes to the change of a tweet, or of who may see a user's tweets; what else there
  is of a user stays until it expires. Where Redis did not answer in time, it stays until the writer
  or the worker reaches Redis again, which they try every `RETRY_S`; the worker then has everyone
  forget what they read here in between.
* Redis dropped the change early (its memory was full, its data was lost), and a reader that had
  read the store before the change then put the former document here.

So it is for showing tweets and their authors, not for what is then changed or decided by: log-ins,
changes and permissions read the store itself. A process's own cache on top of it counts its time
from its read here. Passwords and e-mail addresses are never put here.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
import structlog

from rookery.config import Config, Redis
from rookery.domain.outage import Outage
from rookery.store.engine import (
    Collection,
    ConditionFailed,
    Delete,
    Document,
    Expect,
    GroupWriter,
    Increment,
    Insert,
    Key,
    Put,
    Reader,
    WriteBatch,
)
from rookery.store.redis.connection import FAILURES, connect, end
from rookery.store.redis.names import document_key
from rookery.store.schema import TWEETS, USERS

log = structlog.get_logger(__name__)

TTL_S = 60
BOUND_S = 0.25
"""A shared cache that takes longer than this is none."""
RETRY_S = 0.2
MAX_FILLS = 10_000
MAX_OWED = 100_000
BATCH = 500
_PRIVATE: dict[str, frozenset[str]] = {
    TWEETS.name: frozenset(),
    USERS.name: frozenset({"password_hash", "email"}),
}
"""The collections that are cached, and the fields of each that are not."""

_VERSION_DIGITS = 16
_ASK_THE_STORE = b"?"
"""Stands where a document was deleted, or may have been changed; nothing replaces it."""

_REPLACE = """
for i, key in ipairs(KEYS) do
  local old, new = redis.call('GET', key), ARGV[i + 1]
  local is_newer = not old or new == '?'
  if old and old ~= '?' and new ~= '?' then
    is_newer = tonumber(string.sub(new, 1, 16)) >= tonumber(string.sub(old, 1, 16))
  end
  if is_newer then redis.call('SET', key, new, 'EX', ARGV[1]) end
end
"""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(dict[str, Any])


Changed = tuple[str, int]
"""Collection and id of a document."""


class SharedCache:
    """The documents in Redis. One per event loop; close it.

    Redis may be away: then nothing is found, and nobody waits. After a failure it is left alone
    for a second, and then asked by one caller a second until it answers. Changes that could not be
    told are told then, and `caught_up` is called with them.
    """

    def __init__(
        self,
        settings: Redis,
        steady_ms: Callable[[], int],
        caught_up: Callable[[list[Changed]], object] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._steady_ms = steady_ms
        self._caught_up = caught_up
        self._client = connect(settings)
        self._replace: Any = self._client.register_script(_REPLACE)
        self._outage = Outage()
        self._fills: dict[bytes, bytes] = {}
        self._filling: asyncio.Task[None] | None = None
        self._owed: dict[Changed, None] = {}  # whose change could not be told
        self._paying: asyncio.Task[None] | None = None
        self._counts = {"hits": 0.0, "misses": 0.0}

    async def get_many(self, collection: Collection, keys: Sequence[Key]) -> list[Document | None]:
        """What is cached under each of `keys`; None where the store has to be asked."""
        missing: list[Document | None] = [None] * len(keys)
        if not keys or not self._outage.may_ask(self._steady_ms()):
            self._counts["misses"] += len(keys)
            return missing
        try:
            async with asyncio.timeout(BOUND_S):
                values: Any = await self._client.mget(
                    [self._key(collection.name, key) for key in keys]
                )
        except FAILURES as error:
            self._failed(error)
            self._counts["misses"] += len(keys)
            return missing
        self._answered()
        documents = [_document(value) for value in values]
        hits = sum(document is not None for document in documents)
        self._counts["hits"] += hits
        self._counts["misses"] += len(keys) - hits
        return documents

    def fill(self, collection: str, documents: Sequence[Document]) -> None:
        """Put documents that the store has now, unless newer ones are here; without waiting."""
        if self._outage.is_on or len(self._fills) + len(documents) > MAX_FILLS:
            return
        for document in documents:
            value = _value(collection, document)
            if value is not None:
                self._fills[self._key(collection, (document["id"],))] = value
        if self._fills and self._filling is None:
            self._filling = asyncio.get_running_loop().create_task(self._fill())

    async def _fill(self) -> None:
        try:
            while self._fills:
                keys = list(self._fills)[:BATCH]
                pipeline = self._client.pipeline(transaction=False)
                for key in keys:
                    pipeline.set(key, self._fills.pop(key), ex=TTL_S, nx=True)
                try:
                    await pipeline.execute()
                except FAILURES as error:
                    self._failed(error)
                    self._fills.clear()
        finally:
            self._filling = None

    async def replace(self, changes: Mapping[Changed, Document | None]) -> None:
        """Put changed documents, by collection and id, in the place of older ones.

        None: it is gone, or what it is now is not known; the store is asked until `TTL_S` later.
        Returns after `BOUND_S` at the latest, and raises nothing.
        """
        if not changes:
            return
        if not self._outage.may_ask(self._steady_ms()) or not await self._told(changes):
            self._owe(changes)

    async def _told(self, changes: Mapping[Changed, Document | None]) -> bool:
        """Put changes in the place of what is older; False if Redis did not say that it did."""
        values: dict[bytes, bytes] = {}
        for (collection, document_id), document in changes.items():
            value = None if document is None else _value(collection, document)
            key = self._key(collection, (document_id,))
            values[key] = _ASK_THE_STORE if value is None else value
            self._fills.pop(key, None)
        try:
            async with asyncio.timeout(BOUND_S):
                await self._replace(keys=list(values), args=[TTL_S, *values.values()])
        except FAILURES as error:
            self._failed(error)
            return False
        self._answered()
        return True

    def _owe(self, changes: Iterable[Changed]) -> None:
        self._owed.update(dict.fromkeys(changes))
        while len(self._owed) > MAX_OWED:
            del self._owed[next(iter(self._owed))]
        if self._paying is None:
            self._paying = asyncio.get_running_loop().create_task(self._pay())

    async def _pay(self) -> None:
        """Have readers ask the store for what changed while Redis did not answer."""
        while self._owed:
            await asyncio.sleep(RETRY_S)
            changes = list(self._owed)[:BATCH]
            if await self._told(dict.fromkeys(changes)):
                for change in changes:
                    self._owed.pop(change, None)
                self._caught_up(changes)
        self._paying = None

    def _key(self, collection: str, key: Key) -> bytes:
        return document_key(self._settings, collection, int(key[0]))

    def _failed(self, error: BaseException) -> None:
        if not self._outage.is_on:
            log.warning("the shared cache does not answer; reading the store", error=str(error))
        self._outage.failed(self._steady_ms())

    def _answered(self) -> None:
        if self._outage.is_on:
            log.info("the shared cache answers again")
        self._outage.answered()

    def figures(self) -> Mapping[str, float]:
        """Documents found here and not found since the start, and whether Redis is away."""
        return {
            **{f"shared_cache_{name}": count for name, count in self._counts.items()},
            "shared_cache_away": float(self._outage.is_on),
        }

    async def close(self) -> None:
        for task in (self._filling, self._paying):
            if task is not None:
                await end(task)
        await self._client.aclose()


def opened(
    config: Config,
    steady_ms: Callable[[], int],
    caught_up: Callable[[list[Changed]], object] = lambda _: None,
) -> SharedCache | None:
    """The cache of the configured server; None where it has none, which is everywhere but in Redis
    over a store that is shared.

    Raises:
        ConfigError: redis.url is malformed.
    """
    if not config.store.is_shared or not config.redis.url:
        return None
    return SharedCache(config.redis, steady_ms, caught_up)


def _value(collection: str, document: Document) -> bytes | None:
    """Its version, then the document; None if it has no version."""
    version = document.get("version")
    if not isinstance(version, int):
        return None
    private = _PRIVATE[collection]
    shown = {name: value for name, value in document.items() if name not in private}
    return f"{version:0{_VERSION_DIGITS}d}".encode() + _encoder.encode(shown)


def _document(value: bytes | None) -> Document | None:
    if value is None or value == _ASK_THE_STORE:
        return None
    try:
        return _decoder.decode(memoryview(value)[_VERSION_DIGITS:])
    except msgspec.MsgspecError:
        return None


class CachedReader:
    """`rookery.store.engine.Reader` that looks for tweets and users in the shared cache first.

    Only `get` and `get_many` of these do, and may be as old as the module says. Its documents
    lack what is private. Closing it closes neither the reader below nor the cache.
    """

    def __init__(self, reader: Reader, cache: SharedCache) -> None:
        self._reader = reader
        self._cache = cache
        self.range = reader.range
        self.select = reader.select
        self.select_many = reader.select_many
        self.select_several = reader.select_several

    async def get(self, collection: Collection, key: Key) -> Document | None:
        [document] = await self.get_many(collection, [key])
        return document

    async def get_many(self, collection: Collection, keys: Sequence[Key]) -> list[Document | None]:
        if collection.name not in _PRIVATE:
            return await self._reader.get_many(collection, keys)
        documents = await self._cache.get_many(collection, keys)
        missing = [number for number, document in enumerate(documents) if document is None]
        if missing:
            found = await self._reader.get_many(collection, [keys[number] for number in missing])
            for number, document in zip(missing, found, strict=True):
                documents[number] = document
            self._cache.fill(collection.name, [each for each in found if each is not None])
        return documents

    async def close(self) -> None:
        """Nothing of its own to close."""


class CachingWriter:
    """A writer that tells the shared cache what it has written, before `write` returns.

    New documents are put there without waiting: nothing older can be in their place.
    """

    def __init__(self, writer: GroupWriter, cache: SharedCache) -> None:
        self._writer = writer
        self._cache = cache

    async def write(self, batch: WriteBatch) -> None:
        """See `rookery.store.engine.Writer.write`."""
        changes = _changes(batch)
        try:
            await self._writer.write(batch)
        except ConditionFailed:
            raise
        except Exception:
            # Whether it took effect is not known, nor what the documents are now.
            await self._cache.replace(dict.fromkeys(changes))
            raise
        for operation in batch.operations:
            if isinstance(operation, Insert) and operation.collection in _PRIVATE:
                self._cache.fill(operation.collection, [operation.document])
        await self._cache.replace(changes)

    async def close(self) -> None:
        await self._writer.close()

    def figures(self) -> Mapping[str, float]:
        return self._writer.figures()


def _changes(batch: WriteBatch) -> dict[Changed, Document | None]:
    """What a batch makes of documents that may be cached; None where that is not in the batch."""
    changes: dict[Changed, Document | None] = {}
    for operation in batch.operations:
        if operation.collection not in _PRIVATE or isinstance(operation, Expect | Insert):
            continue
        if isinstance(operation, Put):
            changes[operation.collection, operation.document["id"]] = operation.document
        elif isinstance(operation, Delete | Increment):
            changes[operation.collection, int(operation.key[0])] = None
    return changes
