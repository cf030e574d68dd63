"""The REST surface as an aiohttp application.

Only `rookery.http.server` and the composing `rookery.app` need this. Must not import actors.
"""

from collections.abc import Sequence

import msgspec
from aiohttp import hdrs, web

from rookery.http.endpoint import PREFIX, Endpoint
from rookery.http.openapi import document
from rookery.http.routes import (
    accounts,
    devices,
    engagement,
    follows,
    stream,
    system,
    timelines,
    tweets,
    users,
)
from rookery.http.routing import (
    EXACT_ROUTES,
    MAX_BODY_BYTES,
    AiohttpHandler,
    expect_continue,
    handler_of,
    not_found,
    refusal_of,
)
from rookery.http.server import port_of, serve_app
from rookery.http.services import Services

__all__ = ["ENDPOINTS", "Services", "build_app", "port_of", "serve_app"]

_NOUNS = (timelines, tweets, engagement, users, follows, accounts, devices, stream, system)
_DECLARED: tuple[Endpoint, ...] = tuple(route for noun in _NOUNS for route in noun.ROUTES)


def _all_endpoints() -> tuple[Endpoint, ...]:
    """What is declared, and the document of it, which describes itself too."""
    listed = document([*_DECLARED, system.document_endpoint(b"")])
    raw = msgspec.json.encode(listed)
    return (*_DECLARED, system.document_endpoint(raw))


ENDPOINTS = _all_endpoints()


def build_app(services: Services) -> web.Application:
    """The application over `services`; serve it by `serve_app`.

    It holds nothing that needs closing: whoever made the services closes them.
    """
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    by_path: dict[str, list[Endpoint]] = {}
    for endpoint in ENDPOINTS:
        by_path.setdefault(endpoint.path, []).append(endpoint)
    exact: dict[tuple[str, str], AiohttpHandler] = {}
    for path, endpoints in by_path.items():
        handlers = _add(app, path, endpoints, services)
        if "{" not in path:
            exact.update({(method, PREFIX + path): each for method, each in handlers.items()})
    app[EXACT_ROUTES] = exact
    app.router.add_route("*", "/{path:.*}", not_found, expect_handler=expect_continue)
    return app


def _add(
    app: web.Application, path: str, endpoints: Sequence[Endpoint], services: Services
) -> dict[str, AiohttpHandler]:
    """Add one path: its methods, HEAD where there is GET, and the refusal of all others."""
    resource = app.router.add_resource(PREFIX + path)
    handlers: dict[str, AiohttpHandler] = {}
    for endpoint in endpoints:
        handler = handler_of(endpoint, services)
        names = [endpoint.method]
        if endpoint.method == hdrs.METH_GET:
            names.append(hdrs.METH_HEAD)
        for name in names:
            resource.add_route(name, handler, expect_handler=expect_continue)
            handlers[name] = handler
    resource.add_route("*", refusal_of(handlers), expect_handler=expect_continue)
    return handlers
