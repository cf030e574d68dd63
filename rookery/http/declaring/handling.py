"""From a request to the answer of one endpoint: the one way every request takes.

Order: who makes it, whether its rate limits let it, then path, query and body, then the use-case.
A handler raises; the answer to an error is made by `errors`. This is on the path of every request,
so it allocates little.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from rookery.errors import UnsupportedMediaType
from rookery.http.declaring.admission import (
    Admission,
    Gate,
    log_refusal,
    origin_finder,
    take_back_untried,
)
from rookery.http.declaring.bodies import BodyReader, check_no_body
from rookery.http.declaring.compression import decompressed
from rookery.http.declaring.endpoint import Call, Endpoint, Page, Reply, StreamedReply
from rookery.http.declaring.errors import common_headers, error_response
from rookery.http.declaring.headers import idempotency_key
from rookery.http.declaring.parameters import Nothing, Parameters
from rookery.http.declaring.queries import QueryReader, convert
from rookery.http.declaring.surface import Surface
from rookery.http.protocol.bodies import too_large
from rookery.http.protocol.message import Request, Response, StreamedResponse

HttpHandler = Callable[[Request, Mapping[str, str]], Awaitable[Response]]
"""Answers a request of one endpoint, given its path's parameters."""

_NOTHING = Nothing()


def handler_of(endpoint: Endpoint, surface: Surface, services: Gate) -> HttpHandler:
    """The handler of `endpoint`, which hands `services` to the declared one."""
    act, media_type = endpoint.handler, endpoint.media_type
    admit = Admission(endpoint, services).admit
    path_type = None if endpoint.path_type is Nothing else endpoint.path_type
    query_type = surface.unknown_fields.applied_to(endpoint.query_type)
    read_query = QueryReader(query_type).read
    read_body = _body_reader(endpoint, surface)
    is_post = endpoint.method == "POST"
    find_origin = origin_finder(services.addresses)
    answer_of = _answerer(endpoint.status, media_type, surface)

    async def handle(request: Request, parameters: Mapping[str, str]) -> Response:
        headers, request_id = common_headers(request)
        viewer = attempt = None
        try:
            viewer, attempt = await admit(request, headers)
            path = _NOTHING if path_type is None else convert(parameters, path_type)
            query = read_query(request.query)
            key = idempotency_key(request.header(b"idempotency-key")) if is_post else None
            body = read_body(request)
            call = Call(path, query, body, viewer, key, request, request_id, find_origin)
            return answer_of(await act(services, call), request, headers)
        except Exception as error:
            if attempt is not None:
                take_back_untried(attempt, error, headers)
            log_refusal(
                services.refusals.refused,
                error,
                viewer,
                partial(find_origin, request, request_id),
                endpoint.operation_id,
            )
            return error_response(error, request, headers, request_id, surface.errors)

    return handle


def _body_reader(endpoint: Endpoint, surface: Surface) -> Callable[[Request], Parameters]:
    """What reads the bodies of `endpoint`, unpacked and bounded."""
    most_bytes = endpoint.max_body_bytes
    reader = None
    if endpoint.body_type is not Nothing:
        body_type = surface.unknown_fields.applied_to(endpoint.body_type)
        reader = BodyReader(body_type, surface.body_formats)

    def read_body(request: Request) -> Parameters:
        raw = request.body
        if raw:
            request.body = b""  # Nobody reads it again, and the answer may take long.
            if len(raw) > most_bytes:
                raise too_large(most_bytes)
            if b"content-encoding" in request.headers:
                raw = decompressed(raw, request.headers[b"content-encoding"], most_bytes)
        if reader is not None:
            return reader.read(request.header(b"content-type"), raw)
        if raw:
            check_no_body(raw)
        return _NOTHING

    def check_stream(request: Request) -> Parameters:
        if request.headers.get(b"content-encoding", b"identity").strip().lower() != b"identity":
            raise UnsupportedMediaType("What is streamed may not be compressed")
        return _NOTHING

    return read_body if endpoint.stream is None else check_stream


def _answerer(
    status: int, media_type: str, surface: Surface
) -> Callable[[object, Request, dict[str, str]], Response]:
    """What makes a response of what the declared handler returned."""
    render, paginate = surface.render, surface.paginate
    has_usual_type = media_type == "application/json"

    def answer_of(result: object, request: Request, headers: dict[str, str]) -> Response:
        if type(result) is bytes:
            if not has_usual_type:
                headers["Content-Type"] = media_type
            return Response(status, result, headers)
        if isinstance(result, Page):
            result = paginate(result, request, render)
        if isinstance(result, StreamedReply):
            headers["Content-Type"] = result.media_type
            headers.update(result.headers)
            return StreamedResponse(
                result.status, result.chunks, headers, result.repeated, result.length_bytes
            )
        if isinstance(result, Reply):
            headers["Content-Type"] = result.media_type
            headers.update(result.headers)
            return Response(result.status, result.body, headers, result.repeated)
        if not has_usual_type:
            headers["Content-Type"] = media_type
        return Response(status, render(result), headers)

    return answer_of
