"""What the REST surface answers to requests that are wrong, each by its status, code and field."""

import asyncio
import dataclasses
import gzip
import json
from collections.abc import Mapping

import pytest
from structlog.testing import capture_logs

from tests.integration.http_world import Client, World, http_world

JSON = {"Content-Type": "application/json"}
TEXT = '{"text": "hi"}'


@dataclasses.dataclass(frozen=True)
class Bad:
    """A request of a signed-in user (unless it says otherwise), and what it is answered."""

    name: str
    method: str
    path: str
    status: int
    code: str
    field: str | None = None
    body: bytes | None = None
    headers: Mapping[str, str] = dataclasses.field(default_factory=lambda: JSON)


def post(
    name: str,
    body: str | bytes,
    field: str | None = None,
    status: int = 400,
    code: str = "invalid_request",
    headers: Mapping[str, str] = JSON,
) -> Bad:
    raw = body.encode() if isinstance(body, str) else body
    return Bad(name, "POST", "/tweets", status, code, field, raw, headers)


def get(name: str, path: str, field: str | None = None, code: str = "invalid_request") -> Bad:
    return Bad(name, "GET", path, 400, code, field)


def denied(
    name: str, authorization: str, code: str = "unauthenticated", path: str = "/users/me"
) -> Bad:
    return Bad(name, "GET", path, 401, code, headers={"Authorization": authorization})


