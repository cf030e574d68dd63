"""Accounts made by the operator's way, where the server is on this machine.

A server lets one address sign up only as many as people need; whoever may read its data folder may
sign up more, as with any command of the command line.
"""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from locust.contrib.fasthttp import FastHttpSession
from locust.event import EventHook

from bench.scenarios.rest import Answer
from bench.server import SERVE
from rookery.control import Address, find
from rookery.security_log import operator

CONCURRENCY = 4


def server_status(data_dir: Path, host: str) -> Any:
    """What ``rookery status`` tells; None if no server on this folder listens where `host` says."""
    if find(data_dir) is None:
        return None
    command = [sys.executable, "-c", SERVE, "status", "--json", "--data", str(data_dir)]
    done = subprocess.run(command, capture_output=True, check=False)
    if not done.stdout:  # it went away just now
        return None
    status = msgspec.json.decode(done.stdout)
    return status if urlsplit(status["http"]).port == urlsplit(host).port else None


class Seeds:
    """Signs people up at a server of this machine, past the limit of its addresses."""

    def __init__(self, address: Address) -> None:
        uncounted = EventHook()  # type: ignore[no-untyped-call]
        base = f"http://127.0.0.1:{address.port}"
        self._client = FastHttpSession(base, uncounted, None, concurrency=CONCURRENCY)
        self._headers = {"Authorization": f"Bearer {address.secret}"}

    def sign_up(self, body: Mapping[str, Any]) -> Answer | None:
        """The answer to a sign-up; None if the server refuses or is gone: ask as anybody does."""
        with self._client.request(
            "POST",
            "/sign-up",
            json={**body, "operator": operator()},
            headers=self._headers,
            catch_response=True,
        ) as response:
            if response.status_code != 200:
                return None
            told = msgspec.json.decode(response.content.splitlines()[-1])
        return Answer(201, told["answer"]) if "answer" in told else None


def seeds_of(data_dir: Path, host: str) -> Seeds | None:
    """The seeds of the server at `host`, if it runs on this machine with this data folder."""
    address = find(data_dir)
    if address is None or server_status(data_dir, host) is None:
        return None
    return Seeds(address)
