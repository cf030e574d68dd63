"""Users by name wherever by id: endpoints derived from those that are declared with an id.

Pure. A name may consist of digits alone, so a path says which of the two it takes: what stands in
`/users/{id}` is always an id, what stands behind `/users/by/username/` always a name.
"""

from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from rookery.errors import InvalidRequest
from rookery.http.declaring.endpoint import Call, Endpoint, Result
from rookery.http.native.schemas import IdPath, UsernamePath
from rookery.http.native.services import Services

PLACES: Mapping[str, str] = MappingProxyType(
    {
        "/users/{id}": "/users/by/username/{username}",
        "/timeline/user/{id}": "/timeline/user/by/username/{username}",
    }
)
"""How a path with an id begins, and with what the same path by name begins."""


def with_names(declared: Iterable[Endpoint]) -> Iterator[Endpoint]:
    """Each endpoint, followed by the one by name, where there is one to be and none declared."""
    declared = tuple(declared)
    taken = {(each.method, each.path) for each in declared}
    for endpoint in declared:
        yield endpoint
        for place, by_name in PLACES.items():
            path = endpoint.path.replace(place, by_name, 1)
            if path != endpoint.path and (endpoint.method, path) not in taken:
                yield _by_name(endpoint, path)


def _by_name(endpoint: Endpoint, path: str) -> Endpoint:
    assert endpoint.path_type is IdPath, f"{endpoint.path}: nothing but the id may be replaced"
    act = endpoint.handler

    async def handler(services: Services, call: Call[UsernamePath, Any, Any]) -> Result:
        user_id = await services.profiles.id_of(call.path.username)
        by_id: Call[Any, Any, Any] = copy(call)
        by_id.path = IdPath(id=str(user_id))
        try:
            return await act(services, by_id)
        except InvalidRequest as error:
            if type(error) is InvalidRequest and error.field == "id":
                raise InvalidRequest(str(error), "username") from error
            raise

    handler.__module__ = act.__module__
    handler.__name__ = f"{act.__name__}_by_name"
    return replace(
        endpoint,
        path=path,
        summary=f"{endpoint.summary}; the user by name",
        handler=handler,
        path_type=UsernamePath,
    )
