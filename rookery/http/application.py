"""Several surfaces behind one port: each request is answered by the surface that it is for."""

from collections.abc import Sequence
from dataclasses import dataclass

from rookery.http.cors import with_cors
from rookery.http.declaring.admission import Gate
from rookery.http.declaring.handling import handler_of
from rookery.http.declaring.routing import Router, routes_of
from rookery.http.declaring.surface import Surface
from rookery.http.protocol.bodies import StreamBounds
from rookery.http.protocol.connection import Respond
from rookery.http.protocol.message import Request, Response
from rookery.http.protocol.reading import BoundsOf


def router_of(surface: Surface, services: Gate) -> Router:
    """The router of a surface whose handlers are given `services`.

    Raises:
        ValueError: an endpoint names a rate limit that is no setting.
    """
    handlers = [(each, handler_of(each, surface, services)) for each in surface.endpoints]
    return routes_of(handlers, surface.prefix, surface.errors)


@dataclass(frozen=True)
class _Mounted:
    """A surface that is served, with CORS around it."""

    surface: Surface
    router: Router
    respond: Respond


class Application:
    """Hands each request to the surface it is for; the first surface answers all others."""

    def __init__(self, surfaces: Sequence[tuple[Surface, Gate]], allowed_origins: str = "") -> None:
        """Each surface comes with what its handlers are given, which stays the caller's to close.

        Pages of `allowed_origins` may use the surfaces that name no origins themselves.
        """
        mounted = []
        for surface, services in surfaces:
            router = router_of(surface, services)
            own = surface.allowed_origins
            origins = allowed_origins if own is None else own
            mounted.append(_Mounted(surface, router, with_cors(router.respond, origins)))
        self._first = mounted[0]
        # The most specific surface is tried first: with a host before without, then by prefix.
        self._mounted = sorted(
            mounted, key=lambda each: (each.surface.host == "", -len(each.surface.prefix))
        )
        self.respond: Respond = self._first.respond if len(mounted) == 1 else self._respond
        """Answers a request. It raises nothing."""
        takes_streams = any(each.router.takes_streams for each in mounted)
        self.bounds_of: BoundsOf | None = self._bounds_of if takes_streams else None
        """The bounds of a body that is streamed; None where no surface streams any."""

    async def _respond(self, request: Request) -> Response:
        return await self._mounted_for(request).respond(request)

    def _bounds_of(self, request: Request) -> StreamBounds | None:
        return self._mounted_for(request).router.bounds_of(request)

    def _mounted_for(self, request: Request) -> _Mounted:
        host = _host_of(request)
        for each in self._mounted:
            surface = each.surface
            if surface.host in ("", host) and _is_below(request.path, surface.prefix):
                return each
        return self._first


def _host_of(request: Request) -> str:
    """The name that the request is for, in lower case and without a port."""
    host = (request.header(b"host") or "").lower()
    if host.startswith("["):  # IPv6
        return host.partition("]")[0] + "]"
    return host.partition(":")[0].removesuffix(".")


def _is_below(path: str, prefix: str) -> bool:
    return path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/")
