"""The OpenAPI 3.1 document of a surface, generated from its endpoints.

Pure. What each endpoint declares is complemented by what is answered before its handler:
400 for what cannot be read, 401 where a token is taken, 408 where a body is streamed, 413 and 415
where one may come, 429 where requests are counted, 503 anywhere behind which a service stands, 500
everywhere.
"""

from collections.abc import Sequence
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
    RequestTooSlow,
    RookeryError,
    TokenExpired,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
)
from rookery.http.declaring.bodies import JSON_TYPE
from rookery.http.declaring.endpoint import Auth, Endpoint
from rookery.http.declaring.parameters import Nothing, OptionalBody, Parameters
from rookery.http.declaring.surface import Surface
from rookery.services.limits import Rate
from rookery.text import PROBLEM_CODES

_REF = "#/components/schemas/{name}"
_KEY_PATTERN = "^[!-~]{1,255}$"
_HEADERS = {
    "RequestId": ("X-Request-Id", "The client's own, or one made for this request"),
    "Authenticate": ("WWW-Authenticate", "Always `Bearer`"),
    "RetryAfter": ("Retry-After", "Seconds after which to try again"),
    "RateLimit": ("RateLimit-Limit", "Requests of this kind in a minute; absent: no limit"),
    "RateRemaining": ("RateLimit-Remaining", "How many of them are left just now"),
    "RateReset": ("RateLimit-Reset", "Seconds until the present minute ends"),
}
_RATE_HEADERS = ("RateLimit", "RateRemaining", "RateReset")


def document(surface: Surface) -> dict[str, Any]:
    """The document of all endpoints of `surface` that are not hidden."""
    about = surface.about
    shown = [endpoint for endpoint in surface.endpoints if not endpoint.hidden]
    shapes = _Shapes(surface, shown)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in shown:
        operation = _operation(endpoint, surface, shapes)
        paths.setdefault(surface.prefix + endpoint.path, {})[endpoint.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": about.title, "version": __version__, "description": about.description},
        "servers": [{"url": f"//{surface.host}/" if surface.host else "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(endpoint.tag for endpoint in shown)],
        "paths": paths,
        "components": {
            "schemas": shapes.components,
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


class _Shapes:
    """The schemas of all that is sent and answered."""

    def __init__(self, surface: Surface, shown: Sequence[Endpoint]) -> None:
        alternatives = surface.about.alternatives
        types: list[Any] = [surface.errors.shape]
        types += [each for some in alternatives.values() for each in some]
        for endpoint in shown:
            types += [shape for shape in endpoint.answers.values() if shape is not None]
            if endpoint.body_type is not Nothing:
                types.append(endpoint.body_type)
        schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
        self.by_type = dict(zip(types, schemas, strict=True))
        self.error: dict[str, Any] = self.by_type[surface.errors.shape]
        self.components: dict[str, Any] = {
            name: surface.about.glossary.explained(schema) for name, schema in components.items()
        }
        for alias, meant in alternatives.items():
            if alias.__name__ in components:
                self.components[alias.__name__] = {
                    "title": alias.__name__,
                    "description": alias.__doc__,
                    "anyOf": [self.by_type[each] for each in meant],
                }


def _operation(endpoint: Endpoint, surface: Surface, shapes: _Shapes) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": endpoint.operation_id,
        "summary": endpoint.summary,
        "tags": [endpoint.tag],
        "responses": _responses(endpoint, shapes),
    }
    if parameters := _parameters(endpoint, surface):
        operation["parameters"] = parameters
    if endpoint.body_type is not Nothing:
        schema = shapes.by_type[endpoint.body_type]
        content = {each.media_type: {"schema": schema} for each in surface.body_formats}
        is_required = not issubclass(endpoint.body_type, OptionalBody)
        operation["requestBody"] = {"required": is_required, "content": content}
    elif endpoint.stream is not None:
        content = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
        operation["requestBody"] = {
            "required": True,
            "description": f"At most {endpoint.stream.most_bytes} bytes, "
            f"within {endpoint.stream.within_s:g} seconds",
            "content": content,
        }
    if endpoint.auth is Auth.REQUIRED:
        operation["security"] = [{"bearer": []}]
    elif endpoint.auth is Auth.OPTIONAL:
        operation["security"] = [{"bearer": []}, {}]
    return operation


def _parameters(endpoint: Endpoint, surface: Surface) -> list[dict[str, Any]]:
    parameters = [
        *_fields_as_parameters(endpoint.path_type, "path", surface),
        *_fields_as_parameters(endpoint.query_type, "query", surface),
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


def _fields_as_parameters(
    parameters: type[Parameters], place: str, surface: Surface
) -> list[dict[str, Any]]:
    written = msgspec.json.schema(parameters)["$defs"][parameters.__name__]
    schema = surface.about.glossary.explained(written)
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
    if endpoint.stream is not None:
        errors.append(RequestTooSlow)
    if _is_counted(endpoint):
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


def _is_counted(endpoint: Endpoint) -> bool:
    return endpoint.rate is not Rate.FREE or bool(endpoint.own_limit)


def _responses(endpoint: Endpoint, shapes: _Shapes) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    rate = _RATE_HEADERS if _is_counted(endpoint) else ()
    for status, shape in endpoint.answers.items():
        schema = {"type": "string"} if shape is None else shapes.by_type[shape]
        responses[str(status)] = {
            "description": "Done" if status < 400 else "Not now",
            "headers": _header_refs("RequestId", *rate),
            "content": {endpoint.media_type: {"schema": schema}},
        }
    for status, codes in codes_of(endpoint).items():
        extra = {401: ["Authenticate"], 429: ["RetryAfter"], 503: ["RetryAfter"]}.get(status, [])
        description = "Code " + " or ".join(f"`{code}`" for code in codes)
        if status == 429 and endpoint.own_limit:
            description += f"; this endpoint has a limit of its own, `limits.{endpoint.own_limit}`"
        responses.setdefault(
            str(status),
            {
                "description": description,
                "headers": _header_refs("RequestId", *extra, *rate),
                "content": {JSON_TYPE: {"schema": _error_schema(codes, shapes)}},
            },
        )
    return responses


def _error_schema(codes: list[str], shapes: _Shapes) -> dict[str, Any]:
    """An error with one of these codes, where the surface's errors say their code."""
    name = shapes.error["$ref"].rpartition("/")[2]
    if "code" not in shapes.components[name]["properties"]:
        return shapes.error
    narrowed = {"type": "object", "properties": {"code": {"type": "string", "enum": codes}}}
    return {"allOf": [shapes.error, narrowed]}


def _header_refs(*names: str) -> dict[str, Any]:
    return {_HEADERS[name][0]: {"$ref": f"#/components/headers/{name}"} for name in names}
