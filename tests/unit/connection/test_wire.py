"""Messages and frames of the two subprotocols, read by independent readers."""

import json
from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from rookery.client.events import SHOWN
from rookery.connection.wire import (
    CODECS,
    JSON,
    MSGPACK,
    SHOWN_KINDS,
    Codec,
    Event,
    Ping,
    Reset,
    Watch,
    WireError,
)
from rookery.models import EventKind, TweetCounts

OFFSETS = [0, 1, 9, 10, 127, 128, 99_999, 2**31, 2**53 - 1]
EACH_CODEC = pytest.mark.parametrize("codec", CODECS.values(), ids=list(CODECS))


def tweet_of(size: int) -> dict[str, Any]:
    return {"id": "5", "text": "é" * size, "media": [], "lang": None}


def read(codec: Codec, frame: bytes) -> dict[str, Any]:
    """Parse a server's frame with the `websockets` parser, its payload with msgpack or json."""
    reader = StreamReader()
    reader.feed_data(frame)
    parser = Frame.parse(reader.read_exact, mask=False)
    with pytest.raises(StopIteration) as stop:
        next(parser)
    parsed: Frame = stop.value.value
    assert not reader.buffer
    assert parsed.fin
    assert parsed.opcode is (Opcode.TEXT if codec.text else Opcode.BINARY)
    data = bytes(parsed.data)
    message: dict[str, Any] = json.loads(data) if codec.text else msgpack.unpackb(data)
    return message


@pytest.mark.parametrize("kind", EventKind, ids=lambda kind: kind.name)
def test_each_kind_has_a_message_of_its_own(kind: EventKind) -> None:
    """None is told as if it were of a newer server; what shows a tweet the client reads."""
    name, field, _ = Event(kind, 5, tweet_of(1)).shape()
    assert name == kind.name.lower()
    assert (field == "tweet") is (kind in SHOWN_KINDS)
    assert (field == "tweet") is (name in SHOWN)


@EACH_CODEC
@pytest.mark.parametrize("offset", OFFSETS)
def test_an_event_frame_carries_its_offset_and_tweet(codec: Codec, offset: int) -> None:
    """Frames of one event differ by nothing but the offset."""
    event = Event(EventKind.TWEET, 5, tweet_of(100))
    codec.event_frame(event, 77)

    message = read(codec, codec.event_frame(event, offset))

    assert message == {"type": "tweet", "offset": offset, "tweet": tweet_of(100)}


@EACH_CODEC
@pytest.mark.parametrize("size", [0, 10, 30, 20_000, 40_000])
def test_frames_of_all_header_lengths_are_read(codec: Codec, size: int) -> None:
    """The three forms of the payload length are each used where they belong."""
    event = Event(EventKind.TWEET_EDITED, 5, tweet_of(size))

    message = read(codec, codec.event_frame(event, 12))

    assert message["type"] == "tweet_edited"
    assert message["tweet"]["text"] == "é" * size


@EACH_CODEC
@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (Event(EventKind.TWEET_DELETED, 5), {"type": "tweet_deleted", "tweetId": "5"}),
        (Event(EventKind.TWEET, 5), {"type": "tweet_unavailable", "tweetId": "5"}),
        (Event(EventKind.TWEET_EDITED, 5), {"type": "tweet_unavailable", "tweetId": "5"}),
        (Event(77, 5), {"type": "more", "count": 1}),
    ],
)
def test_events_without_a_tweet(codec: Codec, event: Event, expected: dict[str, Any]) -> None:
    """Deletions, tweets that are gone and unknown kinds keep their place in the sequence."""
    assert read(codec, codec.event_frame(event, 3)) == {"offset": 3, **expected}


@EACH_CODEC
def test_messages_are_tagged_and_camel_case(codec: Codec) -> None:
    """A message is a map with its type."""
    frame = codec.frame(Reset(epoch="e", offset=2, reason="gap"))

    assert read(codec, frame) == {"type": "reset", "epoch": "e", "offset": 2, "reason": "gap"}


@EACH_CODEC
def test_counts_are_joined_from_shared_items(codec: Codec) -> None:
    """Each tweet's counts are encoded once and joined for each session."""
    items = [codec.counts_item(n, TweetCounts(likes=n, retweets=1)) for n in (3, 4)]

    message = read(codec, codec.counts_frame(items))

    counts = {"retweetCount": 1, "replyCount": 0, "quoteCount": 0}
    assert message == {
        "type": "counts",
        "counts": [
            {"tweetId": "3", "likeCount": 3, **counts},
            {"tweetId": "4", "likeCount": 4, **counts},
        ],
    }


@EACH_CODEC
def test_client_messages_are_decoded(codec: Codec) -> None:
    """What another library encodes is understood."""

    def encode(message: dict[str, Any]) -> bytes:
        return json.dumps(message).encode() if codec.text else bytes(msgpack.packb(message))

    watch = codec.decode(encode({"type": "watch", "tweetIds": ["1"]}), codec.text)

    assert watch == Watch(tweet_ids=["1"])
    assert codec.decode(encode({"type": "ping"}), codec.text) == Ping()


@pytest.mark.parametrize(
    ("codec", "data", "text", "code", "close_code"),
    [
        (JSON, b'{"type":"ping"}', False, "wrong_frame_type", 1003),
        (MSGPACK, b"\x81\xa4type\xa4ping", True, "wrong_frame_type", 1003),
        (JSON, b"\xff{}", True, "invalid_utf8", 1007),
        (JSON, b"", True, "malformed_message", 4400),
        (JSON, b'{"type":', True, "malformed_message", 4400),
        (JSON, b'{"type":"ping"}x', True, "malformed_message", 4400),
        (MSGPACK, b"", False, "malformed_message", 4400),
        (MSGPACK, b"\xc1", False, "malformed_message", 4400),
        (MSGPACK, b"\x81\xa4type\xa4\xff\xff\xff\xff", False, "malformed_message", 4400),
        (MSGPACK, b"\xdf\xff\xff\xff\xff", False, "malformed_message", 4400),
        (JSON, b"[]", True, "invalid_message", None),
        (JSON, b"[" * 16_000, True, "invalid_message", None),
        (JSON, b'{"type":"nonsense"}', True, "invalid_message", None),
        (JSON, b'{"type":"watch"}', True, "invalid_message", None),
        (JSON, b'{"type":"watch","tweetIds":[1]}', True, "invalid_message", None),
        (JSON, b'{"type":"ping","more":1}', True, "invalid_message", None),
        (MSGPACK, b"\x91" * 16_000, False, "invalid_message", None),
    ],
)
def test_wrong_messages_have_codes(
    codec: Codec, data: bytes, text: bool, code: str, close_code: int | None
) -> None:
    """What cannot be decoded ends the session; what is merely wrong does not."""
    with pytest.raises(WireError) as error:
        codec.decode(data, text)

    assert (error.value.code, error.value.close_code) == (code, close_code)
