"""What tests need of the machine they run on."""

import os
import socket
from typing import NoReturn

import pytest


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def missing(reason: str) -> NoReturn:
    """Skip the test for want of a service; in CI, where none may be missing, fail."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
