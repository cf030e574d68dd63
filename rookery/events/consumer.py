"""What acts on events: one file each in `rookery.events.consumers`."""

from collections.abc import Sequence
from typing import Protocol

from rookery.events.kinds import Event


class Consumer(Protocol):
    """Gets every event of its kinds at least once, and must make it count once.

    `name` is stored with what the consumer has still to take: another name would be another
    consumer. `kinds`: the classes of `rookery.events.kinds` that it wants. `in_order`: whether one
    batch is handled before the next begins; else batches overlap, and one that has to be repeated
    comes after later ones.
    """

    @property
    def name(self) -> str: ...

    @property
    def kinds(self) -> tuple[type[Event], ...]: ...

    @property
    def in_order(self) -> bool: ...

    async def handle(self, events: Sequence[Event]) -> None:
        """Act on events; when this returns, they will not come again (unless all of it is lost).

        Events come in about the order of their ids, some of them again.

        Raises:
            Unavailable: a part that this needs does not answer; the same events come again.
            Exception: an event is at fault. Each comes again alone, and after some tries is put
                aside.
        """
        ...
