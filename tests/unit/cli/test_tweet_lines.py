"""Tweets as people read them on a terminal."""

from typing import Any

import msgspec

from rookery.cli.tweet_lines import summary, tweet_lines
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


def test_a_plain_tweet_is_one_line() -> None:
    """Time, author, a mark where there is one, text; what steers terminals is shown, not done."""
    assert lines(card("ann", "hello")) == ["12:00:00 @ann hello"]
    assert lines(card("ann", "hello"), "(edited) ") == ["12:00:00 @ann (edited) hello"]
    (hostile,) = lines(card("ann", "a\x1b[31m"))
    assert "\x1b" not in hostile


def test_a_retweet_says_who_retweeted_what() -> None:
    """What it shows stands below, with its author."""
    raw = card("bob", "", retweetOfId="6", retweetOf=card("ann", "hello"))
    assert lines(raw) == ["12:00:00 ↻ @bob retweeted", "         @ann hello"]
    assert summary(msgspec.convert(raw, PushedTweet)) == "↻ @ann: hello"


def test_a_server_of_a_former_release_does_not_say_what() -> None:
    """It sends the id alone."""
    assert lines(card("bob", "", retweetOfId="6")) == ["12:00:00 ↻ @bob retweeted a tweet"]


def test_a_quoted_tweet_is_indented_below_the_quote() -> None:
    """Or what has become of it."""
    raw = card("bob", "look", quoteOfId="6", quoteOf=card("ann", "hello"))
    assert lines(raw) == ["12:00:00 @bob look", "         │ @ann hello"]
    assert summary(msgspec.convert(raw, PushedTweet)) == "look │ @ann: hello"
    for reason, said in (("deleted", "was deleted"), ("hidden", "is not shown")):
        gone = card("bob", "look", quoteOfId="6", quoteOf={"id": "6", "unavailable": reason})
        assert lines(gone)[1] == f"         │ (a tweet that {said})"
        assert summary(msgspec.convert(gone, PushedTweet)) == "look"


def test_tweets_of_pages_are_shown_like_those_of_the_stream() -> None:
    """They have counts besides."""
    counts = {"likeCount": 1, "retweetCount": 0, "replyCount": 0, "quoteCount": 0}
    raw = card("bob", "", retweetOfId="6", retweetOf={**card("ann", "hello"), **counts}, **counts)
    tweet = msgspec.convert(raw, Tweet)
    assert [each.plain for each in tweet_lines(tweet)] == lines(raw)
