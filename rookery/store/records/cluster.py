"""The cluster's view and its controller's lease, in the store, where every process finds them."""

import msgspec

from rookery.domain.placement import ClusterView
from rookery.store.engine import (
    ConditionFailed,
    Document,
    Expect,
    Insert,
    Operation,
    Put,
    Reader,
    WriteBatch,
    Writer,
)
from rookery.store.schema import CLUSTER

_VIEW = "view"
_LEASE = "lease"


class Lease(msgspec.Struct, frozen=True):
    """Who keeps the cluster in line. `version` grows as long as `holder` does; none: nobody does.

    No clock is compared: whoever sees `version` stand still for long enough knows that the holder
    is gone.
    """

    holder: str
    version: int


class ClusterRepository:
    """Reads view and lease; writes them with the writer that is given for it."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def view(self) -> ClusterView | None:
        """The newest view; None before the first."""
        document = await self._reader.get(CLUSTER, (_VIEW,))
        return None if document is None else msgspec.json.decode(document["view"], type=ClusterView)

    async def replace(self, writer: Writer, former: ClusterView | None, view: ClusterView) -> None:
        """Store `view` in the place of `former`.

        May be repeated when its outcome is unknown.

        Raises:
            ConditionFailed: somebody else has stored one meanwhile.
        """
        document = {"name": _VIEW, "version": view.version, "view": msgspec.json.encode(view)}
        try:
            await _replace(writer, former, document)
        except ConditionFailed:
            if await self.view() != view:
                raise

    async def lease(self) -> Lease | None:
        """The lease as it stands; None before the first."""
        document = await self._reader.get(CLUSTER, (_LEASE,))
        return None if document is None else Lease(document["holder"], document["version"])

    async def renew(self, writer: Writer, former: Lease | None, lease: Lease) -> None:
        """Store `lease` in the place of `former`; as `replace`."""
        document = {"name": _LEASE, "version": lease.version, "holder": lease.holder}
        try:
            await _replace(writer, former, document)
        except ConditionFailed:
            if await self.lease() != lease:
                raise


async def _replace(writer: Writer, former: ClusterView | Lease | None, document: Document) -> None:
    operations: tuple[Operation, ...] = (Insert(CLUSTER.name, document),)
    if former is not None:
        key = (str(document["name"]),)
        unchanged = Expect(CLUSTER.name, key, True, {"version": former.version}, key[0])
        operations = (unchanged, Put(CLUSTER.name, document))
    await writer.write(WriteBatch(operations))
