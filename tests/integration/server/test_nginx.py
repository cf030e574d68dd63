"""A server behind nginx, with what compose.yaml gives it: deploy/nginx.conf."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest_asyncio
from yarl import URL

from rookery.config import Config
from tests.integration.server.world import ServerThread, World
from tests.servers.machine import free_port
from tests.servers.nginx import Nginx, required

CONFIGURATION = Path(__file__).resolve().parents[3] / "deploy" / "nginx.conf"
READS = 30
SECRET = "eyJhbGciOiJIUzI1NiJ9.c2VjcmV0.c2VjcmV0"


class Behind:
    """A server, as it is met through nginx."""

    def __init__(self, server: ServerThread, port: int) -> None:
        self.server = server
        self.http_url = f"http://127.0.0.1:{port}"

    @property
    def config(self) -> Config:
        return self.server.config


def adapted(port: int, gateway: int, live: int) -> str:
    """The configuration for this machine: two gateways, of which one is not there.

    Debian's nginx does not know `resolve`, which addresses in numbers do not need.
    """
    changes = {
        r"listen 80;": f"listen 127.0.0.1:{port};",
        r"pid /tmp/nginx.pid;": "pid nginx.pid;",
        r"worker_rlimit_nofile \d+;": "",
        r"worker_connections \d+;": "worker_connections 256;",
        r"resolver [^;]+;": "",
        r"server head:8000 resolve": f"server 127.0.0.1:{gateway}",
        r"server worker:8000 resolve": f"server 127.0.0.1:{free_port()}",
        r"172\\\.30\\\.0\\\.\\d\+": r"127\.0\.0\.1",
        r"80\(0\[1-9\]\|\[1-9\]\\d\)": str(live),
    }
    text = CONFIGURATION.read_text(encoding="utf-8")
    for pattern, replacement in changes.items():
        text, count = re.subn(pattern, replacement.replace("\\", "\\\\"), text)
        assert count == 1, pattern
    return text


@pytest_asyncio.fixture
async def behind(
    start_inline: Callable[..., Awaitable[ServerThread]], tmp_path: Path
) -> AsyncIterator[Behind]:
    required()
    port, live = free_port(), free_port()
    server = await start_inline(
        http={"port": free_port(), "trusted_proxies": "127.0.0.1"},
        live={"port": live, "public_url": f"ws://127.0.0.1:{port}/stream/{{host}}/{{port}}"},
        limits={"reads_per_address": READS},
    )
    folder = tmp_path / "nginx"
    folder.mkdir()
    nginx = Nginx(folder, port)
    text = adapted(port, server.config.http.port, live)
    await asyncio.to_thread(nginx.start, text)
    yield Behind(server, port)
    await asyncio.to_thread(nginx.stop)


async def test_requests_and_streams_come_through(behind: Behind) -> None:
    """Every one, though a gateway that nginx knows is not there."""
    async with World(behind) as world:
        ada, bob = await world.people(2)
        await bob.follow(ada)
        listener = await bob.listen()
        posted = [await ada.post(f"post {number}") for number in range(20)]
        await listener.until(lambda: len(listener.tweet_ids) == len(posted))
        assert listener.tweet_ids == posted
        assert await bob.home() == posted[::-1]


async def test_it_is_no_proxy_to_anywhere(behind: Behind) -> None:
    """Only to connection servers, and of these only to their own port and path."""
    others = (free_port(), behind.config.http.port, 22)
    async with aiohttp.ClientSession() as session:
        for target in [f"127.0.0.1/{port}" for port in others] + ["10.0.0.1/8001", "localhost/80"]:
            async with session.get(f"{behind.http_url}/stream/{target}") as answer:
                assert (answer.status, answer.headers["Server"]) != (101, "nginx")
                assert answer.status == 404


async def test_limits_count_the_address_that_nginx_saw(behind: Behind) -> None:
    """A client that claims another one is counted all the same."""
    elsewhere = aiohttp.TCPConnector(local_addr=("127.0.0.2", 0))
    async with aiohttp.ClientSession(connector=elsewhere) as session:
        statuses = []
        for number in range(3 * READS):
            claimed = {"X-Forwarded-For": f"192.0.2.{number}"}
            async with session.get(f"{behind.http_url}/api/v1/docs", headers=claimed) as answer:
                statuses.append(answer.status)
    assert set(statuses) == {200, 429}


async def test_no_log_shows_a_token_of_a_query(tmp_path: Path) -> None:
    """Not even when nobody listens behind nginx; that nobody does is in the access log."""
    required()
    port, live, gateway = free_port(), free_port(), free_port()
    nginx = Nginx(tmp_path, port)
    await asyncio.to_thread(nginx.start, adapted(port, gateway, live))
    try:
        async with aiohttp.ClientSession() as session:
            statuses = []
            for path in (f"/stream/127.0.0.1/{live}", "/api/v1/stream", "/stream/x", "/"):
                for name in ("access_token", "ticket", "a=b&access_token", "%61ccess_token"):
                    url = URL(f"http://127.0.0.1:{port}{path}?{name}={SECRET}", encoded=True)
                    async with session.get(url) as answer:
                        statuses.append(answer.status)
    finally:
        await asyncio.to_thread(nginx.stop)
    assert 502 in statuses
    written = (tmp_path / "log").read_text()
    assert f"/stream/127.0.0.1/{live} 502" in written
    assert SECRET not in written
