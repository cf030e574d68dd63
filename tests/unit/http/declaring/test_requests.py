"""Reading requests: types, bounds, and errors in the client's terms."""

import gzip
import random
import zlib
from typing import Annotated, Literal

import msgspec
import pytest
from msgspec import Meta

from rookery.errors import (
    InvalidCursor,
    InvalidRequest,
    InvalidToken,
    PayloadTooLarge,
    Unauthenticated,
    UnsupportedMediaType,
)
from rookery.http.declaring.bodies import JSON, BodyReader, check_no_body
from rookery.http.declaring.compression import decompressed
from rookery.http.declaring.headers import bearer_token, idempotency_key, usable_request_id
from rookery.http.declaring.queries import QueryReader, path_part
from rookery.http.native.routes.timelines import HomeQuery
from rookery.http.native.schemas import (
    ID_DEMAND,
    IdText,
    PageQuery,
    Parameters,
    required_id,
)
from rookery.http.protocol.bodies import MAX_BODY_BYTES


class Place(Parameters, frozen=True, kw_only=True):
    city: Annotated[str, Meta(min_length=2, max_length=5)]


class Asked(Parameters, frozen=True, kw_only=True):
    word: str
    limit: int = 20


class Sample(Parameters, frozen=True, kw_only=True):
    home_place: Place | None = None
    other_id: IdText | None = None
    count: Annotated[int, Meta(ge=1, le=9)] = 1
    flag: bool = False
    title: Annotated[str, Meta(min_length=1)] = "x"
    mark: Annotated[str, Meta(max_length=1)] | None = None
    kind: Literal["large", "small"] | None = None


def problem(raw: bytes) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        BodyReader(Sample, [JSON]).read("application/json", raw)
    return caught.value


@pytest.mark.parametrize(
    ("raw", "field", "text"),
    [
        (b'{"x": 1}', "x", "x is not known here"),
        (b'{"home_place": null}', "home_place", "home_place is not known here"),
        (b'{"homePlace": {}}', "homePlace.city", "homePlace.city is required"),
        (b'{"homePlace": {"y": 1}}', "homePlace.y", "homePlace.y is not known here"),
        (b'{"count": "1"}', "count", "count must be a whole number"),
        (b'{"count": 0}', "count", "count must be at least 1"),
        (b'{"count": 10}', "count", "count must be at most 9"),
        (b'{"flag": 1}', "flag", "flag must be true or false"),
        (b'{"homePlace": 1}', "homePlace", "homePlace must be an object or null"),
        (b'{"otherId": "x"}', "otherId", f"otherId {ID_DEMAND}"),
        (
            b'{"homePlace": {"city": "x"}}',
            "homePlace.city",
            "homePlace.city must be at least 2 characters long",
        ),
        (
            b'{"homePlace": {"city": "xxxxxx"}}',
            "homePlace.city",
            "homePlace.city must be at most 5 characters long",
        ),
        (b'{"title": ""}', "title", "title must not be empty"),
        (b'{"mark": "xx"}', "mark", "mark must be at most 1 character long"),
        (b'{"kind": "x"}', "kind", "kind must be large or small"),
        (b'{"kind": 1}', "kind", "kind must be a string or null"),
        (b"[]", None, "The body must be an object"),
        (b"", None, "A JSON body is required"),
        (b"{", None, "The body is not valid JSON"),
        (b'{"otherId": "\xff"}', None, "The body is not valid UTF-8"),
    ],
)
def test_body_problem_names_path_and_demand(raw: bytes, field: str | None, text: str) -> None:
    """What is wrong with a body is said by JSON path, without words of the library."""
    error = problem(raw)
    assert (error.field, str(error)) == (field, text)


def test_a_choice_in_a_query_names_the_choices() -> None:
    """So that nobody has to look them up."""
    with pytest.raises(InvalidRequest) as caught:
        QueryReader(HomeQuery).read("filter=foo")
    assert str(caught.value) == "filter must be media, replies or retweets"
    assert caught.value.field == "filter"


def test_unknown_field_of_any_length_is_shown_short() -> None:
    """A client cannot have its own megabyte sent back in the error."""
    error = problem(b'{"%b": 1}' % (b"x" * 5000))
    assert error.field == "x" * 64
    assert len(str(error)) < 100


