"""The REST surface: every endpoint, and the router over them.

Only the composing `rookery.compose.gateway` needs this.
"""

import msgspec

from rookery.http.declaring.by_name import with_names
from rookery.http.declaring.endpoint import PREFIX, Endpoint
from rookery.http.declaring.openapi import document
from rookery.http.declaring.routing import HttpHandler, Router, handler_of
from rookery.http.native.routes import (
    accounts,
    blocks,
    bookmarks,
    devices,
    engagement,
    follows,
    mutes,
    pins,
    privacy,
    requests,
    retweets,
    stream,
    system,
    timelines,
    tweets,
    users,
)
from rookery.http.native.services import Services
from rookery.http.protocol.message import HEAD

_NOUNS = (
    timelines,
    tweets,
    engagement,
    retweets,
    bookmarks,
    pins,
    users,
    follows,
    requests,
    blocks,
    mutes,
    accounts,
    privacy,
    devices,
    stream,
    system,
)
_DECLARED = tuple(with_names(route for noun in _NOUNS for route in noun.ROUTES))


def _all_endpoints() -> tuple[Endpoint, ...]:
    """What is declared, and the document of it, which describes itself too."""
    listed = document([*_DECLARED, system.document_endpoint(b"")])
    raw = msgspec.json.encode(listed)
    return (*_DECLARED, system.document_endpoint(raw))


ENDPOINTS = _all_endpoints()


def router_of(services: Services) -> Router:
    """The application over `services`.

    It holds nothing that needs closing: whoever made the services closes them.
    """
    by_path: dict[str, dict[str, HttpHandler]] = {}
    for endpoint in ENDPOINTS:
        handlers = by_path.setdefault(endpoint.path, {})
        handlers[endpoint.method] = handler_of(endpoint, services)
        if endpoint.method == "GET":
            handlers[HEAD] = handlers["GET"]
    router = Router()
    for path, handlers in by_path.items():
        router.add(PREFIX + path, handlers)
    return router
