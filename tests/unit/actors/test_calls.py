"""`rookery.actors.calls`: every method of every actor crosses processes, and nothing else does."""

import importlib
import pickle
import pkgutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec
import numpy as np
import pytest

import rookery.actors
from rookery.actors.calls import (
    FOREIGN_ERRORS,
    methods_of,
    read_answer,
    read_request,
    write_error,
    write_request,
    write_result,
)
from rookery.actors.manager import ConnectionManager
from rookery.actors.runtime import Actor
from rookery.actors.shard import TimelineShard
from rookery.actors.writer import StoreWriter
from rookery.errors import InvalidText, RookeryError, StoreUnavailable, TooManyRequests
from rookery.store.engine import ConditionFailed

BIG = 2**62 + 12345


def classes() -> list[type[Actor]]:
    """All actor classes of the package."""
    for module in pkgutil.iter_modules(rookery.actors.__path__):
        if not module.name.startswith("runtime_ray"):
            importlib.import_module(f"rookery.actors.{module.name}")
    found, waiting = [], [Actor]
    while waiting:
        cls = waiting.pop()
        waiting += cls.__subclasses__()
        if cls.__module__.startswith("rookery."):
            found.append(cls)
    return sorted(found, key=lambda cls: cls.__name__)


METHODS = [(cls, name) for cls in classes() for name in methods_of(cls)]


def values(hint: Any) -> Iterator[Any]:
    """Values of a type: at least one of each alternative."""
    origin, within = get_origin(hint), get_args(hint)
    plain: dict[Any, list[Any]] = {
        int: [0, BIG, -BIG],
        float: [0.5],
        str: ["", "zażółć"],
        bytes: [b"", bytes(range(256))],
        bool: [True, False],
        NoneType: [None],
        None: [None],
    }
    if hint in plain:
        yield from plain[hint]
    elif origin in (Union, UnionType):
        for each in within:
            yield from values(each)
    elif origin is list:
        yield from ([], list(values(within[0])))
    elif origin is tuple and within[-1] is ...:
        yield from ((), tuple(values(within[0])))
    elif origin is tuple:
        columns = [list(values(each)) for each in within]
        for row in range(max(map(len, columns))):
            yield tuple(column[row % len(column)] for column in columns)
    elif origin in (dict, Mapping):
        yield dict.fromkeys(values(within[0]), next(values(within[1])))
    elif isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        fields = {name: list(values(each)) for name, each in get_type_hints(hint).items()}
        for row in range(max(map(len, fields.values()))):
            yield hint(**{name: column[row % len(column)] for name, column in fields.items()})
    elif isinstance(hint, type) and issubclass(hint, Exception):
        yield from (StoreUnavailable("full"), InvalidText("long", "text_too_long"))
        if hint is Exception:
            yield from (ConditionFailed("users"), ValueError("wrong"))
    else:
        raise AssertionError(f"no values of {hint}")


def comparable(value: Any) -> Any:
    """Errors as what they are made of, since they equal only themselves."""
    if isinstance(value, Exception):
        return type(value), value.args, str(value)
    return [comparable(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize(("cls", "name"), METHODS, ids=lambda each: getattr(each, "__name__", each))
def test_what_a_method_takes_and_gives_arrives_as_it_was(cls: type[Actor], name: str) -> None:
    """Of all types that its hints name, tuples as tuples and structs as structs."""
    hints = get_type_hints(getattr(cls, name))
    given = hints.pop("return")
    for row in values(tuple[tuple(hints.values())]) if hints else [()]:  # type: ignore[misc]
        assert read_request(cls, write_request(name, row)) == (name, row)
    for result in values(given):
        found = read_answer(cls, name, write_result(result))
        assert comparable(found) == comparable(result)
        assert type(found) is type(result)


def test_all_actors_are_looked_at() -> None:
    """Those of the package are found, and what is inherited with them."""
    assert {cls.__name__ for cls, _ in METHODS} >= {
        "CelebrityLists",
        "ConnectionManager",
        "ConnectionServer",
        "FanoutWorker",
        "Gateway",
        "StoreWriter",
        "TimelineShard",
    }
    assert {"write", "ping"} <= methods_of(StoreWriter).keys()


def test_a_pickle_is_no_request(tmp_path: Path) -> None:
    """What could run code when it is read is refused, unread; so is a pickled answer."""

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "ran",))

    evil = pickle.dumps(("ping", (Evil(),)), 5)
    for request in (evil, write_request("ping", ())[:5] + evil, b""):
        with pytest.raises(RookeryError):
            read_request(StoreWriter, request)
    for answer in (evil, b"\1" + evil, b"\0" + evil, b""):
        with pytest.raises(RookeryError):
            read_answer(StoreWriter, "write", answer)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["_write", "spawn", "stop", "start", "__init__", "figures", "née"])
