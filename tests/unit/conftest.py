"""Keeps the unit tests within seconds.

Properties are tried with few examples here, whatever they are of. `make test` tries them again,
with as many as HYPOTHESIS_PROFILE=thorough has.
"""

import gc
import os

import pytest
from hypothesis import settings

gc.set_threshold(100_000, 50, 100)  # collecting made a seventh of the time

settings.register_profile("quick", max_examples=10, deadline=None)
settings.register_profile("thorough", max_examples=500, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def pytest_collection_finish(session: pytest.Session) -> None:
    """What is there now stays; looking through it for garbage again and again costs a second."""
    gc.freeze()