FORM = {"Content-Type": "application/x-www-form-urlencoded"}
LATIN = {"Content-Type": "application/json; charset=latin-1"}
TOO_HIGH = '{"text": "a", "replyToTweetId": "9999999999999999999"}'
MEDIA = "unsupported_media_type"
LOGIN = b'{"username": "ada", "password": "wrong"}'
PADDING = b" " * ((64 << 10) + 1)
BAD = [
    post("empty body", b""),
    post("no JSON", "{text: 1}"),
    post("cut off JSON", '{"text": "hi'),
    post("trailing text", TEXT + " x"),
    post("byte order mark", b"\xef\xbb\xbf" + TEXT.encode()),
    post("list", "[]"),
    post("null", "null"),
    post("missing field", "{}", "text"),
    post("unknown field", '{"text": "hi", "txet": 1}', "txet"),
    post("unknown field, nested deeply", '{"text": "hi", "x": ' + "[" * 50_000, "x"),
    post("deep nesting alone", "[" * 100_000),
    post("known field, nested deeply", '{"text": ' + "[" * 50_000, "text"),
    post("field twice", '{"text": "a", "text": "b"}', "text"),
    post("field twice, once escaped", '{"text": "a", "\\u0074ext": "b"}', "text"),
    post("number for text", '{"text": 1}', "text"),
    post("null for text", '{"text": null}', "text"),
    post("empty text", '{"text": ""}', "text"),
    post("blank text", '{"text": "  "}', "text", code="text_empty"),
    post("too long", json.dumps({"text": "x" * 281}), "text", code="text_too_long"),
    post("far too long", json.dumps({"text": "x" * 30_000}), "text"),
    post("control character", '{"text": "a\\u0000b"}', "text", code="text_control_character"),
    post("lone high surrogate", '{"text": "\\ud800"}'),
    post("lone low surrogate", '{"text": "a\\udc00b"}'),
    post("surrogate in a name", '{"text": "a", "\\ud800": 1}'),
    post("invalid UTF-8", b'{"text": "\xff"}'),
    post("encoded surrogate", b'{"text": "\xed\xa0\x80"}'),
    post("NaN", '{"text": NaN}'),
    post("id as a number", '{"text": "a", "replyToTweetId": 5}', "replyToTweetId"),
    post("id with a sign", '{"text": "a", "replyToTweetId": "-5"}', "replyToTweetId"),
    post("id with a line feed", '{"text": "a", "replyToTweetId": "5\\n"}', "replyToTweetId"),
    post("id out of range", TOO_HIGH, "replyToTweetId"),
    post(
        "reply to nothing", '{"text":"a","replyToTweetId":"5"}', status=404, code="not_found"
    ),
    post("sensitive as text", '{"text": "a", "sensitive": "yes"}', "sensitive"),
    post("malformed language", '{"text": "a", "lang": "not a tag"}', "lang"),
    post("no content type", TEXT, status=415, code=MEDIA, headers={"Content-Type": ""}),
    post("form", "text=hi", None, 415, MEDIA, FORM),
    post("text/plain", TEXT, None, 415, MEDIA, {"Content-Type": "text/plain"}),
    post("charset", TEXT, None, 415, MEDIA, LATIN),
    post("empty key", TEXT, "Idempotency-Key", headers={**JSON, "Idempotency-Key": ""}),
    post("long key", TEXT, "Idempotency-Key", headers={**JSON, "Idempotency-Key": "k" * 256}),
    post("key with space", TEXT, "Idempotency-Key", headers={**JSON, "Idempotency-Key": "a b"}),
    post("key with umlaut", TEXT, "Idempotency-Key", headers={**JSON, "Idempotency-Key": "ä"}),
    post("too large", b'"' + b"x" * (1 << 20) + b'"', status=413, code="payload_too_large"),
    Bad("padded log-in", "POST", "/login", 413, "payload_too_large", None, LOGIN + PADDING),
    Bad(
        "padded log-in, packed", "POST", "/login", 413, "payload_too_large", None,
        gzip.compress(LOGIN + PADDING), {**JSON, "Content-Encoding": "gzip"},
    ),
    Bad("padding alone", "POST", "/users/5/follow", 413, "payload_too_large", None, PADDING),
    Bad("body on GET", "GET", "/timeline/home", 400, "invalid_request", None, b'{"a": 1}'),
    Bad("body on follow", "POST", "/users/5/follow", 400, "invalid_request", None, b'{"a": 1}'),
    get("limit 0", "/timeline/home?limit=0", "limit"),
    get("limit 101", "/timeline/home?limit=101", "limit"),
    get("negative limit", "/timeline/home?limit=-1", "limit"),
    get("empty limit", "/timeline/home?limit=", "limit"),
    get("fractional limit", "/timeline/home?limit=2.0", "limit"),
    get("exponential limit", "/timeline/home?limit=1e1", "limit"),
    get("huge limit", "/timeline/home?limit=" + "9" * 5000, "limit"),
    get("limit in other digits", "/timeline/home?limit=%D9%A1", "limit"),
    get("limit twice", "/timeline/home?limit=1&limit=2", "limit"),
    get("unknown parameter", "/timeline/home?limt=5", "limt"),
    get("unknown filter", "/timeline/home?filter=likes", "filter"),
    get("invalid UTF-8 in the query", "/timeline/home?cursor=%FF"),
    get("too many parameters", "/timeline/home?" + "&".join(f"a{n}=1" for n in range(40))),
    get("nonsense cursor", "/timeline/home?cursor=AAAA", "cursor", "invalid_cursor"),
    get("cursor of odd characters", "/timeline/home?cursor=a%0Ab", "cursor", "invalid_cursor"),
    get("empty cursor", "/timeline/home?cursor=", "cursor", "invalid_cursor"),
    get("id of letters", "/tweets/abc", "id"),
    get("id 0", "/tweets/0", "id"),
    get("id with leading zero", "/tweets/05", "id"),
    get("negative id", "/tweets/-5", "id"),
    get("id with line feed", "/tweets/5%0A", "id"),
    get("id out of range", "/tweets/9223372036854775808", "id"),
    get("id in other digits", "/tweets/%D9%A1", "id"),
    get("id with invalid UTF-8", "/tweets/%FF", "id"),
    get("malformed username", "/users/by/username/a%20b", "username"),
    Bad("no such tweet", "GET", "/tweets/5", 404, "not_found"),
    Bad("no such user", "GET", "/users/5", 404, "not_found"),
    Bad("no such name", "GET", "/users/by/username/nobody", 404, "not_found"),
    Bad("no such device", "DELETE", "/devices/xyz", 404, "not_found"),
    Bad("no such path", "GET", "/nothing", 404, "not_found"),
    Bad("trailing slash", "GET", "/health/", 404, "not_found"),
    Bad("escape from the docs", "GET", "/docs/..%2F__init__.py", 404, "not_found"),
    Bad("no such method", "DELETE", "/timeline/home", 405, "method_not_allowed"),
    Bad("OPTIONS", "OPTIONS", "/tweets", 405, "method_not_allowed"),
    Bad("odd method", "PROPFIND", "/tweets", 405, "method_not_allowed"),
    denied("no token", ""),
    denied("another scheme", "Basic x"),
    denied("no JWT", "Bearer x", "invalid_token"),
    denied("empty token", "Bearer ", "invalid_token"),
    denied("token with an umlaut", "Bearer \u00e4", "invalid_token"),
    denied("bad token where none is needed", "Bearer x.y.z", "invalid_token", "/users/5"),
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
async def test_bad_request_is_answered_by_its_code(world: World, bad: Bad) -> None:
    """Every wrong request gets its own status, code and field, as JSON with a request id."""
    ada = await world.user("ada")
    status, answer, headers = await ada.request(
        bad.method, bad.path, headers=bad.headers, data=bad.body
    )
    assert (status, answer["code"], answer.get("field")) == (bad.status, bad.code, bad.field)
    assert answer["error"]
    assert headers["Content-Type"] == "application/json"
    assert headers["X-Request-Id"]
    if status == 401:
        assert headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"email": "nonsense"}, "email"),
        ({"username": "a b"}, "username"),
        ({"username": "line\n"}, "username"),
        ({"username": "x" * 16}, "username"),
        ({"password": "short"}, "password"),
        ({"name": ""}, "name"),
        ({"name": "\u200b"}, "name"),
        ({"deviceName": "x" * 101}, "deviceName"),
        ({"role": "admin"}, "role"),
    ],
)
async def test_signup_names_the_field_at_fault(
    world: World, body: dict[str, str], field: str
) -> None:
    """Each rule of a sign-up names its field as the client sent it."""
    good = {"email": "a@example.org", "username": "ada", "password": "long enough", "name": "A"}
    status, answer, _ = await world.nobody.request("POST", "/signup", {**good, **body})
    assert (status, answer["code"], answer["field"]) == (400, "invalid_request", field)