@pytest.mark.parametrize(
    "raw", [b'{"count": 1, "count": 1}', b'{"count": 1, "c\\u006funt": 2}',
            b'{"homePlace": {"city": "ab", "city": "ab"}}']
)  # fmt: skip
def test_duplicate_keys_are_refused(raw: bytes) -> None:
    """A key given twice is refused wherever it stands and however it is written."""
    assert "more than once" in str(problem(raw))


@pytest.mark.parametrize("raw", ["", "limit=2"])
def test_a_query_may_have_a_parameter_that_is_required(raw: str) -> None:
    """It is asked for, whether there is a query string or not."""
    with pytest.raises(InvalidRequest, match="word is required") as caught:
        QueryReader(Asked).read(raw)
    assert caught.value.field == "word"


def test_query_reads_integers_and_defaults() -> None:
    """Digits become integers, and what is left out has its default."""
    read = QueryReader(PageQuery).read
    assert read("limit=7") == PageQuery(limit=7)
    assert read("") == PageQuery()


def test_query_results_are_cached_within_bounds() -> None:
    """Equal short queries share one value; the cache never outgrows its bound."""
    reader = QueryReader(PageQuery)
    assert reader.read("limit=7") is reader.read("limit=7")
    for number in range(3 * QueryReader.CACHED):
        reader.read(f"cursor={number}")
    assert len(reader._cache) <= QueryReader.CACHED


@pytest.mark.parametrize("limit", ["", "x", "1.0", "+1", " 1", "1e1", "0x1", "²", "1" * 5000])
def test_query_takes_only_plain_integers(limit: str) -> None:
    """A limit that is not written as a plain integer is refused by name."""
    with pytest.raises(InvalidRequest) as caught:
        QueryReader(PageQuery).read(f"limit={limit}")
    assert caught.value.field == "limit"


def test_malformed_cursor_has_the_code_of_cursors() -> None:
    """A cursor of the wrong form is refused as a cursor, like one with a wrong checksum."""
    with pytest.raises(InvalidCursor):
        QueryReader(PageQuery).read("cursor=%20")


@pytest.mark.parametrize(
    "kind",
    [
        "application/json",
        "Application/JSON ; charset=UTF-8",
        'application/json;charset="utf-8"',
    ],
)
def test_json_content_types_are_accepted(kind: str) -> None:
    """Case, spaces, quotes and the charset UTF-8 do not matter."""
    assert BodyReader(Sample, [JSON]).read(kind, b"{}") == Sample()


@pytest.mark.parametrize("kind", [None, "", "text/json", "application/json;charset=latin-1"])
def test_other_content_types_are_refused(kind: str | None) -> None:
    """What does not claim to be JSON in UTF-8 is not read as such."""
    with pytest.raises(UnsupportedMediaType):
        BodyReader(Sample, [JSON]).read(kind, b"{}")


def test_only_an_empty_object_passes_for_no_body() -> None:
    """Clients that always send an object may; any content is refused."""
    check_no_body(b" {} ")
    with pytest.raises(InvalidRequest):
        check_no_body(b'{"a": 1}')


@pytest.mark.parametrize(
    ("header", "token"),
    [(None, None), ("Bearer abc", "abc"), ("bearer  abc ", "abc"), ("BEARER abc", "abc")],
)
def test_bearer_token_is_found(header: str | None, token: str | None) -> None:
    """The scheme is compared without case; no header is no token."""
    assert bearer_token(header) == token


@pytest.mark.parametrize("header", ["", "Basic abc", "abc"])
def test_other_schemes_are_refused(header: str) -> None:
    """Only bearer tokens authenticate."""
    with pytest.raises(Unauthenticated):
        bearer_token(header)


@pytest.mark.parametrize("header", ["Bearer ", "Bearer ä", "Bearer " + "x" * 5000])
def test_text_that_can_be_no_token_is_refused(header: str) -> None:
    """Empty, non-ASCII and overlong tokens never reach the verification."""
    with pytest.raises(InvalidToken):
        bearer_token(header)


