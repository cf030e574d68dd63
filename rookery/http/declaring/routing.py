"""From a path and a method to the handler that answers them.

A path is a way down a tree, step by step. A word that is declared as such goes before a parameter;
where it leads nowhere the parameter is tried, for a user may be called `me` or `by`.
"""

from collections.abc import Iterable, Mapping

from rookery.errors import InvalidRequest, MethodNotAllowed, NotFound
from rookery.http.declaring.endpoint import Endpoint
from rookery.http.declaring.errors import ErrorFormat, refusal
from rookery.http.declaring.handling import HttpHandler
from rookery.http.declaring.queries import path_part
from rookery.http.protocol.bodies import StreamBounds
from rookery.http.protocol.message import HEAD, Request, Response


class Router:
    """Takes each request of a surface to its handler."""

    def __init__(self, error_format: ErrorFormat) -> None:
        self._root = _Step()
        self._error_format = error_format
        self.takes_streams = False
        """Whether any handler reads its body while it arrives."""

    def add(
        self,
        path: str,
        handlers: Mapping[str, HttpHandler],
        streams: Mapping[str, StreamBounds] | None = None,
    ) -> None:
        """Add a path (``{name}`` for a parameter) with its handlers by method.

        `streams` has the bounds of those whose bodies are streamed.
        """
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
        step.streams.update(streams or {})
        self.takes_streams = self.takes_streams or bool(streams)

    async def respond(self, request: Request) -> Response:
        """The answer to `request`, whatever it is."""
        if request.fault is not None:
            return refusal(request.fault, request, self._error_format)
        try:
            step, values = self._find(request.path)
            handler = step.handlers.get(request.method)
            if handler is None:
                raise MethodNotAllowed(f"{request.method} is not possible here")
        except (InvalidRequest, NotFound) as error:
            return refusal(error, request, self._error_format)
        except MethodNotAllowed as error:
            response = refusal(error, request, self._error_format)
            response.headers["Allow"] = ", ".join(sorted(step.handlers))
            return response
        return await handler(request, _named(step, values))

    def bounds_of(self, request: Request) -> StreamBounds | None:
        """The bounds of a body that its handler reads while it arrives; None: it is held whole."""
        try:
            step, _ = self._find(request.path)
        except (InvalidRequest, NotFound):
            return None
        return step.streams.get(request.method)

    def _find(self, path: str) -> "tuple[_Step, list[str]]":
        """Where a path leads, and its parameters.

        Raises:
            NotFound: nowhere.
            InvalidRequest: a part of it cannot be read.
        """
        step = self._root
        values: list[str] = []
        unreadable = -1
        for part in path.split("/"):
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
                return self._find_otherwise(path)
        if not step.handlers:
            return self._find_otherwise(path)
        if unreadable >= 0:
            path_part(values[unreadable], step.names[unreadable])
        return step, values

    def _find_otherwise(self, path: str) -> "tuple[_Step, list[str]]":
        """As `_find`, where a word leads nowhere that is a parameter as well."""
        parts = [path_part(part, None) for part in path.split("/")]
        found = _search(self._root, parts, 0, [])
        if found is None:
            raise NotFound("Path not found")
        return found


class _Step:
    """A step of a path: where each part leads, and who answers, given parameters by name."""

    __slots__ = ("handlers", "names", "parameter", "parts", "streams")

    def __init__(self) -> None:
        self.parts: dict[str, _Step] = {}
        self.parameter: _Step | None = None
        self.names: list[str] = []
        self.handlers: dict[str, HttpHandler] = {}
        self.streams: dict[str, StreamBounds] = {}


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


def routes_of(
    endpoints: Iterable[tuple[Endpoint, HttpHandler]], prefix: str, error_format: ErrorFormat
) -> Router:
    """A router over handlers of endpoints; what answers GET answers HEAD, too."""
    router = Router(error_format)
    for endpoint, handler in endpoints:
        handlers = {endpoint.method: handler}
        if endpoint.method == "GET":
            handlers[HEAD] = handler
        streams = {} if endpoint.stream is None else {endpoint.method: endpoint.stream}
        router.add(prefix + endpoint.path, handlers, streams)
    return router
