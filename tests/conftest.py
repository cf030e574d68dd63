"""For tests of every kind."""

import gc

import pytest

from rookery.logs import configure

configure("debug")  # As servers log: structlog by itself takes a tenth of a second for a traceback.


def pytest_collection_finish(session: pytest.Session) -> None:
    """What is there now stays; looking through it for garbage takes a quarter of a second."""
    gc.freeze()
