"""The cluster's view, kept in the store so that every process finds the newest one."""

import msgspec

from rookery.domain.placement import ClusterView
from rookery.store.engine import (
    ConditionFailed,
    Expect,
    Insert,
    Operation,
    Put,
    Reader,
    WriteBatch,
    Writer,
)
from rookery.store.schema import CLUSTER

_NAME = "view"


class ClusterRepository:
    """Reads the view; writes it with the writer that is given for it."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def view(self) -> ClusterView | None:
        """The newest view; None before the first."""
        document = await self._reader.get(CLUSTER, (_NAME,))
        return None if document is None else msgspec.json.decode(document["view"], type=ClusterView)

    async def replace(self, writer: Writer, former: ClusterView | None, view: ClusterView) -> None:
        """Store `view` in the place of `former`.

        May be repeated when its outcome is unknown.

        Raises:
            ConditionFailed: somebody else, another controller, has stored one meanwhile.
        """
        document = {"name": _NAME, "version": view.version, "view": msgspec.json.encode(view)}
        operations: tuple[Operation, ...] = (Insert(CLUSTER.name, document),)
        if former is not None:
            unchanged = Expect(
                CLUSTER.name, (_NAME,), True, {"version": former.version}, "cluster view"
            )
            operations = (unchanged, Put(CLUSTER.name, document))
        try:
            await writer.write(WriteBatch(operations))
        except ConditionFailed:
            if await self.view() != view:
                raise
