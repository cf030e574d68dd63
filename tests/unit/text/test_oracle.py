"""URLs against `twitter-text-parser`, a port of twitter-text's regular expressions.

That package is too slow to serve ("a." 500 times takes it seconds) but right on short texts;
where it is not, the cases are in `test_urls.py`.
"""

import random
import warnings
from typing import Any

import pytest

from rookery.text import extract_urls

# No '"', "`" or "_" (treated as in Java and Ruby), no invalid labels in punycode.
_PIECES = [
    *"aZ09-./:@#$&?!()~+, ",
    *("\u65e5", "\xe9", "\ufe0f", "\u202a", "\u3000", "\uff20"),
    *("http://", "https://", "HTTP://", ".com", ".co.jp", "foo", "example.com", "t.co/", "/path"),
    *("http://t.co/abc", "://", ".\u307f\u3093\u306a", "com\xe9", "?q=1", "/a(b)c", "www.", ":80"),
]


@pytest.fixture(scope="module")
def twitter_text() -> Any:
    """The package. It takes a tenth of a second to import."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports pkg_resources
        return pytest.importorskip("twitter_text", exc_type=ImportError)


@pytest.mark.parametrize("seed", range(10))
def test_agrees_with_the_regular_expressions(seed: int, twitter_text: Any) -> None:
    """The same URLs at the same places in texts put together at random."""
    pick = random.Random(seed)
    for _ in range(60):
        text = "".join(pick.choices(_PIECES, k=pick.randint(1, 9)))
        expected = [
            (found["url"], *found["indices"])
            for found in twitter_text.extract_urls_with_indices(text)
        ]
        if any(text[start:end] != url for url, start, end in expected):
            continue  # its offsets are wrong: a path behind a domain that is not all ASCII
        assert [(url.url, url.start, url.end) for url in extract_urls(text)] == expected, ascii(
            text
        )
