"""Calls of actors' methods, and their answers, as bytes.

MessagePack, read by the type hints of the method that is called: whatever is not of these types is
an error, and nothing that is read can run code, as a pickle could. What may be called are the
public async methods of an actor class; what may be raised are the errors of `rookery.errors`,
`ConditionFailed`, and Python's common ones, each by its class and arguments. Every other error
arrives as a `RookeryError` that names its class.

A request is the method's name, one byte with its length before it, then the tuple of arguments. An
answer is one byte, which says whether it is a result or a `Fault`, then that.
"""

import inspect
from collections.abc import Mapping
from functools import cache
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import numpy as np

from rookery.actors.runtime import Actor
from rookery.errors import RookeryError
from rookery.store.engine import ConditionFailed

RESULT, FAULT = b"\1", b"\0"

FOREIGN_ERRORS: tuple[type[Exception], ...] = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    OverflowError,
    RecursionError,
    RuntimeError,
    TimeoutError,
    TypeError,
    ValueError,
    ZeroDivisionError,
)
"""Errors not of ours that arrive as what they were."""

NOT_CALLED = {"start", "stop"}
"""The runtime's affair."""

_Scalar = int | float | str | bool | None


class Fault(msgspec.Struct, frozen=True):
    """An error on its way: the name of its class, and its arguments."""

    kind: str
    args: list[_Scalar]

    @classmethod
    def of(cls, error: BaseException) -> "Fault":
        """The error as it will arrive."""
        kind = type(error).__name__
        if _kind(kind) is not type(error):
            return cls("RookeryError", [f"An actor failed: {kind}"])
        return cls(kind, [_sendable(each) for each in _arguments(error)])

    def error(self) -> Exception:
        """The error, to be raised again."""
        kind = _kind(self.kind)
        if kind is None:
            return RookeryError(f"An actor failed: {self.kind}")
        return kind(*self.args)


def _sendable(value: object) -> _Scalar:
    """An argument as MessagePack can carry it: what it has no form for is told as text.

    It must not fail: an error that cannot be sent would be an answer that never comes.
    """
    if isinstance(value, bool | None):
        return value
    if isinstance(value, float):
        return float(value)  # of a subclass, such as numpy's
    if isinstance(value, int) and -(2**63) <= value < 2**64:
        return int(value)
    try:
        text = value if isinstance(value, str) else repr(value)
    except Exception:  # of somebody's __repr__, or an int with too many digits
        text = f"(a {type(value).__name__})"
    return text.encode("utf-8", "backslashreplace").decode()


def _arguments(error: BaseException) -> tuple[Any, ...]:
    """What its class makes the error of; some classes say so by `__reduce__`, as for pickling."""
    reduced = error.__reduce__()
    assert isinstance(reduced, tuple)
    return tuple(reduced[1])


_known: dict[str, type[Exception]] = {
    each.__name__: each for each in (*FOREIGN_ERRORS, ConditionFailed)
}


def _kind(name: str) -> type[Exception] | None:
    """The class of errors of this name that may be sent, if there is one."""
    if name not in _known:
        waiting: list[type[RookeryError]] = [RookeryError]
        while waiting:
            kind = waiting.pop()
            _known[kind.__name__] = kind
            waiting += kind.__subclasses__()
    return _known.get(name)


def _encode_other(value: Any) -> Any:
    if isinstance(value, Exception):
        return Fault.of(value)
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a call cannot carry a {type(value).__name__}")


_encode = msgspec.msgpack.Encoder(enc_hook=_encode_other).encode
_fault_decoder = msgspec.msgpack.Decoder(Fault)


