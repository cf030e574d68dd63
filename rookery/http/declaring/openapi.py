"""The OpenAPI 3.1 document, generated from the declared endpoints.

Pure. What each endpoint declares is complemented by what the surface itself answers:
400 for what cannot be read, 401 where a token is taken, 413 and 415 where a body may come, 429
where requests are counted, 503 anywhere behind which a service stands, 500 everywhere.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from rookery import __version__
from rookery.errors import (
    DeviceRevoked,
    InvalidCursor,
    InvalidRequest,
    InvalidText,
    InvalidToken,
    PayloadTooLarge,
    RookeryError,
    TokenExpired,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
)
from rookery.http.declaring.endpoint import JSON_TYPE, PREFIX, Auth, Endpoint
from rookery.http.declaring.glossary import explained
from rookery.http.declaring.schemas import (
    ALTERNATIVES,
    ErrorBody,
    Nothing,
    OptionalBody,
    Parameters,
)
from rookery.services.limits import Rate
from rookery.text import PROBLEM_CODES

_REF = "#/components/schemas/{name}"
_KEY_PATTERN = "^[!-~]{1,255}$"
_DESCRIPTION = (
    "Ids are Snowflakes, written as decimal strings. Times are ISO 8601 in UTC. Places in texts "
    "count Unicode code points. A list is read page by page: hand `nextCursor` back as `cursor` "
    "until it is null. Every error has a stable `code`."
)
_HEADERS = {
    "RequestId": ("X-Request-Id", "The client's own, or one made for this request"),
    "Authenticate": ("WWW-Authenticate", "Always `Bearer`"),
    "RetryAfter": ("Retry-After", "Seconds after which to try again"),
    "RateLimit": ("RateLimit-Limit", "Requests of this kind in a minute; absent: no limit"),
    "RateRemaining": ("RateLimit-Remaining", "How many of them are left just now"),
    "RateReset": ("RateLimit-Reset", "Seconds until the present minute ends"),
}
_RATE_HEADERS = ("RateLimit", "RateRemaining", "RateReset")


def document(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """The document of all `endpoints` that are not hidden."""
    shown = [endpoint for endpoint in endpoints if not endpoint.hidden]
    types: list[Any] = [ErrorBody, *(each for some in ALTERNATIVES.values() for each in some)]
    for endpoint in shown:
        types += [shape for shape in endpoint.answers.values() if shape is not None]
        if endpoint.body_type is not Nothing:
            types.append(endpoint.body_type)
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    by_type = dict(zip(types, schemas, strict=True))
    for name, schema in components.items():
        components[name] = explained(schema)
    for alias, meant in ALTERNATIVES.items():
        if alias.__name__ in components:
            components[alias.__name__] = {
                "title": alias.__name__,
                "description": alias.__doc__,
                "anyOf": [by_type[each] for each in meant],
            }
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in shown:
        operation = _operation(endpoint, by_type)
        paths.setdefault(PREFIX + endpoint.path, {})[endpoint.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "Rookery", "version": __version__, "description": _DESCRIPTION},
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(endpoint.tag for endpoint in shown)],
        "paths": paths,
        "components": {
            "schemas": components,
            "headers": {
                name: {
                    "description": text,
                    "required": name not in _RATE_HEADERS,  # A limit may be switched off.
                    "schema": {"type": "string"},
                }
                for name, (_, text) in _HEADERS.items()
            },
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(endpoint: Endpoint, by_type: dict[Any, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": endpoint.operation_id,
        "summary": endpoint.summary,
        "tags": [endpoint.tag],
        "responses": _responses(endpoint, by_type),
    }
    if parameters := _parameters(endpoint):
        operation["parameters"] = parameters
    if endpoint.body_type is not Nothing:
        schema = by_type[endpoint.body_type]
        operation["requestBody"] = {
            "required": not issubclass(endpoint.body_type, OptionalBody),
            "content": {JSON_TYPE: {"schema": schema}},
        }
    if endpoint.auth is Auth.REQUIRED:
        operation["security"] = [{"bearer": []}]
    elif endpoint.auth is Auth.OPTIONAL:
        operation["security"] = [{"bearer": []}, {}]
    return operation


def _parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    parameters = [
        *_fields_as_parameters(endpoint.path_type, "path"),
        *_fields_as_parameters(endpoint.query_type, "query"),
    ]
    if endpoint.method == "POST":
        parameters.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "description": "Makes repeating this request safe for 24 hours",
                "schema": {"type": "string", "pattern": _KEY_PATTERN, "maxLength": 255},
            }
        )
    return parameters


def _fields_as_parameters(parameters: type[Parameters], place: str) -> list[dict[str, Any]]:
    schema = explained(msgspec.json.schema(parameters)["$defs"][parameters.__name__])
    required = set(schema.get("required", ()))
    listed = []
    for name, shape in schema["properties"].items():
        parameter = {"name": name, "in": place, "required": name in required, "schema": shape}
        if "description" in shape:
            parameter["description"] = shape.pop("description")
        listed.append(parameter)
    return listed


def errors_of(endpoint: Endpoint) -> Sequence[type[RookeryError]]:
    """Every error that `endpoint` may answer, the surface's own included, each once."""
    errors: list[type[RookeryError]] = [InvalidRequest, RookeryError]
    if "cursor" in endpoint.query_type.__struct_fields__:
        errors.append(InvalidCursor)
    if endpoint.auth is not Auth.NONE:
        errors += [Unauthenticated, InvalidToken, TokenExpired, DeviceRevoked]
    if endpoint.method != "GET":
        errors += [PayloadTooLarge, UnsupportedMediaType]
    if endpoint.rate is not Rate.FREE:
        errors.append(TooManyRequests)
    if endpoint.auth is not Auth.NONE or endpoint.body_type is not Nothing:
        errors += [Unavailable, *Unavailable.__subclasses__()]
    return list(dict.fromkeys([*errors, *endpoint.errors]))


