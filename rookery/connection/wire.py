"""Wire formats: the two subprotocols, their messages, and frames that are rendered once.

Pure: no event loop, no sockets. The shapes are described in ``docs/protocol.md``.

Data frames to clients are built here whole (header and payload, unmasked, never fragmented), so
that an event costs a concatenation for each session; control frames and everything that comes
in are left to the `websockets` library.
"""

import struct
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, TypeAlias

import msgspec

from rookery.models import EventKind, TweetCounts

_TEXT = 0x81
_BINARY = 0x82
_MAX_ID = 2**63
_pack_uint64 = struct.Struct(">Q").pack
SHOWN_KINDS: Mapping[int, str] = MappingProxyType(
    {int(EventKind.TWEET): "tweet", int(EventKind.TWEET_EDITED): "tweet_edited"}
)
"""The kinds of events that show a tweet, with the types of their messages."""

UNKNOWN_KIND = 0
"""Of an event that this server cannot show."""


class _Message(msgspec.Struct, frozen=True, tag_field="type", rename="camel"):
    """Base of the messages: maps with a "type"."""


class Welcome(_Message, frozen=True, tag="welcome"):
    session_id: str
    user_id: str
    epoch: str
    offset: int
    resumed: bool
    heartbeat_s: float


class Reset(_Message, frozen=True, tag="reset"):
    epoch: str
    offset: int
    reason: str


class More(_Message, frozen=True, tag="more"):
    offset: int
    count: int


class Watching(_Message, frozen=True, tag="watching"):
    tweet_ids: list[str]


class Pong(_Message, frozen=True, tag="pong"):
    pass


class ErrorMessage(_Message, frozen=True, tag="error"):
    code: str
    error: str


ServerMessage: TypeAlias = Welcome | Reset | More | Watching | Pong | ErrorMessage


class Watch(_Message, frozen=True, tag="watch", forbid_unknown_fields=True):
    tweet_ids: list[str]


class Ping(_Message, frozen=True, tag="ping", forbid_unknown_fields=True):
    pass


ClientMessage: TypeAlias = Watch | Ping


class WireError(Exception):
    """A client's message that cannot be taken.

    `close_code` is set where the session cannot go on; otherwise the client is told `code` and
    the text.
    """

    def __init__(self, code: str, text: str, close_code: int | None = None) -> None:
        super().__init__(code, text, close_code)
        self.code = code
        self.text = text
        self.close_code = close_code


def watched_ids(texts: Sequence[str], limit: int) -> frozenset[int]:
    """The tweet ids of a ``watch``.

    Raises:
        WireError: there are more than `limit`, or one is not a decimal string of 63 bits.
    """
    if len(texts) > limit:
        raise WireError("too_many_tweets", f"At most {limit} tweets can be watched")
    ids = set()
    for text in texts:
        if not (text.isascii() and text.isdecimal() and len(text) <= 19):
            raise WireError("invalid_message", "tweetIds must be decimal strings")
        ids.add(int(text))
    if ids and max(ids) >= _MAX_ID:
        raise WireError("invalid_message", "tweetIds must be decimal strings")
    return frozenset(ids)


def frame_header(first_byte: int, length: int) -> bytes:
    """The header of an unmasked, unfragmented frame (RFC 6455, section 5.2)."""
    if length < 126:
        return bytes((first_byte, length))
    if length < 65536:
        return struct.pack(">BBH", first_byte, 126, length)
    return struct.pack(">BBQ", first_byte, 127, length)


class Event:
    """One event, rendered at most once for each codec, however many sessions it goes to.

    `tweet` is what is shown of it (a `rookery.views.PushedTweet`); None for a deletion, and for a
    tweet that is not there for those who get it.
    """

    __slots__ = ("json_parts", "kind", "msgpack_parts", "subject_id", "tweet")

    def __init__(self, kind: int, subject_id: int, tweet: object = None) -> None:
        self.kind = kind
        self.subject_id = subject_id
        self.tweet = tweet
        self.msgpack_parts: tuple[bytes, bytes] | None = None
        self.json_parts: tuple[dict[int, bytes], bytes, bytes] | None = None

    def shape(self) -> tuple[str, str, object]:
        """(type, name of its field, value)."""
        name = SHOWN_KINDS.get(self.kind)
        if name is not None and self.tweet is not None:
            return name, "tweet", self.tweet
        if name is not None:
            return "tweet_unavailable", "tweetId", str(self.subject_id)
        if self.kind == EventKind.TWEET_DELETED:
            return "tweet_deleted", "tweetId", str(self.subject_id)
        return "more", "count", 1  # a kind of a newer server: the client refetches