@pytest.mark.parametrize("who", [{}, {"username": "ada", "email": "a@example.org"}])
async def test_login_wants_exactly_one_name(world: World, who: dict[str, str]) -> None:
    """Neither name, or both, is a bad request."""
    status, answer, _ = await world.nobody.request("POST", "/login", {"password": "x", **who})
    assert (status, answer["field"]) == (400, "username")


async def test_login_with_a_wrong_password_is_refused(world: World) -> None:
    """Wrong credentials are 401 with a code of their own."""
    await world.user("ada")
    body = {"username": "ada", "password": "wrong password"}
    status, answer, headers = await world.nobody.request("POST", "/login", body)
    assert (status, answer["code"]) == (401, "bad_credentials")
    assert headers["WWW-Authenticate"] == "Bearer"


async def test_cursor_of_another_list_is_refused(world: World) -> None:
    """A cursor only counts for the sort of list it was handed out for."""
    ada = await world.user("ada")
    for text in ("a", "b"):
        await ada.ok("POST", "/tweets", {"text": text})
    cursor = (await ada.ok("GET", "/timeline/home?limit=1"))["nextCursor"]
    path = f"/users/{ada.user_id}/followers?cursor={cursor}"
    status, answer, _ = await ada.request("GET", path)
    assert (status, answer["code"], answer["field"]) == (400, "invalid_cursor", "cursor")


async def test_refused_method_says_which_are_allowed(world: World) -> None:
    """405 carries Allow, with HEAD beside GET."""
    status, _, headers = await world.nobody.request("POST", "/users/me")
    assert (status, headers["Allow"]) == (405, "GET, HEAD")


async def test_request_id_of_the_client_is_echoed(world: World) -> None:
    """A usable X-Request-Id comes back; one that could forge log lines does not."""
    for sent, echoed in (("abc-123", True), ("a b", False), ("x" * 200, False)):
        _, _, headers = await world.nobody.request("GET", "/health", headers={"X-Request-Id": sent})
        assert (headers["X-Request-Id"] == sent) is echoed


