"""From a request to the declared endpoint that answers it: the one way every request takes.

Order: who makes it, whether its rate limit lets it, then path, query and body, then the use-case.
A handler raises; the answer to an error is made by `errors`. This is on the path of every request,
so it allocates little.
"""

import itertools
import secrets
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

import msgspec

from rookery.domain.windows import Verdict
from rookery.errors import (
    DeviceRevoked,
    Forbidden,
    InvalidRequest,
    InvalidToken,
    MethodNotAllowed,
    NotFound,
    Overloaded,
    PayloadTooLarge,
    RookeryError,
    TooManyRequests,
    Unauthenticated,
)
from rookery.http.addresses import UNKNOWN, Addresses
from rookery.http.declaring.endpoint import JSON_TYPE, Auth, Call, Endpoint, FindOrigin, Reply
from rookery.http.declaring.errors import error_response, limit_headers
from rookery.http.declaring.requests import (
    BodyReader,
    QueryReader,
    bearer_token,
    check_no_body,
    convert,
    decompressed,
    idempotency_key,
    path_part,
    too_large,
    usable_request_id,
)
from rookery.http.declaring.schemas import Nothing, Parameters
from rookery.http.native.services import Services
from rookery.http.protocol.message import Request, Response
from rookery.models import Identity
from rookery.security_log import Origin
from rookery.services.limits import TRIED, Attempt, Rate, demand

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
LOGGED_REFUSALS = (TooManyRequests, Overloaded, PayloadTooLarge, InvalidToken, DeviceRevoked)
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
    most_bytes = endpoint.max_body_bytes
    is_post = endpoint.method == "POST"
    user_limit = services.limits.by_user.get(endpoint.rate)
    address_limit = services.limits.by_address.get(endpoint.rate)
    is_attempt = endpoint.rate in (Rate.SIGN_UP, Rate.LOGIN)
    write_limit = services.limits.by_address.get(Rate.WRITE)
    key_of = services.addresses.key_of
    find_origin = origin_finder(services.addresses)
    refused = services.refusals.refused

    async def count_address(request: Request, headers: dict[str, str]) -> Attempt | None:
        """Count a request by its address; what is to be taken back if it was not tried."""
        if address_limit is None and not is_attempt:
            return None
        key = key_of(request.remote, request.header(b"x-forwarded-for"))
        if not is_attempt:
            assert address_limit is not None
            admit(address_limit.hit(key), headers, address_limit.name)
            return None
        if write_limit is not None:  # Whatever is taken back below is bounded by this.
            demand(write_limit.hit(key), write_limit.name)
        if address_limit is None:
            return None
        attempt = await address_limit.attempt(key)
        admit(attempt.verdict, headers, address_limit.name)
        return attempt

    async def handle(request: Request, parameters: Mapping[str, str]) -> Response:
        headers, request_id = common_headers(request)
        body: Parameters = _NOTHING
        attempt = viewer = None
        try:
            if auth_used:
                token = bearer_token(request.header(b"authorization"))
                if token is not None:
                    try:
                        viewer = await identify(token)
                    except Unauthenticated:
                        await count_address(request, headers)
                        raise
            if viewer is None:
                attempt = await count_address(request, headers)
                if auth_required:
                    raise Unauthenticated
            elif user_limit is not None:
                admit(user_limit.hit(viewer.user_id), headers, user_limit.name)
            path = _NOTHING if path_type is None else convert(parameters, path_type)
            query = read_query(request.query) if request.query else default_query
            key = idempotency_key(request.header(b"idempotency-key")) if is_post else None
            body_raw = request.body
            if body_raw:
                request.body = b""  # Nobody reads it again, and the answer may take long.
                if len(body_raw) > most_bytes:
                    raise too_large(most_bytes)
                if b"content-encoding" in request.headers:
                    encoding = request.headers[b"content-encoding"]
                    body_raw = decompressed(body_raw, encoding, most_bytes)
            if body_reader is not None:
                body = body_reader.read(request.header(b"content-type"), body_raw)
                body_raw = b""
            elif body_raw:
                check_no_body(body_raw)
            result = await act(
                services, Call(path, query, body, viewer, key, request, request_id, find_origin)
            )
            if isinstance(result, msgspec.Struct):
                result = _encode(result)
        except Exception as error:
            if attempt is not None and not isinstance(error, TRIED):
                standing = attempt.take_back()
                limit_headers(headers, standing.limit, standing.remaining, standing.reset_s)
            if _is_logged(error, viewer):
                assert isinstance(error, RookeryError)
                origin = partial(find_origin, request, request_id)
                refused(
                    error.code,
                    origin,
                    _limit_of(error),
                    user_id=None if viewer is None else viewer.user_id,
                    username="" if viewer is None else viewer.username,
                    endpoint=endpoint.operation_id,
                )
            return error_response(error, request, headers, request_id)
        if isinstance(result, Reply):
            headers["Content-Type"] = result.media_type
            headers.update(result.headers)
            return Response(result.status, result.body, headers)
        return Response(status, result, headers)

    return handle


def _is_logged(error: Exception, viewer: Identity | None) -> bool:
    """Whether the security log hears of it here; what services refuse they tell it themselves."""
    is_of_a_member = isinstance(error, Forbidden) and viewer is not None
    return is_of_a_member or isinstance(error, LOGGED_REFUSALS)


