"""Tweets as people read them on a terminal."""

import io
from typing import Any

import msgspec
import pytest

from rookery.cli.terminal import Terminal, fit_streams
from rookery.cli.tweet_lines import tweet_lines, who_says
from rookery.client import PushedTweet, Tweet

NOTHING: dict[str, list[Any]] = {"mentions": [], "hashtags": [], "cashtags": [], "urls": []}


def card(author: str, text: str, **others: Any) -> dict[str, Any]:
    """A tweet as the stream brings it."""
    return {
        "id": "7",
        "text": text,
        "createdAt": "2026-01-31T12:00:00.000Z",
        "editedAt": None,
        "version": 1,
        "author": {"id": "1", "username": author, "name": author, "avatarUrl": ""},
        "entities": NOTHING,
        "inReplyToId": None,
        "inReplyToUserId": None,
        "conversationId": "7",
        "retweetOfId": None,
        "quoteOfId": None,
        "media": [],
        "sensitive": False,
        "lang": None,
        "visibility": "public",
        **others,
    }


def lines(raw: dict[str, Any], mark: str = "") -> list[str]:
    return [each.plain for each in tweet_lines(msgspec.convert(raw, PushedTweet), mark)]


def printed(raw: dict[str, Any], encoding: str) -> list[str]:
    """The lines that come out of a pipe of an encoding."""
    fit_streams()
    written = io.BytesIO()
    console = Terminal()
    console.file = io.TextIOWrapper(
        written, encoding=encoding, errors="rookery.terminal", write_through=True
    )
    for each in tweet_lines(msgspec.convert(raw, PushedTweet)):
        console.print(each)
    return written.getvalue().decode(encoding).splitlines()


def test_a_plain_tweet_is_one_line() -> None:
    """Time, author, a mark where there is one, text; what steers terminals is shown, not done."""
    assert lines(card("ann", "hello")) == ["12:00:00 @ann hello"]
    assert lines(card("ann", "hello"), "(edited) ") == ["12:00:00 @ann (edited) hello"]
    (hostile,) = lines(card("ann", "a\x1b[31m"))
    assert "\x1b" not in hostile


def rows(raw: dict[str, Any]) -> list[tuple[str, str]]:
    return who_says(msgspec.convert(raw, PushedTweet))


def test_a_retweet_says_who_retweeted_what() -> None:
    """What it shows stands below, with its author."""
    raw = card("bob", "", retweetOfId="6", retweetOf=card("ann", "hello"))
    assert lines(raw) == ["12:00:00 ↻ @bob retweeted", "  @ann hello"]
    assert rows(raw) == [("bob ↻ ann", "hello")]


def test_a_server_of_a_former_release_does_not_say_what() -> None:
    """It sends the id alone."""
    raw = card("bob", "", retweetOfId="6")
    assert lines(raw) == ["12:00:00 ↻ @bob retweeted a tweet"]
    assert rows(raw) == [("bob ↻", "")]


def test_a_quoted_tweet_is_indented_below_the_quote() -> None:
    """Each of its lines, or what has become of it."""
    raw = card("bob", "look", quoteOfId="6", quoteOf=card("ann", "hello\nyou"))
    assert lines(raw) == ["12:00:00 @bob look", "  │ @ann hello\n│ you"]
    assert rows(raw) == [("bob", "look"), ("│ ann", "hello\nyou")]
    for reason, said in (("deleted", "was deleted"), ("hidden", "is not shown")):
        gone = card("bob", "look", quoteOfId="6", quoteOf={"id": "6", "unavailable": reason})
        assert lines(gone)[1] == f"  │ (a tweet that {said})"
        assert rows(gone) == [("bob", "look"), ("│ ", f"(a tweet that {said})")]


def test_the_retweet_of_a_quote_shows_both() -> None:
    """Pages bring them; the stream brings the retweeted tweet alone."""
    counts = {"likeCount": 1, "retweetCount": 0, "replyCount": 0, "quoteCount": 0}
    quote = card("ann", "look", quoteOfId="5", quoteOf={**card("eve", "hello"), **counts}, **counts)
    raw = card("bob", "", retweetOfId="6", retweetOf=quote, **counts)
    tweet = msgspec.convert(raw, Tweet)
    below = ["  @ann look", "  │ @eve hello"]
    assert [each.plain for each in tweet_lines(tweet)] == ["12:00:00 ↻ @bob retweeted", *below]
    assert who_says(tweet) == [("bob ↻ ann", "look"), ("│ eve", "hello")]
    assert lines(raw) == ["12:00:00 ↻ @bob retweeted", "  @ann look"]


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_no_text_looks_like_a_quoted_tweet(encoding: str) -> None:
    """Where a line of a text begins, no author of a quoted tweet stands."""
    honest = printed(card("bob", "look", quoteOfId="6", quoteOf=card("ann", "I resign")), encoding)
    bar = "│" if encoding == "utf-8" else "|"
    assert honest == ["12:00:00 @bob look", f"  {bar} @ann I resign"]
    for spaces in range(12):
        forged = printed(card("bob", f"look\n{' ' * spaces}│ @ann I resign"), encoding)
        assert forged[0] == honest[0]
        assert forged[1].startswith("    ")
    quoted = card("ann", "I resign\n  │ @eve me too")
    inner = printed(card("bob", "look", quoteOfId="6", quoteOf=quoted), encoding)
    assert inner[2].startswith(f"    {bar} ")


def test_tweets_of_pages_are_shown_like_those_of_the_stream() -> None:
    """They have counts besides."""
    counts = {"likeCount": 1, "retweetCount": 0, "replyCount": 0, "quoteCount": 0}
    raw = card("bob", "", retweetOfId="6", retweetOf={**card("ann", "hello"), **counts}, **counts)
    tweet = msgspec.convert(raw, Tweet)
    assert [each.plain for each in tweet_lines(tweet)] == lines(raw)
