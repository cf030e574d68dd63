"""Where a stream is opened."""

from typing import Any, TypeVar, cast

import pytest

from rookery.client.dialing import Dialer, StreamSettings
from rookery.client.errors import StreamClosed
from rookery.client.models import StreamAddress
from rookery.client.transport import Call, Retries, Transport

T = TypeVar("T")


class Discovering(Transport):
    """A transport over TLS whose server names an unencrypted stream."""

    def __init__(self) -> None:
        nothing: dict[str, Any] = dict.fromkeys(
            ("token", "refresh_token", "on_tokens", "session", "ssl_context")
        )
        super().__init__("https://example.org", timeout_s=1.0, retries=Retries(), **nothing)

    async def request(self, call: Call, to: type[T], *, max_attempts: int | None = None) -> T:
        address = StreamAddress(url="ws://example.org/stream", protocols=[], heartbeat_s=1.0)
        return cast(T, address)


async def test_the_token_is_not_sent_in_the_clear() -> None:
    """If the API is encrypted, the stream must be, too."""
    with pytest.raises(StreamClosed, match="unencrypted"):
        await Dialer(Discovering(), "json", StreamSettings()).dial(None)