def test_idempotency_key_is_visible_ascii() -> None:
    """1 to 255 visible characters pass, and nothing else."""
    assert idempotency_key(None) is None
    assert idempotency_key("k" * 255) == "k" * 255
    for bad in ("", "k" * 256, "a b", "ä", "a\n"):
        with pytest.raises(InvalidRequest):
            idempotency_key(bad)


def test_request_id_must_be_safe_to_log() -> None:
    """Only short visible ASCII is echoed."""
    assert usable_request_id("abc-1")
    assert not any(map(usable_request_id, (None, "", "a b", "a\n", "x" * 129)))


def test_id_out_of_range_is_refused() -> None:
    """The pattern lets 19 digits through; the range is checked beyond it."""
    assert required_id("9223372036854775807", "id") == 2**63 - 1
    with pytest.raises(InvalidRequest) as caught:
        required_id("9223372036854775808", "id")
    assert caught.value.field == "id"


def test_messages_of_msgspec_are_still_as_they_are_read() -> None:
    """Guards the parsing of msgspec's texts against a change of the library."""
    with pytest.raises(msgspec.ValidationError, match=r"at `\$\.homePlace\.city`$"):
        msgspec.json.decode(b'{"homePlace": {"city": 1}}', type=Sample)


def _gzipped(*parts: bytes) -> bytes:
    return b"".join(gzip.compress(part, mtime=0) for part in parts)


@pytest.mark.parametrize(
    "parts", [(b"ab", b"cd"), (b"", b"abcd"), (b"abcd", b""), (b"a", b"b", b"c", b"d")]
)
def test_members_of_gzip_in_a_row_are_one_body(parts: tuple[bytes, ...]) -> None:
    """RFC 1952, section 2.2: a file consists of a series of members."""
    assert decompressed(_gzipped(*parts), b"gzip") == b"abcd"


def test_a_member_may_be_longer_than_what_is_fed_at_a_time() -> None:
    """Members end anywhere."""
    parts = (random.Random(1).randbytes(50_000), b"middle", random.Random(2).randbytes(50_000))
    assert decompressed(_gzipped(*parts), b"gzip") == b"".join(parts)


@pytest.mark.parametrize(
    "raw",
    [
        _gzipped(b"ab") + b"x",
        _gzipped(b"ab") + b"\0" * 10,
        _gzipped(b"ab", b"cd")[:-1],
        _gzipped(b"ab") + _gzipped(b"cd")[:5],
        b"",
        _gzipped(*[b""] * 2000),
    ],
    ids=["a letter behind", "zeros behind", "cut", "cut in the second", "empty", "many"],
)
def test_what_is_no_series_of_members_is_refused(raw: bytes) -> None:
    """Cut off, with something behind it, or of more parts than anybody needs."""
    with pytest.raises(InvalidRequest):
        decompressed(raw, b"gzip")


def test_members_are_bounded_together() -> None:
    """Many small bombs are one large one."""
    with pytest.raises(PayloadTooLarge):
        decompressed(_gzipped(*[b" " * (MAX_BODY_BYTES // 4)] * 5), b"gzip")


def test_deflate_is_one_stream() -> None:
    """Only gzip knows of several."""
    assert decompressed(zlib.compress(b"ab"), b"deflate") == b"ab"
    with pytest.raises(InvalidRequest):
        decompressed(zlib.compress(b"ab") * 2, b"deflate")


@pytest.mark.parametrize("raw", ["%zz", "a%", "a%2", "%00", "%0a", "%c0%af", "%ed%a0%80", "%ff"])
def test_a_malformed_part_of_a_path_is_refused(raw: str) -> None:
    """Half an escape, controls, overlong forms, surrogates: none of it reaches a handler."""
    with pytest.raises(InvalidRequest) as refused:
        path_part(raw, "id")
    assert refused.value.field == "id"


def test_a_part_of_a_path_is_decoded_once() -> None:
    """What it decodes to is not decoded again."""
    assert path_part("%2541%C3%A4", None) == "%41ä"


@pytest.mark.parametrize("raw", ["limit=%zz", "limit=1%", "%=1", "limit=%ff"])
def test_a_malformed_query_is_refused(raw: str) -> None:
    """Half an escape is none of a query's values."""
    with pytest.raises(InvalidRequest, match="query string is malformed"):
        QueryReader(PageQuery).read(raw)
