"""Makes aiohttp handlers of declared endpoints: the one way every request takes.

Order: who makes it, whether its rate limit lets it, then path, query and body, then the use-case.
A handler raises; the answer to an error is made by `errors`. This is on the path of every request,
so it allocates little and no middleware runs.
"""

import itertools
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import msgspec
from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDict

from rookery.domain.windows import Verdict
from rookery.errors import (
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    Unauthenticated,
)
from rookery.http.endpoint import JSON_TYPE, Auth, Call, Endpoint, Reply
from rookery.http.errors import error_response, limit_headers
from rookery.http.requests import (
    BodyReader,
    QueryReader,
    bearer_token,
    check_no_body,
    convert,
    idempotency_key,
    usable_request_id,
)
from rookery.http.schemas import Nothing, Parameters
from rookery.http.services import Services
from rookery.services.limits import Rate, demand

MAX_BODY_BYTES = 1 << 20
REQUEST_ID = "X-Request-Id"

AiohttpHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]
ExactRoutes = Mapping[tuple[str, str], AiohttpHandler]
EXACT_ROUTES = web.AppKey[ExactRoutes]("EXACT_ROUTES", Mapping)
"""Of an application: handlers by method and path, of the paths without parameters."""

_encode = msgspec.json.Encoder().encode
_NOTHING = Nothing()
_COMMON = CIMultiDict(
    {
        hdrs.CONTENT_TYPE: JSON_TYPE,
        hdrs.CACHE_CONTROL: "no-store",
        "X-Content-Type-Options": "nosniff",
        hdrs.SERVER: "rookery",
    }
)
_numbers = itertools.count(1)
_prefix = secrets.token_hex(6)


def common_headers(request: web.BaseRequest) -> tuple["CIMultiDict[str]", str]:
    """The headers of every response to `request`, and the id in them."""
    request_id = request.headers.get(REQUEST_ID)
    if request_id is None or not usable_request_id(request_id):
        request_id = f"{_prefix}-{next(_numbers):x}"
    headers = _COMMON.copy()
    headers[REQUEST_ID] = request_id
    return headers, request_id


async def read_body(request: web.Request) -> bytes:
    """The whole body.

    Raises:
        PayloadTooLarge: over `MAX_BODY_BYTES`.
        InvalidRequest: cut off, or not framed or compressed as announced.
        ConnectionError: the client went away.
    """
    try:
        if (request.content_length or 0) > MAX_BODY_BYTES:
            raise _too_large()
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise _too_large() from None
    except (web.RequestPayloadError, HttpProcessingError) as error:
        raise InvalidRequest("The body is cut off or malformed") from error


def _too_large() -> PayloadTooLarge:
    return PayloadTooLarge(f"The body is larger than {MAX_BODY_BYTES} bytes")


