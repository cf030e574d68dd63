"""A second surface beside the native one: what differs between surfaces is a value of theirs."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import FormData

from rookery import security_log
from rookery.http.application import Application
from rookery.http.declaring.openapi import document
from rookery.http.declaring.surface import Surface
from rookery.http.native.app import NATIVE
from rookery.http.protocol.server import serve
from tests.integration.http_world import NO_LIMITS, Client, World, http_world
from tests.integration.rest.second_surface import (
    MAX_FILE_BYTES,
    ToyLimits,
    ToyServices,
    toy_surface,
)

ORIGIN = "https://toy.example"


@dataclass
class Both:
    """Both surfaces behind one port, and ada, who has an account."""

    world: World
    toy: ToyServices
    port: int
    ada: Client

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def ask(self, method: str, path: str, **options: Any) -> tuple[int, Any, Any]:
        """Status, body (read as JSON, if it is) and headers of an answer, asked for as ada."""
        headers = {"Authorization": f"Bearer {self.ada.token}", **options.pop("headers", {})}
        url = self.address + path
        async with self.world.session.request(method, url, headers=headers, **options) as answer:
            raw = await answer.read()
            is_json = answer.content_type == "application/json"
            return answer.status, json.loads(raw) if is_json and raw else raw, answer.headers


@asynccontextmanager
async def both_surfaces(surface: Surface, limits: ToyLimits | None = None) -> AsyncIterator[Both]:
    settings = limits or ToyLimits(**dict.fromkeys(ToyLimits.__struct_fields__, 0))
    async with http_world(limits=settings) as world:
        services = world.services
        toy = ToyServices(
            services.authenticator,
            services.limits,
            services.addresses,
            services.refusals,
            services,
        )
        application = Application([(NATIVE, services), (surface, toy)])
        server = await serve(application.respond, "127.0.0.1", 0, bounds_of=application.bounds_of)
        try:
            yield Both(world, toy, server.port, await world.user("ada"))
        finally:
            await server.close()


@pytest_asyncio.fixture
async def both() -> AsyncIterator[Both]:
    async with both_surfaces(toy_surface(allowed_origins=ORIGIN)) as made:
        yield made


async def test_each_surface_reads_its_own_bodies_and_renders_its_own_tweets(both: Both) -> None:
    """What is posted as a form on the one is read as JSON on the other."""
    form = {"status": "Hello & welcome", "sensitive": "true", "unknown": "x"}
    status, posted, _ = await both.ask("POST", "/toy/statuses", data=form)
    assert status == 200
    assert posted["content_html"] == "<p>Hello &amp; welcome</p>"
    assert posted["author_id"] == int(both.ada.user_id)
    status, native, _ = await both.ask("GET", f"/api/v1/tweets/{posted['id']}")
    assert (status, native["text"], native["sensitive"]) == (200, "Hello & welcome", True)


async def test_both_surfaces_show_the_same_tweets(both: Both) -> None:
    """With what happened on the other one: likes, edits and retweets."""
    _, posted, _ = await both.ask("POST", "/toy/statuses", data={"status": "first"})
    path, native = f"/toy/statuses/{posted['id']}", f"/api/v1/tweets/{posted['id']}"
    for _ in range(2):  # The second time each has its card.
        assert (await both.ask("GET", native))[1]["text"] == "first"
        assert (await both.ask("GET", path))[1] == posted
    _, liked, _ = await both.ask("POST", f"{path}/favourite")
    assert (liked["favourites"], liked["favourited"]) == (1, True)
    assert (await both.ask("GET", native))[1]["liked"] is True
    await both.ada.ok("DELETE", f"/tweets/{posted['id']}/like")
    assert (await both.ask("GET", path))[1] == posted
    await both.ada.ok("PATCH", f"/tweets/{posted['id']}", {"text": "second"})
    await both.ada.ok("POST", f"/tweets/{posted['id']}/retweet")
    _, page, _ = await both.ask("GET", "/toy/home")
    assert [each["content_html"] for each in page] == ["<p></p>", "<p>second</p>"]
    assert page[0]["reblog"] == page[1]


async def test_what_is_hidden_is_hidden_on_both(both: Both) -> None:
    """Blocks, mutes, private accounts and audiences, in lists and by itself."""
    bob = await both.world.user("bob")
    await both.ada.ok("POST", f"/users/{bob.user_id}/follow")
    ids = []
    for visibility in ("public", "followers", "mentioned"):
        body = {"text": visibility, "visibility": visibility}
        ids.append((await bob.ok("POST", "/tweets", body))["tweetId"])
    lists = ("/toy/home?limit=9", f"/toy/accounts/{bob.user_id}/statuses?limit=9")

    async def seen() -> list[Any]:
        singly = [(await both.ask("GET", f"/toy/statuses/{each}"))[0] for each in ids]
        found = [(await both.ask("GET", path))[1] for path in lists]
        return [*singly, *(page if isinstance(page, dict) else len(page) for page in found)]

    assert await seen() == [200, 200, 404, 2, 2]
    await both.ada.ok("POST", f"/users/{bob.user_id}/mute")
    assert await seen() == [200, 200, 404, 0, 2]
    await bob.ok("PATCH", f"/users/{bob.user_id}", {"isPrivate": True})
    await bob.ok("DELETE", f"/users/{both.ada.user_id}/follower")
    *others, refused = await seen()
    assert (others, refused["kind"]) == ([404, 404, 404, 0], "protected")
    await bob.ok("POST", f"/users/{both.ada.user_id}/block")
    *others, refused = await seen()
    assert (others, refused["kind"]) == ([404, 404, 404, 0], "not_found")


async def test_a_format_that_a_surface_does_not_list_is_refused(both: Both) -> None:
    """JSON there, forms here; each says so in its own error body."""
    status, problem, _ = await both.ask("POST", "/toy/statuses", json={"status": "x"})
    assert (status, set(problem), problem["kind"]) == (
        415, {"problem", "kind"}, "unsupported_media_type",
    )  # fmt: skip
    status, error, _ = await both.ask("POST", "/api/v1/tweets", data={"text": "x"})
    assert (status, set(error), error["code"]) == (415, {"error", "code"}, "unsupported_media_type")


async def test_forms_with_files(both: Both) -> None:
    """The parts with a file name are files, the others fields."""
    form = FormData()
    form.add_field("status", "A picture")
    form.add_field("picture", b"\x00\xff" * 500, filename="a.png", content_type="image/png")
    status, posted, _ = await both.ask("POST", "/toy/statuses", data=form)
    assert (status, posted["content_html"]) == (200, "<p>A picture (a.png: 1000)</p>")


@pytest.mark.parametrize(
    ("parts", "size_bytes", "header", "expected"),
    [(5, 1, "x", 413), (1, 100_001, "x", 413), (1, 1, "x" * 2000, 413), (3, 1, "x", 200)],
)
async def test_forms_with_files_are_bounded(
    both: Both, parts: int, size_bytes: int, header: str, expected: int
) -> None:
    """In parts, in the bytes of each, and in its headers."""
    names = ["status", *("a", "b", "c", "d")][:parts]
    body = b"".join(
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\nX-More: {header}\r\n\r\n'.encode()
        + b"x" * size_bytes
        + b"\r\n"
        for name in names
    )
    status, answer, _ = await both.ask(
        "POST",
        "/toy/statuses",
        data=body + b"--b--\r\n",
        headers={"Content-Type": "multipart/form-data; boundary=b"},
    )
    assert status == expected, answer


async def test_unknown_fields_are_ignored_there_and_refused_here(both: Both) -> None:
    """In bodies and in queries."""
    path = f"/toy/accounts/{both.ada.user_id}/statuses?unknown=1"
    assert (await both.ask("GET", path))[0] == 200
    native = f"/api/v1/timeline/user/{both.ada.user_id}?unknown=1"
    assert (await both.ask("GET", native))[0] == 400


async def test_a_parameter_that_is_required_is_asked_for(both: Both) -> None:
    """Whether there is a query or not; the document says so."""
    for path in ("/toy/lookup", "/toy/lookup?unknown=1"):
        status, problem, _ = await both.ask("GET", path)
        assert (status, problem["problem"]) == (400, "acct is required")
    found = await both.ask("GET", "/toy/lookup?acct=ADA")
    assert found[:2] == (200, {"id": int(both.ada.user_id), "acct": "ada"})
    (parameter,) = document(toy_surface())["paths"]["/toy/lookup"]["get"]["parameters"]
    assert (parameter["name"], parameter["required"]) == ("acct", True)


async def test_errors_look_as_the_surface_has_them(both: Both) -> None:
    """Also of a path that is none, and of a method; outside of all, it is the first surface's."""
    for path, code in (("/toy/nowhere", "not_found"), ("/toy/files/UP", "invalid_request")):
        _, problem, _ = await both.ask("GET", path)
        assert (set(problem), problem["kind"]) == ({"problem", "kind"}, code)
    status, problem, headers = await both.ask("DELETE", "/toy/statuses")
    assert (status, problem["kind"], headers["Allow"]) == (405, "method_not_allowed", "POST")
    for path in ("/api/v1/nowhere", "/nowhere", "/toyish"):
        status, error, _ = await both.ask("GET", path)
        assert (status, set(error)) == (404, {"error", "code"})


