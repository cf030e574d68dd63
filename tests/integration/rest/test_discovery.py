"""Where streams are, and whether the server is ready."""

from tests.integration.http_world import World


async def test_a_ticket_for_a_stream(world: World) -> None:
    """For who is signed in, with how long it lasts."""
    ada = await world.user("ada")
    status, answer, _ = await ada.request("POST", "/stream/ticket")
    assert (status, answer["expiresIn"]) == (201, 30)
    assert answer["ticket"].count(".") == 2
    status, answer, _ = await world.nobody.request("POST", "/stream/ticket")
    assert (status, answer["code"]) == (401, "unauthenticated")


async def test_stream_names_a_live_server_or_says_to_come_back(world: World) -> None:
    """Discovery answers URL, protocols and heartbeat; with no server 503 and Retry-After."""
    ada = await world.user("ada")
    answer = await ada.ok("GET", "/stream")
    assert answer["url"].startswith("ws://")
    assert answer["protocols"] == ["rookery.v1.msgpack", "rookery.v1.json"]
    assert answer["heartbeatS"] > 0
    world.streams.url = None
    status, body, headers = await ada.request("GET", "/stream")
    assert (status, body["code"], headers["Retry-After"]) == (503, "unavailable", "1")


async def test_ready_fails_as_soon_as_one_check_does(world: World) -> None:
    """Readiness follows the checks; health does not."""
    status, answer, _ = await world.nobody.request("GET", "/ready")
    assert (status, answer["status"]) == (200, "ready")
    world.checks["store"] = False
    status, answer, headers = await world.nobody.request("GET", "/ready")
    assert (status, answer["checks"]["store"]) == (503, False)
    assert headers["Retry-After"] == "1"
    assert (await world.nobody.ok("GET", "/health"))["status"] == "ok"
