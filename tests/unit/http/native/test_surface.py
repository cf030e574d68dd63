"""What the native surface makes of pages, and that it takes JSON alone."""

import json
from importlib import import_module
from pkgutil import iter_modules

import pytest

from rookery.errors import UnsupportedMediaType
from rookery.http.declaring.bodies import FORM_TYPE, JSON_TYPE, BodyReader
from rookery.http.declaring.endpoint import Page
from rookery.http.native import routes
from rookery.http.native.app import ENDPOINTS, NATIVE
from rookery.http.native.schemas import Message, Parameters
from rookery.http.protocol.message import Request


class Body(Parameters, frozen=True, kw_only=True):
    text: str


def test_each_module_of_routes_is_listed() -> None:
    """Its endpoints are those of the surface."""
    for module in iter_modules(routes.__path__):
        declared = import_module(f"{routes.__name__}.{module.name}").ROUTES
        assert declared and {*map(id, declared)} <= {*map(id, ENDPOINTS)}, module.name


def test_a_page_has_its_cursor_in_the_body() -> None:
    """Entries that are JSON already stay as they are, others are encoded."""
    page = Page("tweets", [b'{"id":"1"}', Message(message="x")], "c")
    reply = NATIVE.paginate(page, Request("192.0.2.1"), NATIVE.render)
    expected = {"tweets": [{"id": "1"}, {"message": "x"}], "nextCursor": "c"}
    assert json.loads(reply.body) == expected


def test_bodies_are_json() -> None:
    """A form is refused, though other surfaces may list them."""
    read = BodyReader(Body, NATIVE.body_formats).read
    assert read(JSON_TYPE, b'{"text": "x"}') == Body(text="x")
    with pytest.raises(UnsupportedMediaType):
        read(FORM_TYPE, b"text=x")