class Method:
    """One method of an actor class: reads what it is called with, and what it answers."""

    def __init__(self, cls: type[Actor], name: str) -> None:
        """Raises TypeError where its hints do not say what may be sent."""
        function = getattr(cls, name)
        where = f"{cls.__name__}.{name}"
        hints = get_type_hints(function)
        parameters = [each for each in inspect.signature(function).parameters if each != "self"]
        if missing := {*parameters, "return"} - hints.keys():
            raise TypeError(f"{where} has no type hints for {', '.join(sorted(missing))}")
        taken: Any = tuple[tuple(hints[each] for each in parameters)]  # type: ignore[misc]
        given = hints["return"]
        self._has_faults = _on_the_wire(given) != given
        if self._has_faults and get_origin(given) is not list:
            raise TypeError(f"{where} returns errors otherwise than as items of a list")
        try:
            self._arguments = msgspec.msgpack.Decoder(taken)
            self._result = msgspec.msgpack.Decoder(_on_the_wire(given))
        except TypeError as error:
            raise TypeError(f"{where} cannot be called from other processes: {error}") from error

    def read_arguments(self, data: memoryview) -> tuple[Any, ...]:
        """Raises msgspec.DecodeError."""
        arguments: tuple[Any, ...] = self._arguments.decode(data)
        return arguments

    def read_result(self, data: memoryview) -> Any:
        """Raises msgspec.DecodeError."""
        result: Any = self._result.decode(data)
        if self._has_faults:
            return [each.error() if type(each) is Fault else each for each in result]
        return result


def _on_the_wire(hint: Any) -> Any:
    """A type hint with `Fault` in place of each class of errors."""
    if isinstance(hint, type) and issubclass(hint, BaseException):
        return Fault
    origin, within = get_origin(hint), get_args(hint)
    if origin is None or origin is Literal:
        return hint
    changed = tuple(map(_on_the_wire, within))
    if changed == within:
        return hint
    if origin in (Union, UnionType):
        return Union[changed]  # noqa: UP007 - of a tuple
    return origin[changed]


_methods: dict[type[Actor], Mapping[str, Method]] = {}


def methods_of(cls: type[Actor]) -> Mapping[str, Method]:
    """What may be called of an actor, by name.

    Raises:
        TypeError: a method has hints that do not say what may be sent.
    """
    methods = _methods.get(cls)
    if methods is None:
        names = [
            name
            for name, _ in inspect.getmembers(cls, inspect.iscoroutinefunction)
            if not name.startswith("_") and name not in NOT_CALLED
        ]
        methods = _methods[cls] = {name: Method(cls, name) for name in names}
    return methods


@cache
def _named(method: str) -> bytes:
    return bytes((len(method),)) + method.encode("ascii")


def write_request(method: str, arguments: tuple[Any, ...]) -> bytes:
    """A call as bytes.

    Raises:
        TypeError, OverflowError: an argument is nothing that can be sent.
    """
    return _named(method) + _encode(arguments)


def read_request(cls: type[Actor], request: bytes) -> tuple[str, tuple[Any, ...]]:
    """The method's name, and its arguments.

    Raises:
        RookeryError: there is no such method, or it takes other arguments.
    """
    start = 1 + request[0] if request else 0
    name = request[1:start].decode("ascii", "replace")
    method = methods_of(cls).get(name)
    if method is None:
        raise RookeryError(f"{cls.__name__} has no method {name!r} that can be called")
    try:
        return name, method.read_arguments(memoryview(request)[start:])
    except msgspec.DecodeError as error:
        raise RookeryError(f"A wrong call of {cls.__name__}.{name}: {error}") from error


def write_result(result: object) -> bytes:
    """An answer that is a result.

    Raises:
        TypeError, OverflowError: it is nothing that can be sent.
    """
    return RESULT + _encode(result)


def write_error(error: BaseException) -> bytes:
    """An answer that is an error."""
    return FAULT + _encode(Fault.of(error))


def read_answer(cls: type[Actor], method: str, answer: bytes) -> Any:
    """The result of a call.

    Raises:
        The error that was the answer.
        RookeryError: it is no answer of this method.
    """
    data = memoryview(answer)[1:]
    try:
        if answer[:1] == RESULT:
            return methods_of(cls)[method].read_result(data)
        fault = _fault_decoder.decode(data)
    except msgspec.DecodeError as error:
        raise RookeryError(f"A wrong answer of {cls.__name__}.{method}: {error}") from error
    raise fault.error()
