"""Texts made to be slow; each must take no more than milliseconds.

No times are asserted (machines differ); a rule whose time grows with the square or the cube of
the text runs into the time limit instead.
"""

import pytest

from rookery.text import TextProblem, extract, parse, reply_to, weighted_length

_TEXTS = {
    "at signs": "@" * 50_000,
    "hash signs": "#" * 50_000,
    "dollars": "$A" * 25_000,
    "dots": "." * 50_000,
    "labels": "a." * 25_000,
    "labels, then a domain": "http://" + "a." * 20_000 + "com",
    "domains": "a.com" * 10_000,
    "one long label": "a" * 50_000 + ".",
    "one long label and a domain": "\u6545" * 50_000 + ".com",
    "hyphens": "a-" * 25_000 + ".com",
    "underscores": "_" * 50_000 + ".com",
    "no label": "-.com" * 10_000,
    "protocols": "http://" * 8_000,
    "protocols and a dot": "http://" * 8_000 + "a.com",
    "opening parentheses": "http://a.com/" + "(" * 50_000,
    "unclosed parentheses": "http://a.com/" + "(a" * 25_000,
    "nested parentheses": "http://a.com/" + "(a(a)a" * 8_000,
    "closed parentheses": "http://a.com/" + "(a)" * 16_000 + "!",
    "path of punctuation": "http://a.com/" + "!" * 50_000,
    "path of some punctuation": "http://a.com/" + "a!" * 25_000,
    "query of punctuation": "http://a.com?" + "!" * 50_000,
    "digits before a letter": "#" + "1" * 50_000,
    "tags": "#a" * 25_000,
    "mentions": "@a/b-" * 10_000,
    "spaces": " " * 50_000 + ".com",
    "spaces before a name": " " * 50_000 + "x@a",
    "joined emoji": "\U0001f468\u200d" * 25_000,
    "flags": "\U0001f1e6" * 50_000,
}


@pytest.mark.timeout(5)
@pytest.mark.parametrize("text", _TEXTS.values(), ids=_TEXTS)
def test_time_grows_with_the_length_only(text: str) -> None:
    """Fifty thousand characters are done in an instant."""
    extract(text)
    weighted_length(text)
    reply_to(text)


@pytest.mark.timeout(5)
@pytest.mark.parametrize(
    "text",
    [
        "\xe9.com " * 10_000,
        "\u0315\u0300" * 50_000,
        ".a" + "\u0315\u0300" * 50_000,
        "a.com " * 8_000,
    ],
)
def test_text_that_costs_much_is_refused_in_time(text: str) -> None:
    """Where the work per character is dear, the length is looked at first."""
    with pytest.raises(TextProblem):
        parse(text)
