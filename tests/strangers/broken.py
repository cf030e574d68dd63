"""Builds that break one promise each, on purpose: the verdict must be against every one of them.

Each is a function that is called before the server starts, in its process. Inline only. Nothing of
this is in the product.
"""

import atexit
import os
from collections.abc import Callable, Mapping
from typing import Any

_kept: list[bytes] = []


def _put(owner: object, name: str, by: object) -> None:
    """Replace what may not be replaced."""
    setattr(owner, name, by)


def leak() -> None:
    """Every piece of a request is kept for ever, blown up."""
    from rookery.http.protocol.connection import Connection

    receive = Connection.data_received

    def keep(self: Connection, data: bytes) -> None:
        if len(_kept) < 3_000:
            _kept.append(data + bytes(200_000))
        receive(self, data)

    _put(Connection, "data_received", keep)


def forget() -> None:
    """Every tenth post is left out of the pages of home."""
    from rookery.services.reading.timelines import Timelines

    home = Timelines.home

    async def lossy(self: Timelines, *arguments: Any, **options: Any) -> Any:
        page = await home(self, *arguments, **options)
        return page._replace(tweets=[each for each in page.tweets if (each.id >> 2) % 10])

    _put(Timelines, "home", lossy)


def fall() -> None:
    """Whatever comes with a query is a fault of the server."""
    from rookery.http.declaring import queries

    parse = queries.QueryReader._parse

    def fail(self: queries.QueryReader, query: str) -> Any:
        if query:
            raise RuntimeError("fell")
        return parse(self, query)

    _put(queries.QueryReader, "_parse", fail)


def be_silent() -> None:
    """Limits bite, and the log says nothing."""
    import structlog

    configure = structlog.configure

    def quietly(**options: Any) -> None:
        def drop(_: object, __: str, event: Any) -> Any:
            if "limit" in event:
                raise structlog.DropEvent
            return event

        options["processors"] = [drop, *options["processors"]]
        configure(**options)

    _put(structlog, "configure", quietly)


def end_badly() -> None:
    """The server ends with a status of failure."""
    atexit.register(os._exit, 3)


BUILDS: Mapping[str, Callable[[], None]] = {
    "leak": leak,
    "forget": forget,
    "fall": fall,
    "be-silent": be_silent,
    "end-badly": end_badly,
}
"""By name."""
