"""A surface as a value: what a kind of clients sees of the server, and where.

The machinery of this room knows no surface; `rookery.http.application` serves any number of them
beside each other.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeAlias

import msgspec

from rookery.http.declaring.bodies import JSON, BodyFormat
from rookery.http.declaring.endpoint import Endpoint, Page, Reply
from rookery.http.declaring.errors import ErrorFormat
from rookery.http.declaring.glossary import Glossary
from rookery.http.declaring.parameters import UnknownFields
from rookery.http.protocol.message import Request

Render: TypeAlias = Callable[[Any], bytes]
Paginate: TypeAlias = Callable[[Page, Request, Render], Reply]
"""Makes the answer of a page; the request says under which address the next one is."""


@dataclass(frozen=True, kw_only=True)
class About:
    """What the OpenAPI document of a surface says of the whole.

    `alternatives` has what each of these shapes stands for: msgspec has no untagged unions.
    """

    title: str
    description: str
    glossary: Glossary = field(default_factory=Glossary)
    alternatives: Mapping[type, tuple[type, ...]] = field(
        default_factory=lambda: MappingProxyType({})
    )


@dataclass(frozen=True, kw_only=True)
class Surface:
    """A surface.

    It answers the paths that begin with `prefix`, of requests for `host` (a name in lower case
    without a port; empty: any that no other surface has). `body_formats` are what bodies may come
    in, JSON alone if it does not say. `render` makes bytes of what handlers return, where these are
    neither bytes nor replies; `paginate` makes the answer of a `Page`. Pages of `allowed_origins`
    (as in the settings, separated by commas) may use it; None: those of the server's settings.
    """

    name: str
    endpoints: Sequence[Endpoint]
    errors: ErrorFormat
    paginate: Paginate
    about: About
    prefix: str = ""
    host: str = ""
    body_formats: Sequence[BodyFormat] = (JSON,)
    unknown_fields: UnknownFields = UnknownFields.REFUSED
    render: Render = msgspec.json.Encoder().encode
    allowed_origins: str | None = None
