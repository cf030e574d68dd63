"""Pages of other origins: what their browsers are told."""

import asyncio
from collections.abc import Mapping

import pytest

from rookery.config import Limits as LimitSettings
from tests.integration.http_world import NO_LIMITS, World, http_world

PAGE = "https://page.example"
OTHER = "https://other.example"
ALLOWED = f"{PAGE}, http://localhost:3000"
PREFLIGHT = {
    "Origin": PAGE,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type",
}


async def ask(
    world: World, method: str, path: str, headers: Mapping[str, str]
) -> tuple[int, Mapping[str, str]]:
    async with world.session.request(method, world.base + path, headers=headers) as response:
        return response.status, response.headers


async def test_without_a_setting_no_origin_is_told_anything() -> None:
    """Off by default."""
    async with http_world() as world:
        status, headers = await ask(world, "OPTIONS", "/tweets", PREFLIGHT)
        assert status == 405
        assert not [name for name in headers if name.startswith("Access-Control")]
        status, headers = await ask(world, "GET", "/health", {"Origin": PAGE})
        assert status == 200
        assert not [name for name in headers if name.startswith("Access-Control")]
        assert "Vary" not in headers


async def test_a_preflight_is_answered_for_an_allowed_origin() -> None:
    """Before a page's POST, without a token, and without being counted."""
    limits = LimitSettings(writes_per_address=1, reads_per_address=1)
    async with http_world(allowed_origins=ALLOWED, limits=limits) as world:
        for _ in range(3):
            status, headers = await ask(world, "OPTIONS", "/tweets", PREFLIGHT)
            assert status == 204
        assert headers["Access-Control-Allow-Origin"] == PAGE
        assert "POST" in headers["Access-Control-Allow-Methods"]
        for name in ("Authorization", "Content-Type", "Idempotency-Key"):
            assert name in headers["Access-Control-Allow-Headers"]
        assert int(headers["Access-Control-Max-Age"]) > 0
        assert "Origin" in headers["Vary"].split(", ")
        assert "Content-Length" not in headers
        assert "X-Request-Id" in headers
        assert "Access-Control-Allow-Credentials" not in headers


@pytest.mark.parametrize("origin", [OTHER, "null", "https://page.example.evil", PAGE.upper(), "*"])
async def test_another_origin_is_not_allowed(origin: str) -> None:
    """It is answered, but its page may not read it; and caches know that it depends."""
    async with http_world(allowed_origins=ALLOWED) as world:
        status, headers = await ask(world, "GET", "/health", {"Origin": origin})
        assert status == 200
        assert "Access-Control-Allow-Origin" not in headers
        assert headers["Vary"] == "Origin"
        status, headers = await ask(world, "OPTIONS", "/tweets", {**PREFLIGHT, "Origin": origin})
        assert status == 405
        assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/health", 200),
        ("GET", "/timeline/home", 401),
        ("GET", "/nowhere", 404),
        ("PUT", "/health", 405),
        ("GET", "/tweets/x", 400),
        ("OPTIONS", "/health", 405),
    ],
)
async def test_every_answer_can_be_read(method: str, path: str, status: int) -> None:
    """Errors as well: a page that cannot read an error cannot act on it."""
    async with http_world(allowed_origins=ALLOWED) as world:
        got, headers = await ask(world, method, path, {"Origin": PAGE})
        assert got == status
        assert headers["Access-Control-Allow-Origin"] == PAGE
        assert headers["Vary"] == "Origin"
        for name in ("X-Request-Id", "RateLimit-Remaining", "Retry-After"):
            assert name in headers["Access-Control-Expose-Headers"]


async def test_who_sends_no_origin_is_told_that_it_depends() -> None:
    """The same answer, from a cache, might go to a page."""
    async with http_world(allowed_origins=ALLOWED) as world:
        _, headers = await ask(world, "GET", "/health", {})
        assert headers["Vary"] == "Origin"
        assert "Access-Control-Allow-Origin" not in headers


async def test_a_refusal_of_malformed_http_can_be_read() -> None:
    """The origin counts as soon as it was read."""
    async with http_world(allowed_origins=ALLOWED) as world:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(
            b"POST /api/v1/login HTTP/1.1\r\nHost: x\r\nOrigin: " + PAGE.encode()
            + b"\r\nContent-Length: 99999999\r\n\r\n"
        )  # fmt: skip
        answer = await asyncio.wait_for(reader.read(), 5)
        writer.close()
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"\r\nAccess-Control-Allow-Origin: " + PAGE.encode() in answer


async def test_any_origin_may_be_allowed() -> None:
    """A public API: the same answer for all."""
    async with http_world(allowed_origins="*", limits=NO_LIMITS) as world:
        _, headers = await ask(world, "GET", "/timeline/home", {"Origin": OTHER})
        assert headers["Access-Control-Allow-Origin"] == "*"
        assert "Vary" not in headers
        status, headers = await ask(world, "OPTIONS", "/tweets", PREFLIGHT)
        assert (status, headers["Access-Control-Allow-Origin"]) == (204, "*")
