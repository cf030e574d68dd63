"""`rookery.errors`: the tree is whole, documented, and survives pickling."""

import inspect
import pickle

import pytest

from rookery import errors
from rookery.errors import InvalidText, RookeryError, reason_of

CLASSES = [
    cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, RookeryError)
]


def _make(cls: type[RookeryError]) -> RookeryError:
    if cls is InvalidText:
        return InvalidText("too long", "text_too_long")
    return cls("what is wrong")


@pytest.mark.parametrize("cls", CLASSES)
def test_every_error_survives_pickling(cls: type[RookeryError]) -> None:
    """Class, text, code and field arrive in another process as they were."""
    error = _make(cls)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is cls
    assert (str(copy), copy.code, copy.field) == (str(error), error.code, error.field)


@pytest.mark.parametrize("cls", CLASSES)
def test_every_error_stands_in_the_drawing(cls: type[RookeryError]) -> None:
    """The module's docstring draws the whole tree, with status and close code."""
    assert errors.__doc__ is not None
    line = next(line for line in errors.__doc__.splitlines() if f" {cls.__name__} " in f"{line} ")
    if not issubclass(cls, errors.StartupError):
        assert str(cls.status) in line
        assert str(cls.close_code) in line


def test_codes_are_distinct() -> None:
    """A client can tell each kind of error by its code."""
    codes = [cls.code for cls in CLASSES if cls is not InvalidText]
    assert len(codes) == len(set(codes))


def test_every_error_has_a_reason() -> None:
    """Libraries raise errors without a text; people are told something all the same."""
    assert reason_of(ValueError("wrong")) == "wrong"
    assert reason_of(TimeoutError()) == "no answer in time"
    assert reason_of(ValueError()) == "ValueError"
    outer = RuntimeError()
    outer.__cause__ = ValueError("inner")
    assert reason_of(outer) == "inner"
