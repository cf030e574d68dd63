"""Finds the handler that answers a path and a method.

Declared paths are a tree of steps, one for each part between slashes. A part that is declared as a
word is preferred to a parameter in the same place. Where the word leads nowhere, the parameter is
tried, for a user may be called `me` or `by`.
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

        `streams` has the bounds of bodies that are streamed, by method.
        """
        step, names = self._root, []
        for part in path.split("/"):
            if part.startswith("{"):
                names.append(part[1:-1])
                if step.parameter is None:
                    step.parameter = _Step()
                step = step.parameter
            else:
                step = step.words.setdefault(part, _Step())
        assert not step.handlers or step.names == names, f"{path} has other names already"
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
        """The last step of a path, and the values of its parameters.

        Walks down once, a word before a parameter, which is right for nearly every path.

        Raises:
            NotFound: no handler stands there.
            InvalidRequest: a part of the path cannot be read.
        """
        step = self._root
        values: list[str] = []
        unreadable = -1
        for part in path.split("/"):
            word = step.words.get(part)
            if word is None and "%" in part:
                try:
                    part = path_part(part, None)
                except InvalidRequest:
                    unreadable = len(values)
                word = step.words.get(part)
            if word is not None:
                step = word
            elif part and step.parameter is not None:
                step = step.parameter
                values.append(part)
            else:
                return self._search_everywhere(path)
        if not step.handlers:
            return self._search_everywhere(path)
        if unreadable >= 0:
            path_part(values[unreadable], step.names[unreadable])
        return step, values

    def _search_everywhere(self, path: str) -> "tuple[_Step, list[str]]":
        """As `_find`, but a part that leads nowhere as a word is tried as a parameter."""
        parts = [path_part(part, None) for part in path.split("/")]
        found = _search(self._root, parts, 0, [])
        if found is None:
            raise NotFound("Path not found")
        return found


class _Step:
    """One part of a declared path: the next steps, by word and for a parameter, and who answers
    where the path ends here. `names` are those of the path's parameters, in order."""

    __slots__ = ("handlers", "names", "parameter", "streams", "words")

    def __init__(self) -> None:
        self.words: dict[str, _Step] = {}
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
    """The last step of the parts from `position` on, and the values of all parameters.

    None if no handler stands there. Recursion ends where the declared paths end.
    """
    if position == len(parts):
        return (step, values) if step.handlers else None
    part = parts[position]
    found = None
    if (word := step.words.get(part)) is not None:
        found = _search(word, parts, position + 1, values)
    if found is None and part and step.parameter is not None:
        found = _search(step.parameter, parts, position + 1, [*values, part])
    return found


def routes_of(
    endpoints: Iterable[tuple[Endpoint, HttpHandler]], prefix: str, error_format: ErrorFormat
) -> Router:
    """A router over the handlers of endpoints. A handler of GET answers HEAD as well."""
    router = Router(error_format)
    for endpoint, handler in endpoints:
        handlers = {endpoint.method: handler}
        if endpoint.method == "GET":
            handlers[HEAD] = handler
        streams = {} if endpoint.stream is None else {endpoint.method: endpoint.stream}
        router.add(prefix + endpoint.path, handlers, streams)
    return router
