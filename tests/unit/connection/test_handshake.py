"""What is read from a handshake request."""

import pytest
from websockets.datastructures import Headers
from websockets.exceptions import NegotiationError
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from rookery.connection.handshake import (
    StreamRequest,
    codec_of,
    is_stream_path,
    parse_request,
    select_subprotocol,
)
from rookery.connection.wire import JSON, MSGPACK
from rookery.errors import RookeryError


@pytest.mark.parametrize(
    ("path", "authorization", "expected"),
    [
        ("/stream", "Bearer abc", StreamRequest("abc", None, None)),
        ("/stream", "bearer  abc ", StreamRequest("abc", None, None)),
        ("/stream?access_token=abc", None, StreamRequest("abc", None, None)),
        ("/stream?ticket=t", None, StreamRequest("t", None, None, is_ticket=True)),
        ("/stream?ticket=t&access_token=a", None, StreamRequest("t", None, None, is_ticket=True)),
        ("/stream?ticket=t", "Bearer h", StreamRequest("h", None, None)),
        ("/stream?access_token=q", "Bearer h", StreamRequest("h", None, None)),
        ("/stream?access_token=a&epoch=e%2F1&offset=12", None, StreamRequest("a", "e/1", 12)),
    ],
)
def test_token_and_position(path: str, authorization: str | None, expected: StreamRequest) -> None:
    """The header wins over the query."""
    headers = Headers() if authorization is None else Headers(Authorization=authorization)

    assert parse_request(Request(path, headers)) == expected


@pytest.mark.parametrize(
    ("path", "close_code"),
    [
        ("/stream", 4401),
        ("/stream?access_token=", 4401),
        ("/stream?access_token=" + "a" * 9000, 4401),
        ("/stream?access_token=%C3%A9", 4401),
        ("/stream?access_token=%FF", 4400),
        ("/stream?access_token=a&" + "&".join(f"a{n}=1" for n in range(30)), 4400),
        ("/stream?access_token=a&epoch=e", 4400),
        ("/stream?access_token=a&offset=1", 4400),
        ("/stream?access_token=a&epoch=e&offset=-1", 4400),
        ("/stream?access_token=a&epoch=e&offset=x", 4400),
        ("/stream?access_token=a&epoch=e&offset=" + "9" * 19, 4400),
        ("/stream?access_token=a&offset=1&epoch=" + "e" * 41, 4400),
        ("//[/stream", 4400),
    ],
)
def test_wrong_requests_have_close_codes(path: str, close_code: int) -> None:
    """Each is an error with the close code that the client will see."""
    with pytest.raises(RookeryError) as error:
        parse_request(Request(path, Headers()))

    assert error.value.close_code == close_code


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("access_token=a&access_token=b", "access_token"),
        ("access_token=a&access_token=a", "access_token"),
        ("access_token=a&access%5Ftoken=", "access_token"),
        ("ticket=a&ticket=b", "ticket"),
        ("access_token=a&epoch=e&epoch=f&offset=1", "epoch"),
        ("access_token=a&epoch=e&offset=1&offset=2", "offset"),
        ("access_token=a&x=1&x=2", "x"),
    ],
)
@pytest.mark.parametrize("authorization", [{}, {"Authorization": "Bearer h"}])
def test_a_repeated_parameter_is_refused(
    query: str, name: str, authorization: dict[str, str]
) -> None:
    """As in REST: which of them counts would be a guess. The text names it."""
    with pytest.raises(RookeryError, match=f"^{name} is given more than once$") as error:
        parse_request(Request(f"/stream?{query}", Headers(**authorization)))

    assert error.value.close_code == 4400


def test_the_subprotocol_that_the_client_prefers_is_chosen() -> None:
    """Its order counts; without any offer it is JSON."""
    names = [Subprotocol(n) for n in ("other", "rookery.v1.json", "rookery.v1.msgpack")]
    server = ServerProtocol()

    assert select_subprotocol(server, names) == "rookery.v1.json"
    assert select_subprotocol(server, names[2:]) == "rookery.v1.msgpack"
    assert select_subprotocol(server, []) is None
    with pytest.raises(NegotiationError):
        select_subprotocol(server, names[:1])
    assert codec_of(None) is JSON
    assert codec_of("rookery.v1.msgpack") is MSGPACK


def test_only_one_path_is_served() -> None:
    """With or without a query."""
    assert is_stream_path("/stream")
    assert is_stream_path("/stream?x=1")
    assert not is_stream_path("/streams")
    assert not is_stream_path("/")
