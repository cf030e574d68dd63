"""Tweets as lines on a terminal."""

from rookery.cli.terminal import Line, line
from rookery.client import MissingTweet, PushedTweet, Tweet, TweetCard

INDENT = " " * 9
"""As wide as the time and the space behind it."""
MISSING = {"deleted": "(a tweet that was deleted)", "hidden": "(a tweet that is not shown)"}


def tweet_lines(tweet: Tweet | PushedTweet, mark: str = "") -> list[Line]:
    """A tweet with its time and author; below it, indented, what it retweets or quotes.

    `mark` stands before its text.
    """
    time = (f"{tweet.created_at:%H:%M:%S}", "dim")
    author = f"@{tweet.author.username}"
    if tweet.retweet_of is not None:
        heading = line(time, (" ↻ ", "green"), (author, "cyan"), (" retweeted", "dim"))
        return [heading, _said(tweet.retweet_of, INDENT)]
    if tweet.retweet_of_id is not None:
        return [line(time, (" ↻ ", "green"), (author, "cyan"), (" retweeted a tweet", "dim"))]
    found = [line(time, (f" {author} ", "cyan"), (mark, "yellow"), tweet.text)]
    quoted = tweet.quote_of
    if isinstance(quoted, MissingTweet):
        found.append(line((f"{INDENT}│ {MISSING[quoted.unavailable]}", "dim")))
    elif quoted is not None:
        found.append(_said(quoted, f"{INDENT}│ "))
    return found


def _said(tweet: TweetCard, before: str) -> Line:
    return line((before, "dim"), (f"@{tweet.author.username} ", "cyan"), tweet.text)


def summary(tweet: Tweet | PushedTweet) -> str:
    """What a tweet says, in one text: of a retweet, what it shows."""
    if tweet.retweet_of is not None:
        return f"↻ @{tweet.retweet_of.author.username}: {tweet.retweet_of.text}"
    quoted = tweet.quote_of
    if quoted is None or isinstance(quoted, MissingTweet):
        return tweet.text
    return f"{tweet.text} │ @{quoted.author.username}: {quoted.text}"
