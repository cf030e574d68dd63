"""From a request to the declared endpoint that answers it: the one way every request takes.

Order: who makes it, whether its rate limit lets it, then path, query and body, then the use-case.
A handler raises; the answer to an error is made by `errors`. This is on the path of every request,
so it allocates little.
"""

import itertools
import secrets
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from rookery.domain.windows import Verdict
from rookery.errors import InvalidRequest, MethodNotAllowed, NotFound, Unauthenticated
from rookery.http.endpoint import JSON_TYPE, Auth, Call, Endpoint, Reply
from rookery.http.errors import error_response, limit_headers
from rookery.http.message import Request, Response
from rookery.http.requests import (
    BodyReader,
    QueryReader,
    bearer_token,
    check_no_body,
    convert,
    decompressed,
    idempotency_key,
    path_part,
    usable_request_id,
)
from rookery.http.schemas import Nothing, Parameters
from rookery.http.services import Services
from rookery.services.limits import Rate, demand

HttpHandler = Callable[[Request, Mapping[str, str]], Awaitable[Response]]
"""Answers a request of one endpoint, given its path's parameters."""

_encode = msgspec.json.Encoder().encode
_NOTHING = Nothing()
_COMMON = {
    "Content-Type": JSON_TYPE,
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Server": "rookery",
}
_numbers = itertools.count(1)
_prefix = secrets.token_hex(6)


def common_headers(request: Request) -> tuple[dict[str, str], str]:
    """The headers of every response to `request`, and the id in them."""
    request_id = request.header(b"x-request-id")
    if request_id is None or not usable_request_id(request_id):
        request_id = f"{_prefix}-{next(_numbers):x}"
    return {**_COMMON, "X-Request-Id": request_id}, request_id


def handler_of(endpoint: Endpoint, services: Services) -> HttpHandler:
    """The handler of `endpoint`."""
    act, status = endpoint.handler, endpoint.status
    identify = services.authenticator.identify
    auth_used, auth_required = endpoint.auth is not Auth.NONE, endpoint.auth is Auth.REQUIRED
    path_type = None if endpoint.path_type is Nothing else endpoint.path_type
    read_query = QueryReader(endpoint.query_type).read
    default_query = endpoint.query_type()
    body_reader = None if endpoint.body_type is Nothing else BodyReader(endpoint.body_type)
    is_post = endpoint.method == "POST"
    user_limit = services.limits.by_user.get(endpoint.rate)
    address_limit = services.limits.by_address.get(endpoint.rate)
    is_shared = endpoint.rate in (Rate.SIGN_UP, Rate.LOGIN)
    key_of = services.addresses.key_of

    async def count_address(request: Request, headers: dict[str, str]) -> None:
        if address_limit is not None:
            key = key_of(request.remote, request.header(b"x-forwarded-for"))
            if is_shared:
                admit(await address_limit.hit_shared(key), headers)
            else:
                admit(address_limit.hit(key), headers)

    async def handle(request: Request, parameters: Mapping[str, str]) -> Response:
        headers, request_id = common_headers(request)
        body: Parameters = _NOTHING
        try:
            viewer = None
            if auth_used:
                token = bearer_token(request.header(b"authorization"))
                if token is not None:
                    try:
                        viewer = await identify(token)
                    except Unauthenticated:
                        await count_address(request, headers)
                        raise
            if viewer is None:
                await count_address(request, headers)
                if auth_required:
                    raise Unauthenticated
            elif user_limit is not None:
                admit(user_limit.hit(viewer.user_id), headers)
            path = _NOTHING if path_type is None else convert(parameters, path_type)
            query = read_query(request.query) if request.query else default_query
            key = idempotency_key(request.header(b"idempotency-key")) if is_post else None
            body_raw = request.body
            if body_raw and b"content-encoding" in request.headers:
                body_raw = decompressed(body_raw, request.headers[b"content-encoding"])
            if body_reader is not None:
                body = body_reader.read(request.header(b"content-type"), body_raw)
            elif body_raw:
                check_no_body(body_raw)
            result = await act(services, Call(path, query, body, viewer, key, request.headers))
            if isinstance(result, msgspec.Struct):
                result = _encode(result)
        except Exception as error:
            return error_response(error, request, headers, request_id)
        if isinstance(result, Reply):
            headers["Content-Type"] = result.media_type
            headers.update(result.headers)
            return Response(result.status, result.body, headers)
        return Response(status, result, headers)

    return handle


def admit(verdict: Verdict, headers: dict[str, str]) -> None:
    """Let a request through its rate limit, and say so in the headers of its answer.

    Raises:
        TooManyRequests: it is over the limit.
    """
    demand(verdict)
    limit_headers(headers, verdict.limit, verdict.remaining, verdict.reset_s)


class Router:
    """Takes each request to its handler, by path and method: the application."""

    def __init__(self) -> None:
        self._root = _Step()

    def add(self, path: str, handlers: Mapping[str, HttpHandler]) -> None:
        """Add a path (``{name}`` for a parameter) with its handlers by method."""
        step = self._root
        for part in path.split("/"):
            if part.startswith("{"):
                if step.parameter is None:
                    step.parameter = (part[1:-1], _Step())
                name, step = step.parameter
                assert part[1:-1] == name, f"{path}: the same part is called {name} elsewhere"
            else:
                step = step.parts.setdefault(part, _Step())
        step.handlers.update(handlers)

    async def respond(self, request: Request) -> Response:
        """The answer to `request`, whatever it is."""
        if request.fault is not None:
            return refusal(request.fault, request)
        step = self._root
        parameters: dict[str, str] = {}
        for part in request.path.split("/"):
            following = step.parts.get(part)
            if following is None and "%" in part:
                try:
                    part = path_part(part, step.parameter and step.parameter[0])
                except InvalidRequest as error:
                    return refusal(error, request)
                following = step.parts.get(part)
            if following is not None:
                step = following
            elif part and step.parameter is not None:
                name, step = step.parameter
                parameters[name] = part
            else:
                return refusal(NotFound("No such resource"), request)
        handler = step.handlers.get(request.method)
        if handler is not None:
            return await handler(request, parameters)
        if not step.handlers:
            return refusal(NotFound("No such resource"), request)
        response = refusal(MethodNotAllowed(f"{request.method} is not possible here"), request)
        response.headers["Allow"] = ", ".join(sorted(step.handlers))
        return response


class _Step:
    """One step of a path: where each part leads, what a parameter is called, and who answers."""

    __slots__ = ("handlers", "parameter", "parts")

    def __init__(self) -> None:
        self.parts: dict[str, _Step] = {}
        self.parameter: tuple[str, _Step] | None = None
        self.handlers: dict[str, HttpHandler] = {}


def refusal(error: Exception, request: Request) -> Response:
    """The answer to a request that reaches no handler."""
    headers, request_id = common_headers(request)
    return error_response(error, request, headers, request_id)