async def test_pages_are_linked_in_a_header(both: Both) -> None:
    """Followed to the end, they have everything once."""
    for number in range(5):
        await both.ask("POST", "/toy/statuses", data={"status": f"number {number}"})
    path, seen = f"/toy/accounts/{both.ada.user_id}/statuses", []
    while path:
        _, page, headers = await both.ask("GET", path)
        seen += [each["content_html"] for each in page]
        link = headers.get("Link", "")
        assert not link or link.endswith('>; rel="next"')
        path = link[1:].partition(">")[0].removeprefix(both.address)
    assert seen == [f"<p>number {number}</p>" for number in (4, 3, 2, 1, 0)]


async def test_cors_is_of_each_surface(both: Both) -> None:
    """Pages of the one's origin hear nothing from the other."""
    headers = {"Origin": ORIGIN}
    _, _, allowed = await both.ask("GET", "/toy/session", headers=headers)
    assert allowed["Access-Control-Allow-Origin"] == ORIGIN
    _, _, native = await both.ask("GET", "/api/v1/health", headers=headers)
    assert "Access-Control-Allow-Origin" not in native


async def test_headers_of_one_name(both: Both) -> None:
    """Two cookies are two headers; those of a request are told apart."""
    headers = [("X-Tag", "a, b"), ("X-Tag", "c")]
    url = both.address + "/toy/session"
    async with both.world.session.get(url, headers=headers) as answer:
        assert answer.headers.getall("Set-Cookie") == ["a=1; Path=/", "b=2; Path=/"]
        assert await answer.json() == ["a, b", "c"]