def test_only_public_async_methods_can_be_called(name: str) -> None:
    """Not what an object has besides."""
    request = bytes([len(name.encode())]) + name.encode() + b"\x90"
    with pytest.raises(RookeryError, match="no method"):
        read_request(TimelineShard, request)


def test_arguments_of_other_types_are_refused() -> None:
    """The method need not look at them."""
    wrongs: list[tuple[Any, ...]] = [(), ("1",), ([1],), ([], 1)]
    for wrong in wrongs:
        with pytest.raises(RookeryError, match=r"A wrong call of TimelineShard\.read"):
            read_request(TimelineShard, write_request("read", wrong))


def test_what_cannot_be_sent_is_refused_where_it_is_sent() -> None:
    """So that it is found when it is written, not when it is read."""
    for wrong in (object(), {1, 2}.__iter__(), lambda: None, np.zeros(3)):
        with pytest.raises(TypeError, match="cannot carry"):
            write_request("read", (wrong,))


def test_numbers_of_numpy_are_numbers() -> None:
    """They come of arrays, and look like others."""
    request = write_request("connected", (np.int64(BIG),))
    assert read_request(ConnectionManager, request) == ("connected", (BIG,))


def test_hints_that_say_nothing_are_refused() -> None:
    """A class whose methods cannot be read by their hints is a fault of who wrote it."""

    class Vague(Actor):
        async def take(self, what) -> None:  # type: ignore[no-untyped-def]
            pass

    with pytest.raises(TypeError, match=r"Vague\.take has no type hints for what"):
        methods_of(Vague)


def errors() -> list[type[RookeryError]]:
    found, waiting = [], [RookeryError]
    while waiting:
        cls = waiting.pop()
        found.append(cls)
        waiting += cls.__subclasses__()
    return [cls for cls in found if cls.__module__ == "rookery.errors"]


@pytest.mark.parametrize("cls", errors(), ids=lambda cls: cls.__name__)
def test_errors_arrive_as_they_were_raised(cls: type[RookeryError]) -> None:
    """Of the same class, with the same text, code, field and times."""
    arguments = ("text", "code") if cls is InvalidText else ("text",)
    error = TooManyRequests("text", 7.5, 20, 9) if cls is TooManyRequests else cls(*arguments)
    with pytest.raises(cls) as raised:
        read_answer(Actor, "ping", write_error(error))
    copy = raised.value
    assert type(copy) is cls
    assert (str(copy), copy.args, copy.field) == (str(error), error.args, error.field)
    assert (copy.code, copy.__dict__) == (error.code, error.__dict__)


@pytest.mark.parametrize("cls", [*FOREIGN_ERRORS, ConditionFailed], ids=lambda cls: cls.__name__)
def test_pythons_own_errors_keep_their_class(cls: type[Exception]) -> None:
    """The common ones."""
    with pytest.raises(cls) as raised:
        read_answer(Actor, "ping", write_error(cls("why")))
    assert type(raised.value) is cls and raised.value.args == ("why",)


def test_other_errors_are_faults_of_ours_that_name_them() -> None:
    """Their classes are not known everywhere, and are not looked for."""

    class Strange(Exception):
        pass

    with pytest.raises(RookeryError, match="An actor failed: Strange"):
        read_answer(Actor, "ping", write_error(Strange(object())))


class _Unspeakable:
    def __repr__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("argument", "arrives"),
    [
        ("caf\udce9", "caf\\udce9"),
        (2**63, 2**63),
        (2**64 - 1, 2**64 - 1),
        (2**64, str(2**64)),
        (-(2**63), -(2**63)),
        (-(2**63) - 1, str(-(2**63) - 1)),
        (10**5000, "(a int)"),
        (["\ud800"], "['\\ud800']"),
        (b"\xff", "b'\\xff'"),
        (_Unspeakable(), "(a _Unspeakable)"),
        (True, True),
        (None, None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_can_be_sent_whatever_its_arguments_are(argument: object, arrives: object) -> None:
    """Or its caller would wait for an answer that never comes."""
    with pytest.raises(ValueError) as told:
        read_answer(StoreWriter, "write", write_error(ValueError(argument)))
    assert told.value.args == (arrives,)
    assert type(told.value.args[0]) is type(arrives)