def codes_of(endpoint: Endpoint) -> dict[int, list[str]]:
    """The codes that `endpoint` may answer with, by status; each once, in a fixed order."""
    by_status: dict[int, list[str]] = {}
    for error in errors_of(endpoint):
        codes = PROBLEM_CODES if error is InvalidText else (error.code,)
        known = by_status.setdefault(error.status, [])
        known += [code for code in codes if code not in known]
    return dict(sorted(by_status.items()))


def _responses(endpoint: Endpoint, by_type: dict[Any, Any]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    rate = () if endpoint.rate is Rate.FREE else _RATE_HEADERS
    for status, shape in endpoint.answers.items():
        schema = {"type": "string"} if shape is None else by_type[shape]
        responses[str(status)] = {
            "description": "Done" if status < 400 else "Not now",
            "headers": _header_refs("RequestId", *rate),
            "content": {endpoint.media_type: {"schema": schema}},
        }
    for status, codes in codes_of(endpoint).items():
        extra = {401: ["Authenticate"], 429: ["RetryAfter"], 503: ["RetryAfter"]}.get(status, [])
        responses.setdefault(
            str(status),
            {
                "description": "Code " + " or ".join(f"`{code}`" for code in codes),
                "headers": _header_refs("RequestId", *extra, *rate),
                "content": {JSON_TYPE: {"schema": _error_schema(codes, by_type[ErrorBody])}},
            },
        )
    return responses


def _error_schema(codes: list[str], body: dict[str, Any]) -> dict[str, Any]:
    """An error with one of these codes."""
    narrowed = {"type": "object", "properties": {"code": {"type": "string", "enum": codes}}}
    return {"allOf": [body, narrowed]}


def _header_refs(*names: str) -> dict[str, Any]:
    return {_HEADERS[name][0]: {"$ref": f"#/components/headers/{name}"} for name in names}