async def test_a_surface_may_have_a_host_of_its_own() -> None:
    """Whatever the port and the case; other names are the other surface's."""
    async with both_surfaces(toy_surface(prefix="", host="toy.example")) as both:
        for host in ("toy.example", "TOY.example:8000"):
            assert (await both.ask("GET", "/session", headers={"Host": host}))[0] == 200
        for host in ("127.0.0.1", "nottoy.example", "toy.example.org"):
            assert (await both.ask("GET", "/session", headers={"Host": host}))[0] == 404
        native = {"Host": "127.0.0.1"}
        assert (await both.ask("GET", "/api/v1/health", headers=native))[0] == 200


async def test_a_file_is_streamed_in_and_out(both: Both) -> None:
    """It is larger than any body that is held; what waits of it is small."""
    content = bytes(range(256)) * (2 << 12)
    assert len(content) > 1 << 20

    async def rest() -> None:
        await asyncio.sleep(0)

    both.toy.between_pieces = rest
    status, kept, _ = await both.ask("PUT", "/toy/files/a", data=BytesIO(content))
    assert (status, kept) == (200, {"size_bytes": len(content)})
    assert both.toy.most_waiting_bytes < 100_000
    status, found, headers = await both.ask("GET", "/toy/files/a")
    assert (status, found, headers["Transfer-Encoding"]) == (200, content, "chunked")
    assert both.toy.ended_downloads == 1


