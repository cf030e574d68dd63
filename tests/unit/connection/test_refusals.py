"""Which refused streams the security log hears of, and as whose."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from websockets.datastructures import Headers
from websockets.http11 import Request

from rookery.connection import refusals
from rookery.connection.refusals import StreamRefusals
from rookery.errors import InvalidToken, RookeryError, Unavailable


def _found(name: str) -> Callable[[str, str | None], str]:
    return lambda peer, forwarded: f"{name} of {peer} for {forwarded}"


@pytest.mark.parametrize(("error", "recorded"), [(InvalidToken(), 1), (Unavailable(), 0)])
async def test_bad_tokens_are_recorded_with_who_is_behind_the_proxies(
    monkeypatch: pytest.MonkeyPatch, error: RookeryError, recorded: int
) -> None:
    """What is our own fault is not: nobody tried anything."""
    told: list[tuple[str, Any, str]] = []

    class Recorded:
        def refused(self, reason: str, origin: Callable[[], Any], endpoint: str) -> None:
            told.append((reason, origin(), endpoint))

    monkeypatch.setattr(refusals, "Refusals", Recorded)
    request = Request("/stream", Headers([("X-Forwarded-For", "1"), ("X-Forwarded-For", "2")]))
    StreamRefusals(_found("client"), _found("key")).refused(error, "peer", request)
    await asyncio.sleep(0)
    assert len(told) == recorded
    for reason, origin, endpoint in told:
        assert (reason, endpoint) == (error.code, "stream")
        assert origin.address == "client of peer for 1,2"
        assert origin.key == "key of peer for 1,2"
