"""What the head of a request must be like, beyond what the parser looks at. Pure: no I/O.

Sources: RFC 9110 (semantics), RFC 9112 (HTTP/1.1), RFC 3986 (URIs).
"""

import re
from urllib.parse import urlsplit

import httptools

from rookery.domain.hosts import is_host
from rookery.errors import InvalidRequest, NotSupported, RookeryError, VersionNotSupported
from rookery.http.protocol.bodies import MAX_BODY_BYTES, too_large

SINGLE_FIELDS = frozenset(
    (
        b"host",
        b"authorization",
        b"content-type",
        b"idempotency-key",
        b"origin",
        b"access-control-request-method",
    )
)
"""Fields that are no lists: two of them are no value at all (RFC 9110, section 5.3)."""

_LENGTH_DIGITS = 19
_REQUEST_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64} [!-~]+ HTTP/1\.[01]\r\n")


def path_and_query(target: bytes) -> tuple[str, str]:
    """Of a request target in any of its forms (RFC 9112, section 3.2); the path may be empty.

    Raises:
        ValueError: it is none. A user in it is none either (RFC 9110, section 4.2.4).
    """
    text = target.decode("ascii")
    if not text.startswith("/"):
        if text == "*":
            return "", ""
        parts = urlsplit(text)
        if parts.scheme not in ("http", "https") or not is_host(parts.netloc.encode()):
            raise ValueError("no target of HTTP")
        return parts.path or "/", parts.query
    path, _, query = text.partition("#")[0].partition("?")
    return path, query


def framing_fault(
    headers: dict[bytes, bytes], is_old: bool, most_bytes: int = MAX_BODY_BYTES
) -> RookeryError | None:
    """What is wrong with how the body's end is told, if anything is."""
    length = headers.get(b"content-length")
    if length is not None:
        if len(length) > _LENGTH_DIGITS or not length.isdigit():
            return InvalidRequest("Content-Length is not a sensible number", "Content-Length")
        if int(length) > most_bytes:
            return too_large(most_bytes)
    coding = headers.get(b"transfer-encoding")
    if coding is not None:
        if is_old:  # RFC 9112, section 6.1: faulty framing
            return InvalidRequest("HTTP/1.0 has no Transfer-Encoding", "Transfer-Encoding")
        if coding.lower() != b"chunked":
            return _coding_fault(coding)
    return None


def _coding_fault(coding: bytes) -> RookeryError | None:
    """RFC 9112, sections 6.1, 6.3 and 7: chunked must be last and come once; we know no other."""
    names = [name for part in coding.lower().split(b",") if (name := part.strip())]
    if not names or names[-1] != b"chunked" or names.count(b"chunked") > 1:
        return InvalidRequest(
            "Transfer-Encoding must end in chunked, which may come once", "Transfer-Encoding"
        )
    return None if len(names) == 1 else NotSupported("The only transfer coding known is chunked")


def parsing_fault(
    error: Exception, parser: httptools.HttpRequestParser, beginning: bytes | memoryview
) -> RookeryError:
    """What the parser's `error` means; `beginning` is that of the request, where it is known.

    RFC 9110, section 9.1: a method that is not known is 501, which tells it from nonsense.
    """
    is_of_method = isinstance(error, httptools.HttpParserInvalidMethodError)
    is_preface = parser.get_method() == b"PRI" and parser.get_http_version() == "2.0"
    if str(error) == "Invalid HTTP version" or is_preface:  # RFC 9113, section 3.4
        return VersionNotSupported()
    if is_of_method and _REQUEST_LINE.match(beginning) is not None:
        return NotSupported("The request's method is not known")
    return InvalidRequest(f"The request is malformed HTTP: {error}")