@pytest.mark.parametrize("is_chunked", [False, True])
async def test_a_streamed_body_is_bounded(both: Both, is_chunked: bool) -> None:
    """Whether its length is told before or not."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(MAX_FILE_BYTES // 65_536 + 1):
            yield bytes(65_536)

    data = pieces() if is_chunked else BytesIO(bytes(MAX_FILE_BYTES + 1))
    status, problem, _ = await both.ask("PUT", "/toy/files/b", data=data)
    assert (status, problem["kind"]) == (413, "payload_too_large")
    assert "b" not in both.toy.files


async def test_a_client_that_goes_away_ends_a_download(both: Both) -> None:
    """The generator is closed, though most was not sent."""
    both.toy.files["big"] = bytes(64 << 20)
    async with both.world.session.get(both.address + "/toy/files/big") as answer:
        await answer.content.readexactly(1000)
        answer.close()
    async with asyncio.timeout(5):
        while not both.toy.ended_downloads:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_an_endpoint_may_have_a_limit_of_its_own(tmp_path: Any) -> None:
    """It counts beside that of its kind, is told in headers, and logged when it bites."""
    limits = ToyLimits(**{**dict.fromkeys(NO_LIMITS.__struct_fields__, 0), "files_per_user": 2})
    log = tmp_path / "security.log"
    security_log.configure(str(log))
    try:
        async with both_surfaces(toy_surface(), limits) as both:
            answers = [await both.ask("PUT", "/toy/files/a", data=b"x") for _ in range(3)]
            other = await both.ask("POST", "/toy/statuses", data={"status": "x"})
    finally:
        security_log.configure("")
    assert [status for status, _, _ in answers] == [200, 200, 429]
    assert [headers["RateLimit-Remaining"] for _, _, headers in answers] == ["1", "0", "0"]
    assert {headers["RateLimit-Limit"] for _, _, headers in answers} == {"2"}
    assert other[0] == 200
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["limit"] for line in lines if line["event"] == "refused"] == ["files_per_user"]


async def test_a_limit_that_is_no_setting_is_found_at_the_start() -> None:
    """Not with the first request."""
    async with http_world() as world:
        with pytest.raises(ValueError, match="files_per_user"):
            Application([(toy_surface(), world.services)])


def test_each_surface_has_a_document_of_its_own() -> None:
    """With its formats, its errors and the limits of its endpoints."""
    toy = document(toy_surface())
    operation = toy["paths"]["/toy/statuses"]["post"]
    assert list(operation["requestBody"]["content"]) == [
        "application/x-www-form-urlencoded", "multipart/form-data",
    ]  # fmt: skip
    error = operation["responses"]["400"]["content"]["application/json"]["schema"]
    assert error == {"$ref": "#/components/schemas/Problem"}
    keep = toy["paths"]["/toy/files/{name}"]["put"]
    assert "limits.files_per_user" in keep["responses"]["429"]["description"]
    assert "408" in keep["responses"] and str(MAX_FILE_BYTES) in keep["requestBody"]["description"]
    assert not any(path.startswith("/toy") for path in document(NATIVE)["paths"])
