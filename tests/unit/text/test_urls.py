"""URLs, beyond the conformance file."""

import pytest

from rookery.text import Url, extract_urls


def _urls(text: str) -> list[str]:
    return [url.url for url in extract_urls(text)]


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com",
        "HTTPS://EXAMPLE.COM/",
        "https://a.b.c.example.co.uk:8080/p/q.html?x=1&y=2#z",
        "http://sub_domain.example.com",
        "http://\u65e5\u672c\u8a9e.jp/",
        "http://example.\u307f\u3093\u306a/a",
        "http://example.xn--p1ai",
        "http://XN--LS8H.la",
        "http://\U0001f4a9.la",
        "example.com",
        "www.example.museum/a",
        "caf\xe9.example.fr/menu",
        "sub_domain.example.com/a",
        "http://example.com/a(b)c(d(e)f)",
        "http://example.com/\u0420\u0443\u0441",
        "http://example.com/a\u2013b",
        "http://example.com/@user/1",
        "http://example.com?a=b",
        "https://t.co/abc123",
        "https://t.co/abc123?x=1",
        "https://t.co/" + "a" * 40,
    ],
)
def test_is_taken_whole(url: str) -> None:
    """Each of these is one URL, wherever it stands."""
    assert extract_urls(f"see {url} there") == (Url(url, 4, 4 + len(url)),)


@pytest.mark.parametrize(
    "text",
    [
        "3.14",
        "e.g. this",
        "wait...what",
        "file.tar.bz2",
        "example.commerce1",
        "example.com-pany",
        "example.com+x",
        "user@example.com",
        "$example.com",
        "#example.com",
        "http://example",
        "http://.com",
        "http://-example.com",
        "http://example-.com",
        "http://exa_mple.com",
        "http://192.168.0.1/",
        "ftp://example.com",
        "x.-.com",
        "http://exam\ufeffple",
        "http://xn--\u3042.com",
        "http://\u3002.com",
        "https://t.co/" + "a" * 41,
        "http://" + "a" * 64 + ".com",
        "http://" + "\u3042" * 60 + ".com",
    ],
)
def test_is_none(text: str) -> None:
    """None of these is a URL."""
    assert _urls(f"see {text} there") == []


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://example.com/a.", "http://example.com/a"),
        ("(http://example.com/a)", "http://example.com/a"),
        ("http://example.com/a!?", "http://example.com/a"),
        ("http://example.com/a?b=c.", "http://example.com/a?b=c"),
        ("http://example.com/a?", "http://example.com/a"),
        ("http://example.com/a(b", "http://example.com/a"),
        ("http://example.com/a.(b)", "http://example.com/a"),
        ("http://example.com/(a)(b)!", "http://example.com/(a)(b)"),
        ("http://example.com:80.", "http://example.com:80"),
        ('"http://example.com"', "http://example.com"),
        ('"example.com"', "example.com"),
        ("https://t.co/abc's", "https://t.co/abc"),
        ("https://t.co/abc/def", "https://t.co/abc"),
        ("http://user:pass@example.com/", "example.com/"[:0]),
    ],
)
def test_ends_before_punctuation(text: str, url: str) -> None:
    """What closes the sentence is no part of the URL."""
    assert _urls(text) == ([url] if url else [])


@pytest.mark.parametrize("before", [".", "-", "_", "/", "http:/"])
def test_without_protocol_must_not_follow(before: str) -> None:
    """Without a protocol it must not look like the rest of something else."""
    assert _urls(f"http:!{before}example.com") == []


@pytest.mark.parametrize("before", [".", "-", "_", "/", ",", "\u3042", "\u202a", "("])
def test_with_protocol_may_follow(before: str) -> None:
    """With a protocol it may follow nearly anything."""
    assert _urls(f" {before}http://example.com") == ["http://example.com"]


def test_without_protocol_loses_what_is_not_behind_a_path() -> None:
    """Without a path, neither port nor query belongs to a URL without protocol."""
    assert _urls("example.com?a=b example.com:80 example.com:80/c?d=e") == [
        "example.com",
        "example.com",
        "example.com:80/c?d=e",
    ]


def test_without_protocol_in_text_without_spaces() -> None:
    """Only its ASCII part counts; several may stand in one run of text."""
    text = "\u4eca\u65e5example.com\u3068www.example.jp/a\u3092\u898b\u305f"
    assert extract_urls(text) == (Url("example.com", 2, 13), Url("www.example.jp/a", 14, 30))


def test_long_text_before_a_domain_does_not_hide_it() -> None:
    """The 63 characters a label may have are those of the ASCII part."""
    assert _urls("\u3042" * 100 + "example.com") == ["example.com"]


def test_without_protocol_and_ascii_part_not_last() -> None:
    """A path behind another domain is not attributed to the ASCII one before."""
    assert extract_urls("9.com\u65e5.com/path") == (Url("9.com", 0, 5),)


def test_protocol_may_end_a_run_of_text() -> None:
    """The letters of the protocol are not taken for the end of the domain before."""
    assert _urls("\u65e5\u672chttp://example.com") == ["http://example.com"]


def test_letter_before_the_protocol() -> None:
    """Right behind a letter neither the protocol nor the domain counts."""
    assert _urls("xhttp://example.com") == []


def test_longest_chain_of_labels_wins() -> None:
    """A domain goes on to the last top-level domain its labels reach."""
    assert _urls("http://example.com.foo.org/a") == ["http://example.com.foo.org/a"]
    assert _urls("http://example.com.zzz.xxxx/a") == ["http://example.com"]


@pytest.mark.parametrize(("chars", "found"), [(4096, 1), (4097, 0)])
def test_greatest_length(chars: int, found: int) -> None:
    """A URL may have 4,096 characters, its protocol included."""
    start = "https://example.com/"
    assert len(extract_urls(start + "a" * (chars - len(start)))) == found


def test_protocol_counts_where_it_is_left_out() -> None:
    """Without a protocol, eight characters are reckoned for it."""
    assert extract_urls("example.com/" + "a" * (4096 - 8 - 12))
    assert not extract_urls("example.com/" + "a" * (4096 - 8 - 12 + 1))


@pytest.mark.parametrize("text", ["a.co b.co c.co", "a.co\u3042b.co\u3042c.co"])
def test_stops_at_the_number_asked_for(text: str) -> None:
    """A caller that can use only so many gets the first ones."""
    assert [url.url for url in extract_urls(text, at_most=2)] == ["a.co", "b.co"]
    assert extract_urls(text, at_most=0) == ()


def test_same_url_twice() -> None:
    """Offsets tell equal URLs apart."""
    assert extract_urls("a.co a.co") == (Url("a.co", 0, 4), Url("a.co", 5, 9))