def handler_of(endpoint: Endpoint, services: Services) -> AiohttpHandler:
    """The aiohttp handler of `endpoint`."""
    act, status = endpoint.handler, endpoint.status
    identify = services.authenticator.identify
    auth_used, auth_required = endpoint.auth is not Auth.NONE, endpoint.auth is Auth.REQUIRED
    path_type = None if endpoint.path_type is Nothing else endpoint.path_type
    read_query = QueryReader(endpoint.query_type).read
    default_query = endpoint.query_type()
    body_reader = None if endpoint.body_type is Nothing else BodyReader(endpoint.body_type)
    is_post = endpoint.method == hdrs.METH_POST
    user_limit = services.limits.by_user.get(endpoint.rate)
    address_limit = services.limits.by_address.get(endpoint.rate)
    is_shared = endpoint.rate in (Rate.SIGN_UP, Rate.LOGIN)
    key_of = services.addresses.key_of

    async def count_address(request: web.Request, headers: "CIMultiDict[str]") -> None:
        if address_limit is not None:
            forwarded = request.headers.getall("X-Forwarded-For", ())
            key = key_of(request.remote, ",".join(forwarded))
            if is_shared:
                admit(await address_limit.hit_shared(key), headers)
            else:
                admit(address_limit.hit(key), headers)

    async def handle(request: web.Request) -> web.StreamResponse:
        headers, request_id = common_headers(request)
        body_raw = b""
        body: Parameters = _NOTHING
        try:
            viewer = None
            if auth_used:
                token = bearer_token(request.headers.get(hdrs.AUTHORIZATION))
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
            path = _NOTHING if path_type is None else convert(request.match_info, path_type)
            raw_query = request.rel_url.raw_query_string
            query = read_query(raw_query) if raw_query else default_query
            key = idempotency_key(request.headers.get("Idempotency-Key")) if is_post else None
            if request.body_exists:
                try:
                    body_raw = await read_body(request)
                except ConnectionError as error:
                    raise ClientGone from error
            if body_reader is not None:
                body = body_reader.read(request.headers.get(hdrs.CONTENT_TYPE), body_raw)
            elif body_raw:
                check_no_body(body_raw)
            result = await act(services, Call(path, query, body, viewer, key))
        except ClientGone:
            raise
        except Exception as error:
            return error_response(error, request, headers, request_id)
        if isinstance(result, bytes):
            return web.Response(status=status, body=result, headers=headers)
        if isinstance(result, Reply):
            headers[hdrs.CONTENT_TYPE] = result.media_type
            headers.update(result.headers)
            return web.Response(status=result.status, body=result.body, headers=headers)
        return web.Response(status=status, body=_encode(result), headers=headers)

    return handle


def admit(verdict: Verdict, headers: "CIMultiDict[str]") -> None:
    """Let a request through its rate limit, and say so in the headers of its answer.

    Raises:
        TooManyRequests: it is over the limit.
    """
    demand(verdict)
    limit_headers(headers, verdict.limit, verdict.remaining, verdict.reset_s)


class ClientGone(ConnectionError):
    """The client closed the connection before its request was complete; nobody to answer."""


def refusal_of(methods: Iterable[str]) -> AiohttpHandler:
    """The handler of all methods but `methods` on a path that exists: 405."""
    allowed = ", ".join(sorted(methods))

    async def handle(request: web.Request) -> web.StreamResponse:
        headers, request_id = common_headers(request)
        headers[hdrs.ALLOW] = allowed
        error = MethodNotAllowed(f"{request.method[:32]} is not possible here")
        return error_response(error, request, headers, request_id)

    return handle


def dispatcher_of(
    exact: ExactRoutes, otherwise: Callable[[Any], Awaitable[web.StreamResponse]]
) -> Callable[[Any], Awaitable[web.StreamResponse]]:
    """What takes each request to its handler: at once for `exact` ones, else by aiohttp's router.

    The router is good for everything, and costs as much as the rest of a short request.
    """

    async def routed(request: web.Request) -> web.StreamResponse:
        try:
            return await otherwise(request)
        except web.HTTPException:  # No path at all, as in ``OPTIONS *`` and CONNECT.
            return await not_found(request)

    def dispatch(request: web.Request) -> Awaitable[web.StreamResponse]:
        handler = exact.get((request.method, request.rel_url.raw_path))
        if handler is None or hdrs.EXPECT in request.headers:
            return routed(request)
        return handler(request)

    return dispatch


async def not_found(request: web.Request) -> web.StreamResponse:
    """The handler of paths that do not exist."""
    headers, request_id = common_headers(request)
    return error_response(NotFound("No such resource"), request, headers, request_id)


async def expect_continue(request: web.Request) -> web.StreamResponse | None:
    """Answer an ``Expect`` header: let the body come, or refuse at once what would be refused."""
    headers, request_id = common_headers(request)
    if (request.content_length or 0) > MAX_BODY_BYTES:
        return error_response(_too_large(), request, headers, request_id)
    if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue":
        if request.version >= (1, 1):
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
        return None
    error = InvalidRequest("Only Expect: 100-continue is known", "Expect")
    return error_response(error, request, headers, request_id)