def _limit_of(error: RookeryError) -> str:
    """The limit that was reached, if it was one."""
    if isinstance(error, PayloadTooLarge):
        return "body_bytes"
    return error.limit_name if isinstance(error, TooManyRequests | Overloaded) else ""


def origin_finder(addresses: Addresses) -> FindOrigin:
    """What finds where a request came from."""

    def find_origin(request: Request, request_id: str) -> Origin:
        forwarded = request.header(b"x-forwarded-for")
        address = addresses.client_of(request.remote, forwarded)
        key = addresses.key_of(request.remote, forwarded)
        return Origin(
            address,
            "" if key == UNKNOWN else key,
            request_id,
            request.header(b"user-agent") or "",
        )

    return find_origin


def admit(verdict: Verdict, headers: dict[str, str], limit_name: str) -> None:
    """Let a request through its rate limit, and say so in the headers of its answer.

    Raises:
        TooManyRequests: it is over the limit.
    """
    demand(verdict, limit_name)
    limit_headers(headers, verdict.limit, verdict.remaining, verdict.reset_s)


class Router:
    """Takes each request to its handler, by path and method: the application."""

    def __init__(self) -> None:
        self._root = _Step()

    def add(self, path: str, handlers: Mapping[str, HttpHandler]) -> None:
        """Add a path (``{name}`` for a parameter) with its handlers by method."""
        step, names = self._root, []
        for part in path.split("/"):
            if part.startswith("{"):
                names.append(part[1:-1])
                if step.parameter is None:
                    step.parameter = _Step()
                step = step.parameter
            else:
                step = step.parts.setdefault(part, _Step())
        assert not step.handlers or step.names == names, f"{path} is there with other names"
        step.names = names
        step.handlers.update(handlers)

    async def respond(self, request: Request) -> Response:
        """The answer to `request`, whatever it is."""
        if request.fault is not None:
            return refusal(request.fault, request)
        step = self._root
        values: list[str] = []
        unreadable = -1
        for part in request.path.split("/"):
            following = step.parts.get(part)
            if following is None and "%" in part:
                try:
                    part = path_part(part, None)
                except InvalidRequest:
                    unreadable = len(values)
                following = step.parts.get(part)
            if following is not None:
                step = following
            elif part and step.parameter is not None:
                step = step.parameter
                values.append(part)
            else:
                step = _NOWHERE
                break
        handler = step.handlers.get(request.method)
        if handler is not None:
            if unreadable >= 0:
                return _unreadable(request, step.names[unreadable], values[unreadable])
            return await handler(request, _named(step, values))
        if not step.handlers:
            return await self._respond_otherwise(request)
        return _method_refused(request, step)

    async def _respond_otherwise(self, request: Request) -> Response:
        """As `respond`, where words of the path are parameters although paths have them as such.

        A user may be called `me` or `by`.
        """
        try:
            parts = [path_part(part, None) for part in request.path.split("/")]
        except InvalidRequest as error:
            return refusal(error, request)
        found = _search(self._root, parts, 0, [])
        if found is None:
            return refusal(NotFound("Path not found"), request)
        step, values = found
        handler = step.handlers.get(request.method)
        if handler is None:
            return _method_refused(request, step)
        return await handler(request, _named(step, values))


class _Step:
    """One step of a path: where each part leads, and who answers, given parameters by name."""

    __slots__ = ("handlers", "names", "parameter", "parts")

    def __init__(self) -> None:
        self.parts: dict[str, _Step] = {}
        self.parameter: _Step | None = None
        self.names: list[str] = []
        self.handlers: dict[str, HttpHandler] = {}


_NOWHERE = _Step()


def _named(step: _Step, values: list[str]) -> dict[str, str]:
    if not values:
        return {}
    if len(values) == 1:
        return {step.names[0]: values[0]}
    return dict(zip(step.names, values, strict=True))


def _search(
    step: _Step, parts: list[str], position: int, values: list[str]
) -> tuple[_Step, list[str]] | None:
    """The step that a path leads to, and its parameters; no deeper than the declared paths."""
    if position == len(parts):
        return (step, values) if step.handlers else None
    part = parts[position]
    found = None
    if (following := step.parts.get(part)) is not None:
        found = _search(following, parts, position + 1, values)
    if found is None and part and step.parameter is not None:
        found = _search(step.parameter, parts, position + 1, [*values, part])
    return found


def _unreadable(request: Request, name: str, part: str) -> Response:
    """The refusal of a path in which the parameter `name` cannot be read."""
    try:
        path_part(part, name)
    except InvalidRequest as error:
        return refusal(error, request)
    raise AssertionError(f"{part!r} can be read")


def _method_refused(request: Request, step: _Step) -> Response:
    response = refusal(MethodNotAllowed(f"{request.method} is not possible here"), request)
    response.headers["Allow"] = ", ".join(sorted(step.handlers))
    return response


def refusal(error: Exception, request: Request) -> Response:
    """The answer to a request that reaches no handler."""
    headers, request_id = common_headers(request)
    return error_response(error, request, headers, request_id)