async def test_unexpected_error_is_answered_without_internals(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of ours is 500 `internal`, logged with the request's id, and tells nothing."""

    async def broken(user_id: int, viewer_id: int | None = None) -> None:
        raise ConnectionResetError("secret host refused")

    monkeypatch.setattr(world.services.profiles, "by_id", broken)
    with capture_logs() as logs:
        status, answer, headers = await world.nobody.request("GET", "/users/5")
    assert (status, answer["code"]) == (500, "internal")
    assert "secret" not in str(answer)
    (line,) = [line for line in logs if line["log_level"] == "error"]
    assert line["request_id"] == headers["X-Request-Id"]
    assert "secret" in str(line["exc_info"])


async def raw_exchange(world: World, sent: bytes) -> bytes:
    """Everything the server answers to `sent` until it closes, or within a second."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    writer.write(sent)
    received = bytearray()
    try:
        async with asyncio.timeout(1):
            while chunk := await reader.read(65536):
                received += chunk
    except TimeoutError:
        pass
    writer.close()
    return bytes(received)


HOST = b"Host: localhost\r\nConnection: close\r\n"
RAW = {
    "no HTTP at all": b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
    "no host": b"GET /api/v1/health HTTP/1.1\r\nConnection: close\r\n\r\n",
    "header without colon": b"GET / HTTP/1.1\r\nnonsense\r\n\r\n",
    "long request line": b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "long header": b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 20_000 + b"\r\n\r\n",
    "many headers": b"GET / HTTP/1.1\r\n" + HOST + b"A:\r\n" * 20_000 + b"\r\n",
    "long header, and a body that waits": b"GET / HTTP/1.1\r\n" + HOST
    + b"Expect: 100-continue\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
    "two lengths": b"POST /api/v1/login HTTP/1.1\r\n" + HOST
    + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "length that is none": b"POST /api/v1/login HTTP/1.1\r\n" + HOST
    + b"Content-Length: -1\r\n\r\n",
    "length and chunks": b"POST /api/v1/login HTTP/1.1\r\n" + HOST
    + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "broken chunk": b"POST /api/v1/login HTTP/1.1\r\n" + HOST
    + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "broken compression": b"POST /api/v1/login HTTP/1.1\r\n" + HOST
    + b"Content-Type: application/json\r\nContent-Encoding: gzip\r\n"
    + b"Content-Length: 5\r\n\r\nhello",
    "unknown expectation": b"POST /api/v1/login HTTP/1.1\r\n" + HOST
    + b"Expect: miracles\r\nContent-Length: 0\r\n\r\n",
}  # fmt: skip


@pytest.mark.parametrize("name", RAW)
async def test_malformed_http_is_answered_in_our_shape(world: World, name: str) -> None:
    """What is not even HTTP gets 400 with our JSON body too, and no error in the log."""
    with capture_logs() as logs:
        answer = await raw_exchange(world, RAW[name])
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split(b" ")[1] == b"400", answer
    assert json.loads(body)["code"] == "invalid_request"
    assert not [line for line in logs if line["log_level"] in ("error", "critical")]


async def test_request_without_a_path_is_not_found(world: World) -> None:
    """What names no path at all gets our 404 too."""
    answer = await raw_exchange(world, b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 404")
    assert json.loads(body)["code"] == "not_found"


@pytest.mark.parametrize(
    ("line", "status", "code"),
    [
        (b"BREW /api/v1/health HTTP/1.1", b"501", "not_supported"),
        (b"get /api/v1/health HTTP/1.1", b"501", "not_supported"),
        (b"CONNECT example.org:80 HTTP/1.1", b"501", "not_supported"),
        (b"TRACE /api/v1/health HTTP/1.1", b"405", "method_not_allowed"),
        (b"A" * 9000 + b" /api/v1/health HTTP/1.1", b"400", "invalid_request"),
        (b"GET /api/v1/health HTTP/9.9", b"505", "version_not_supported"),
        (b"GET /api/v1/health HTTP/2.0", b"505", "version_not_supported"),
        (b"GET /api/v1/health HTTP/1.2", b"505", "version_not_supported"),
        (b"PRI * HTTP/2.0", b"505", "version_not_supported"),
        (b"PRI * HTTP/1.1", b"400", "invalid_request"),
    ],
)
async def test_what_we_do_not_speak_has_its_own_status(
    world: World, line: bytes, status: bytes, code: str
) -> None:
    """RFC 9110, sections 9.1 (methods), 15.6.2 and 15.6.6 (versions)."""
    answer = await raw_exchange(world, line + b"\r\n" + HOST + b"\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split(b" ")[1] == status, answer
    assert json.loads(body)["code"] == code


async def test_oversized_body_is_refused_before_it_is_sent(world: World) -> None:
    """With Expect: 100-continue, too large a body is answered 413 and never asked for."""
    sent = (
        b"POST /api/v1/login HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
        b"Content-Length: 5000000\r\nExpect: 100-continue\r\n\r\n"
    )
    answer = await raw_exchange(world, sent)
    assert answer.startswith(b"HTTP/1.1 413")


async def test_oversized_chunked_body_is_refused(world: World) -> None:
    """A body that never says its length is cut at the same limit."""
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    sent = (
        b"POST /api/v1/login HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 17 + b"0\r\n\r\n"
    )
    answer = await raw_exchange(world, sent)
    assert answer.startswith(b"HTTP/1.1 413")


async def test_expected_body_is_asked_for_and_read(world: World) -> None:
    """Expect: 100-continue is answered by 100, then the request."""
    sent = (
        b"POST /api/v1/login HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
        b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n{}"
    )
    answer = await raw_exchange(world, sent)
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 400")


async def test_client_that_leaves_is_no_error(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """A connection closed in the middle of a body logs no error, and the server goes on."""
    with capture_logs() as logs:
        _, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(
            b"POST /api/v1/login HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
            b"Content-Length: 100\r\n\r\n{"
        )
        await writer.drain()
        await world.nobody.ok("GET", "/health")
        writer.transport.abort()
        for _ in range(3):
            await world.nobody.ok("GET", "/health")
    assert not [line for line in logs if line["log_level"] == "error"]
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_expired_token_is_told_apart() -> None:
    """A token past its life is `token_expired`, so that a client knows to refresh."""
    async with http_world(life_s=1) as world:
        ada = await world.user("ada")
        assert await until_refused(ada) == (401, "token_expired")


async def until_refused(client: Client) -> tuple[int, str]:
    """The first refusal of a request that is repeated for at most five seconds."""
    async with asyncio.timeout(5):
        while True:
            status, answer, _ = await client.request("GET", "/users/me")
            if status != 200:
                return status, answer["code"]
            await asyncio.sleep(0.05)
