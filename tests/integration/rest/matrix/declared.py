"""What the declarations say of every endpoint: whether it can show a tweet or a person."""

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import inspect

from rookery.http.declaring.endpoint import Endpoint

SHOWING = frozenset(
    {
        "ContextEntry",
        "Mention",
        "PushedTweet",
        "QuotedTweet",
        "TweetView",
        "UnavailableTweet",
        "UserRef",
        "UserView",
    }
)
"""Shapes of tweets and people, and of what stands in their place."""
NAMING = frozenset({"id", "user_id", "username"})
"""Parameters of a path that name a tweet or a person."""
_ID_PATTERN = "^[1-9][0-9]{0,18}$"


def key_of(endpoint: Endpoint) -> str:
    """What the matrix knows an endpoint by; one that takes a name as the one that takes an id."""
    path = endpoint.path.replace("/by/username/{username}", "/{id}")
    return f"{endpoint.method} {path}"


def name_of(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path}"


def can_show(endpoint: Endpoint) -> bool:
    """Whether an endpoint can show a tweet or a person, or takes one by id or name."""
    shapes = [each for each in endpoint.answers.values() if each is not None]
    named = {field.name for field in msgspec.structs.fields(endpoint.path_type)}
    return (
        bool(named & NAMING)
        or any(SHOWING & _names_in(shape) for shape in shapes)
        or _takes_ids(inspect.type_info(endpoint.body_type))
        or _takes_ids(inspect.type_info(endpoint.query_type))
    )


def forgotten(
    endpoints: Iterable[Endpoint], known: Iterable[str], showing_nothing: Iterable[str]
) -> list[str]:
    """The endpoints that the matrix does not look at, and that are not known to show nothing."""
    known, nothing = set(known), set(showing_nothing)
    return [
        name_of(each)
        for each in endpoints
        if key_of(each) not in known and (can_show(each) or name_of(each) not in nothing)
    ]


def _names_in(shape: Any) -> set[str]:
    found: set[str] = set()
    _walk(inspect.type_info(shape), found)
    return found


def _walk(info: inspect.Type, found: set[str]) -> None:
    """Add the names of all structs and dictionaries within a type."""
    if isinstance(info, inspect.StructType | inspect.TypedDictType):
        if info.cls.__name__ in found:
            return
        found.add(info.cls.__name__)
        for field in info.fields:
            _walk(field.type, found)
        return
    for inner in _inner(info):
        _walk(inner, found)


def _inner(info: inspect.Type) -> Iterable[inspect.Type]:
    if isinstance(info, inspect.Metadata):
        return [info.type]
    if isinstance(info, inspect.UnionType):
        return info.types
    if isinstance(info, inspect.CollectionType):
        return [info.item_type]
    if isinstance(info, inspect.TupleType):
        return info.item_types
    if isinstance(info, inspect.DictType):
        return [info.key_type, info.value_type]
    return []


def _takes_ids(info: inspect.Type) -> bool:
    if isinstance(info, inspect.StrType):
        return info.pattern == _ID_PATTERN
    if isinstance(info, inspect.StructType):
        return any(_takes_ids(field.type) for field in info.fields)
    return any(_takes_ids(inner) for inner in _inner(info))
