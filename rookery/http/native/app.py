"""The native surface: every endpoint of the REST interface, as one value."""

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from rookery.errors import RookeryError
from rookery.http.declaring.endpoint import Page, Reply
from rookery.http.declaring.errors import ErrorFormat
from rookery.http.declaring.openapi import document
from rookery.http.declaring.surface import About, Render, Surface
from rookery.http.native.by_name import with_names
from rookery.http.native.glossary import GLOSSARY
from rookery.http.native.presenting import page_json
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
from rookery.http.native.schemas import ALTERNATIVES, PREFIX, ErrorBody
from rookery.http.protocol.message import Request

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
_DESCRIPTION = (
    "Ids are Snowflakes, written as decimal strings. Times are ISO 8601 in UTC. Places in texts "
    "count Unicode code points. A list is read page by page: hand `nextCursor` back as `cursor` "
    "until it is null. Every error has a stable `code`."
)


def _error_body(error: RookeryError, text: str) -> ErrorBody:
    return ErrorBody(error=text, code=error.code, field=error.field or msgspec.UNSET)


def _page(page: Page, request: Request, render: Render) -> Reply:
    """The entries under the list's name, and `nextCursor` beside them."""
    items: Sequence[bytes] = [each if type(each) is bytes else render(each) for each in page.items]
    return Reply(page_json(page.name.encode(), items, page.next_cursor))


def _described(surface: Surface) -> Surface:
    """The surface with the document of it, which describes itself too."""
    endpoints = tuple(surface.endpoints)
    listed = document(replace(surface, endpoints=(*endpoints, system.document_endpoint(b""))))
    raw = msgspec.json.encode(listed)
    return replace(surface, endpoints=(*endpoints, system.document_endpoint(raw)))


NATIVE = _described(
    Surface(
        name="native",
        prefix=PREFIX,
        endpoints=_DECLARED,
        errors=ErrorFormat(ErrorBody, _error_body),
        paginate=_page,
        about=About(
            title="Rookery",
            description=_DESCRIPTION,
            glossary=GLOSSARY,
            alternatives=ALTERNATIVES,
        ),
    )
)
ENDPOINTS = NATIVE.endpoints