class Codec(ABC):
    """One subprotocol. Stateless; a process uses the two instances `MSGPACK` and `JSON`."""

    subprotocol: ClassVar[str]
    text: ClassVar[bool]

    @abstractmethod
    def event_frame(self, event: Event, offset: int) -> bytes:
        """The frame that carries `event` as number `offset` of a user's log."""

    @abstractmethod
    def encode(self, value: Any) -> bytes:
        """The payload for a message or a plain value."""

    @abstractmethod
    def counts_frame(self, items: Sequence[bytes]) -> bytes:
        """A ``counts`` frame from items of `counts_item`."""

    @abstractmethod
    def _decode(self, data: bytes) -> ClientMessage: ...

    def frame(self, message: ServerMessage) -> bytes:
        """The frame that carries `message`."""
        payload = self.encode(message)
        return frame_header(_TEXT if self.text else _BINARY, len(payload)) + payload

    def counts_item(self, tweet_id: int, counts: TweetCounts) -> bytes:
        """One tweet's entry of a ``counts`` message, to be shared by all who watch it."""
        return self.encode(
            {
                "tweetId": str(tweet_id),
                "likeCount": counts.likes,
                "retweetCount": counts.retweets,
                "replyCount": counts.replies,
                "quoteCount": counts.quotes,
            }
        )

    def decode(self, data: bytes, text: bool) -> ClientMessage:
        """A client's message, from the payload of a text (`text`) or binary message.

        Raises:
            WireError: the wrong kind of message (1003), text that is not UTF-8 (1007), not
                decodable (4400); or of an unknown type or shape (no close code).
        """
        if text is not self.text:
            expected = "text" if self.text else "binary"
            raise WireError("wrong_frame_type", f"{self.subprotocol} uses {expected} frames", 1003)
        try:
            return self._decode(data)
        except msgspec.ValidationError as error:
            raise WireError("invalid_message", str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            if self.text and isinstance(error, UnicodeDecodeError):
                raise WireError("invalid_utf8", "The message is not UTF-8", 1007) from None
            raise WireError("malformed_message", "The message cannot be decoded", 4400) from None


class MsgpackCodec(Codec):
    """Binary frames of MessagePack. Offsets of events are always 9 bytes (uint 64)."""

    subprotocol = "rookery.v1.msgpack"
    text = False

    def __init__(self) -> None:
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder: msgspec.msgpack.Decoder[ClientMessage] = msgspec.msgpack.Decoder(
            ClientMessage
        )

    def event_frame(self, event: Event, offset: int) -> bytes:
        parts = event.msgpack_parts or self._render(event)
        return parts[0] + _pack_uint64(offset) + parts[1]

    def _render(self, event: Event) -> tuple[bytes, bytes]:
        encode = self._encoder.encode
        name, field, value = event.shape()
        before = b"\x83" + encode("type") + encode(name) + encode("offset") + b"\xcf"
        after = encode(field) + encode(value)
        header = frame_header(_BINARY, len(before) + 8 + len(after))
        event.msgpack_parts = parts = (header + before, after)
        return parts

    def encode(self, value: Any) -> bytes:
        return self._encoder.encode(value)

    def counts_frame(self, items: Sequence[bytes]) -> bytes:
        payload = b"".join(
            (b"\x82\xa4type\xa6counts\xa6counts\xdd", struct.pack(">I", len(items)), *items)
        )
        return frame_header(_BINARY, len(payload)) + payload

    def _decode(self, data: bytes) -> ClientMessage:
        return self._decoder.decode(data)


class JsonCodec(Codec):
    """Text frames of JSON."""

    subprotocol = "rookery.v1.json"
    text = True

    def __init__(self) -> None:
        self._encoder = msgspec.json.Encoder()
        self._decoder: msgspec.json.Decoder[ClientMessage] = msgspec.json.Decoder(ClientMessage)

    def event_frame(self, event: Event, offset: int) -> bytes:
        heads, before, after = event.json_parts or self._render(event)
        digits = b"%d" % offset
        head = heads.get(len(digits))
        if head is None:
            header = frame_header(_TEXT, len(before) + len(digits) + len(after))
            heads[len(digits)] = head = header + before
        return head + digits + after

    def _render(self, event: Event) -> tuple[dict[int, bytes], bytes, bytes]:
        name, field, value = event.shape()
        before = b'{"type":"%b","offset":' % name.encode()
        after = b',"%b":%b}' % (field.encode(), self._encoder.encode(value))
        heads: dict[int, bytes] = {}
        event.json_parts = parts = (heads, before, after)
        return parts

    def encode(self, value: Any) -> bytes:
        return self._encoder.encode(value)

    def counts_frame(self, items: Sequence[bytes]) -> bytes:
        payload = b'{"type":"counts","counts":[%b]}' % b",".join(items)
        return frame_header(_TEXT, len(payload)) + payload

    def _decode(self, data: bytes) -> ClientMessage:
        return self._decoder.decode(data.decode())


MSGPACK = MsgpackCodec()
JSON = JsonCodec()
CODECS: dict[str, Codec] = {codec.subprotocol: codec for codec in (MSGPACK, JSON)}
